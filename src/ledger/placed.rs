//! The outcome of one call of a placement, for the answer and for the log.

use crate::platform::log::Line;
use crate::store::CallRow;

/// The outcome of one driver's call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The fleet's number for the driver.
    pub driver_id: i64,
    /// The call as it is on record now.
    pub state: CallRow,
    /// Whether this request recorded it.
    pub created: bool,
    /// Why the call was not placed, in words for people. `None` if this request did not see that.
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
