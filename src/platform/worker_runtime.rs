//! The Workers runtime.

use super::effects::Effects;
use super::log::{Level, Line};
use super::{RandomUnavailable, Runtime};
use crate::model::UtcTime;

/// Clock, random numbers, timers and log of the Workers runtime, for one task.
#[derive(Debug, Clone)]
pub struct WorkerRuntime {
    effects: Effects,
}

impl WorkerRuntime {
    /// The runtime for the task of these effects.
    #[must_use]
    pub const fn new(effects: Effects) -> Self {
        Self { effects }
    }
}

impl Runtime for WorkerRuntime {
    fn now(&self) -> UtcTime {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole milliseconds, far from the end of i64"
        )]
        let millis = worker::js_sys::Date::now() as i64;
        // `Date` is always in the range. The default avoids a panic.
        UtcTime::from_millis(millis).unwrap_or(UtcTime::EPOCH)
    }

    fn random(&self) -> Result<[u8; 16], RandomUnavailable> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| RandomUnavailable)?;
        Ok(bytes)
    }

    async fn sleep(&self, millis: u64) {
        // A timer does not fail. If it did, the pause would only be shorter.
        let _ = self.effects.ask("sleep", &millis).await;
    }

    fn log(&self, line: &Line) {
        let text = line.to_json();
        match line.level {
            Level::Info => worker::console_log!("{text}"),
            Level::Error => worker::console_error!("{text}"),
        }
    }
}
