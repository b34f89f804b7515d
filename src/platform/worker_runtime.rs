//! The Workers runtime.

use core::time::Duration;

use super::log::{Level, Line};
use super::{RandomUnavailable, Runtime};
use crate::model::UtcTime;

/// Clock, random numbers, waiting and log of the Workers runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkerRuntime;

impl Runtime for WorkerRuntime {
    fn now(&self) -> UtcTime {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole milliseconds, far from the range's end"
        )]
        let millis = worker::js_sys::Date::now() as i64;
        // `Date` never leaves the range; the fallback keeps this free of panics.
        UtcTime::from_millis(millis).unwrap_or(UtcTime::EPOCH)
    }

    fn random(&self) -> Result<[u8; 16], RandomUnavailable> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| RandomUnavailable)?;
        Ok(bytes)
    }

    async fn sleep(&self, millis: u64) {
        worker::Delay::from(Duration::from_millis(millis)).await;
    }

    fn log(&self, line: &Line) {
        let text = line.to_json();
        match line.level {
            Level::Info => worker::console_log!("{text}"),
            Level::Error => worker::console_error!("{text}"),
        }
    }
}
