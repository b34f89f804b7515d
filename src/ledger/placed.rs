//! What became of one call of a placement: for the answer, and for the log.

use crate::platform::log::Line;
use crate::store::CallRow;

/// What became of one driver's call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Whose call it is.
    pub driver_id: i64,
    /// What is on record now.
    pub state: CallRow,
    /// Whether this request recorded it.
    pub created: bool,
    /// For people: what kept it from being placed, when this request saw that happen.
    pub failure: Option<String>,
}

/// A log line about one call of a placement.
pub(super) fn line(event: &'static str, driver_id: i64, state: &CallRow) -> Line {
    Line {
        call_sid: Some(state.call_sid.to_string()),
        conversation_id: state.conversation_id.clone(),
        driver_id: Some(driver_id),
        ..Line::new(event)
    }
}
