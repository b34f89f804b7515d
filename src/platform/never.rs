//! Invariants that the code relies on, checked where it does.

use super::Runtime;
use super::log::{Level, Line};

/// Checks that something never is: `never!(runtime, condition, "what is wrong")`. Returns the
/// condition.
///
/// If the condition is true, a build with debug assertions panics, so that the tests and the
/// simulation find it. The released worker goes on and logs one `invariant_broken` line.
macro_rules! never {
    ($runtime:expr, $condition:expr, $what:literal) => {{
        let broken = $condition;
        if broken {
            $crate::platform::invariant_broken($runtime, $what);
        }
        broken
    }};
}
pub(crate) use never;

/// Reports an invariant that is broken. [`never`] calls it.
#[cold]
pub fn invariant_broken(runtime: &impl Runtime, what: &'static str) {
    runtime.log(&line(what));
    debug_assert!(false, "invariant broken: {what}");
}

fn line(what: &'static str) -> Line {
    Line {
        level: Level::Error,
        cause: Some(what.to_owned()),
        ..Line::new("invariant_broken")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::super::log::Line;
    use super::super::{RandomUnavailable, Runtime};
    use crate::model::UtcTime;

    #[derive(Default)]
    struct Log(RefCell<Vec<String>>);

    impl Runtime for Log {
        fn now(&self) -> UtcTime {
            UtcTime::EPOCH
        }

        fn random(&self) -> Result<[u8; 16], RandomUnavailable> {
            Err(RandomUnavailable)
        }

        async fn sleep(&self, _millis: u64) {}

        fn log(&self, line: &Line) {
            self.0.borrow_mut().push(line.to_json());
        }
    }

    #[test]
    fn a_broken_invariant_is_one_error_line_and_panics_in_tests_only() {
        let log = Log::default();
        assert!(!never!(&log, 1 > 2, "one is more than two"));
        assert_eq!(*log.0.borrow(), Vec::<String>::new());
        let check = AssertUnwindSafe(|| never!(&log, 2 > 1, "two is more than one"));
        // `cargo test --release` logs and goes on, as the worker does.
        let panicked = catch_unwind(check).is_err();
        assert_eq!(panicked, cfg!(debug_assertions));
        let line = r#"{"level":"error","event":"invariant_broken","cause":"two is more than one"}"#;
        assert_eq!(*log.0.borrow(), [line]);
    }
}
