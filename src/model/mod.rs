//! Calls, turns, and the values that they consist of.
//!
//! Nothing here depends on HTTP, SQL or the Workers runtime.

mod arrangement;
mod call;
mod call_sid;
mod driver;
mod event_outcome;
mod failure_reason;
mod link;
mod phone;
pub mod schemas;
mod telephony;
mod time;
mod turn;

pub use arrangement::{Arrangement, InsertedTurn, Origin, RewrittenTurn, StoredTurn};
pub use call::{Call, CallStatus, is_unlinked, unlinked};
pub use call_sid::CallSid;
pub use driver::{Driver, DriverId, DriverIdError, Violation};
pub use event_outcome::EventOutcome;
pub use failure_reason::{FailureReason, reason};
pub use link::{By, Link, Step, decide};
pub use phone::{PhoneNumber, PhoneNumberError};
pub use telephony::Telephony;
pub use time::{ExactTime, StoredTime, TimeError, UtcTime};
pub use turn::{NewTurn, Speaker, TURNS_PER_CALL, Turn, nth_turn, transcription_id};
