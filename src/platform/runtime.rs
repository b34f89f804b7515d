//! The interface to the clock, random numbers, timers and the log.

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

/// What the ledger needs besides the database and ElevenLabs. The worker uses the Workers runtime.
/// Tests use a clock of their own and random numbers from a seed.
pub trait Runtime {
    /// The time. In a worker it moves only during I/O.
    fn now(&self) -> UtcTime;

    /// 128 random bits.
    ///
    /// # Errors
    /// [`RandomUnavailable`] when the system gives none.
    fn random(&self) -> Result<[u8; 16], RandomUnavailable>;

    /// Waits for this many milliseconds.
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
