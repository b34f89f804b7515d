//! What a request may hold. Each route says it once, in a function over one of these traits.
//!
//! The traits have two implementations. In the worker, [`super::fields::Fields`] and
//! [`super::query::Query`] read the values and collect the faults. For `openapi.json`,
//! `openapi/describe.rs` writes the schemas and gives no values. Neither knows of the other.

use core::fmt::Display;

use crate::model::{CallStatus, DriverId, ExactTime, PhoneNumber, Speaker, UtcTime};
use crate::store::reading::Position;

/// The fields of a JSON object.
///
/// Each method takes one field by its name. It returns `None` if the field is absent, null or
/// wrong. If the field is wrong, or is required and absent, it also records a fault.
pub trait Takes {
    /// An optional text.
    fn text(&mut self, name: &'static str) -> Option<String>;

    /// An optional text of at most so many bytes.
    fn text_within(&mut self, name: &'static str, most_bytes: usize) -> Option<String>;

    /// A required text that is not blank.
    fn required_words(&mut self, name: &'static str) -> Option<String>;

    /// A required text that is not blank, of at most so many bytes.
    fn required_words_within(&mut self, name: &'static str, most_bytes: usize) -> Option<String>;

    /// An optional time, to the millisecond.
    fn time(&mut self, name: &'static str) -> Option<UtcTime>;

    /// A required time, as finely as it is written.
    fn required_exact_time(&mut self, name: &'static str) -> Option<ExactTime>;

    /// A required time, to the millisecond.
    fn required_time(&mut self, name: &'static str) -> Option<UtcTime> {
        self.required_exact_time(name).map(ExactTime::to_millis)
    }

    /// A required telephone number.
    fn required_phone_number(&mut self, name: &'static str) -> Option<PhoneNumber>;

    /// A required driver id: a number, or its digits as a text.
    fn required_driver_id(&mut self, name: &'static str) -> Option<DriverId>;

    /// A required speaker, in ElevenLabs' words.
    fn required_speaker(&mut self, name: &'static str) -> Option<Speaker>;

    /// An optional list of objects. `item` takes each object, with its index, and returns what it
    /// makes of it.
    fn list<V>(
        &mut self,
        name: &'static str,
        item: impl FnMut(&mut Self, usize) -> Option<V>,
    ) -> Vec<V>;

    /// A required list of 1 to `most` objects.
    fn required_list<V>(
        &mut self,
        name: &'static str,
        most: usize,
        item: impl FnMut(&mut Self, usize) -> Option<V>,
    ) -> Option<Vec<V>>;

    /// Records a fault of a field, for a rule that no other method here states.
    fn fault(&mut self, name: &'static str, message: &dyn Display);
}

/// The parameters of a query. All are optional. A wrong one records a fault.
pub trait TakesQuery {
    /// A call's status.
    fn status(&mut self, name: &'static str) -> Option<CallStatus>;

    /// A driver id.
    fn driver_id(&mut self, name: &'static str) -> Option<DriverId>;

    /// A time. Only the description uses `meaning`.
    fn time(&mut self, name: &'static str, meaning: &'static str) -> Option<UtcTime>;

    /// A whole number from 1 to `greatest`; `default` if it is absent.
    fn number(&mut self, name: &'static str, greatest: i64, default: i64) -> i64;

    /// The `next_cursor` of a page.
    fn cursor(&mut self, name: &'static str) -> Option<Position>;
}
