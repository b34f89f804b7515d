//! The id of a call.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{DriverId, ExactTime};

/// The id of one call attempt, unique in the ledger: `EL_{driver}_{time}`.
///
/// It consists of the driver id and the request's timestamp in UTC
/// (`EL_12345_2025-11-21T10:30:00Z`). So a retry of the request means the same calls: placing is
/// idempotent. Migration 0002 gave older calls `EL_{driver}_{epoch seconds}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct CallSid(String);

impl CallSid {
    /// The id of the call to this driver that a request with this timestamp places.
    #[must_use]
    pub fn new(driver: DriverId, requested_at: ExactTime) -> Self {
        Self(format!("EL_{driver}_{}", requested_at.to_call_sid_form()))
    }

    /// An id from a request or a row. Such a call may not exist.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::CallSid;
    use crate::model::{DriverId, ExactTime};

    fn sid(time: &str) -> String {
        let time = ExactTime::parse(time).unwrap();
        CallSid::new(DriverId::new(12345).unwrap(), time).to_string()
    }

    #[test]
    fn equal_instants_in_other_offsets_name_the_same_call() {
        let expected = "EL_12345_2025-11-21T10:30:00Z";
        for time in [
            "2025-11-21T10:30:00Z",
            "2025-11-21T10:30:00",
            "2025-11-21T10:30:00.000+00:00",
            "2025-11-21T05:30:00-05:00",
            "2025-11-21T16:00:00+05:30",
        ] {
            assert_eq!(sid(time), expected, "{time}");
        }
        assert_eq!(
            sid("2025-11-21T10:30:00.25Z"),
            "EL_12345_2025-11-21T10:30:00.250Z"
        );
    }
}
