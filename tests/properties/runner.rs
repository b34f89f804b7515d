//! How many inputs are tried, and which.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

/// Inputs of each property in a run of `make test`.
const CASES: u32 = 2_000;
/// Where they start, there.
const SEED: u64 = 2_025;

/// How much one input costs.
#[derive(Clone, Copy)]
pub enum Cost {
    /// A parser's work.
    Parser,
    /// A database of its own, and some requests.
    World,
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// The property holds of whatever the strategy invents, else this fails with the smallest input
/// that was found. A property fails by panicking.
pub fn hold<S: Strategy>(cost: Cost, strategy: &S, property: impl Fn(S::Value)) {
    let all = setting("CASES").map_or(CASES, |cases| u32::try_from(cases).unwrap());
    let seed = setting("SEED").unwrap_or(SEED);
    let cases = match cost {
        Cost::Parser => all,
        Cost::World => all.div_ceil(20),
    };
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        // A seed is enough to come back.
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let held = TestRunner::new(config).run(strategy, |input| {
        property(input);
        Ok(())
    });
    let name = std::thread::current().name().unwrap_or("").to_owned();
    let replay = format!("SEED={seed} CASES={all} cargo test --test properties {name}");
    match held {
        Ok(()) => {}
        Err(TestError::Fail(why, input)) => {
            panic!("{why}\nsmallest input: {input:?}\nreplay: {replay}");
        }
        Err(TestError::Abort(why)) => panic!("{why}\nreplay: {replay}"),
    }
}
