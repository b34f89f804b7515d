//! The clock, random numbers, waiting and the log, as the ledger sees them.

use core::fmt;
use core::future::Future;

use super::log::Line;
use crate::model::UtcTime;

/// The system gave no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomUnavailable;

impl fmt::Display for RandomUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system gave no random numbers")
    }
}

/// The world outside the database and ElevenLabs. The worker's is the Workers runtime; tests
/// bring a clock that stands still and random numbers from a seed.
pub trait Runtime {
    /// The time. In a worker it moves only when something is awaited.
    fn now(&self) -> UtcTime;

    /// 128 random bits.
    ///
    /// # Errors
    /// [`RandomUnavailable`] when the system has none to give.
    fn random(&self) -> Result<[u8; 16], RandomUnavailable>;

    /// Waits so many milliseconds.
    fn sleep(&self, millis: u64) -> impl Future<Output = ()>;

    /// Writes one line to the log.
    fn log(&self, line: &Line);
}

impl<R: Runtime> Runtime for &R {
    fn now(&self) -> UtcTime {
        (**self).now()
    }

    fn random(&self) -> Result<[u8; 16], RandomUnavailable> {
        (**self).random()
    }

    fn sleep(&self, millis: u64) -> impl Future<Output = ()> {
        (**self).sleep(millis)
    }

    fn log(&self, line: &Line) {
        (**self).log(line);
    }
}
