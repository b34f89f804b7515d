//! The person who is phoned, and why.

use core::fmt;

use serde::Serialize;

use super::{PhoneNumber, UtcTime};

/// A fleet's id of a driver: 1 to 2^53 − 1, the integers that are exact in JSON and in D1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DriverId(i64);

/// A number or text is not a driver id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriverIdError;

impl fmt::Display for DriverIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a whole number from 1 to 9007199254740991, or its digits as a string")
    }
}

impl DriverId {
    /// The greatest driver id, 2^53 − 1.
    pub const MAX: i64 = 9_007_199_254_740_991;

    /// Makes a driver id of a number.
    ///
    /// # Errors
    /// [`DriverIdError`] outside 1 to 2^53 − 1.
    pub const fn new(number: i64) -> Result<Self, DriverIdError> {
        if number >= 1 && number <= Self::MAX {
            Ok(Self(number))
        } else {
            Err(DriverIdError)
        }
    }

    /// Reads a string of ASCII digits.
    ///
    /// # Errors
    /// [`DriverIdError`] if the text has other characters or the number is out of range.
    pub fn parse(text: &str) -> Result<Self, DriverIdError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(DriverIdError);
        }
        text.parse().map_err(|_| DriverIdError).and_then(Self::new)
    }

    /// The id as a number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for DriverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A driver to phone, as the request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    pub id: DriverId,
    /// How the agent addresses the driver.
    pub name: Option<String>,
    pub phone_number: PhoneNumber,
    /// What the call is about.
    pub violations: Vec<Violation>,
    /// Instructions to the agent for this driver.
    pub custom_rules: Option<String>,
}

/// A safety violation of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The fleet's own kind, such as `hours_of_service`.
    pub kind: String,
    pub description: Option<String>,
    pub occurred_at: Option<UtcTime>,
}

#[cfg(test)]
mod tests {
    use super::{DriverId, DriverIdError};

    #[test]
    fn digits_and_numbers_within_the_exact_range() {
        assert_eq!(DriverId::parse("12345"), DriverId::new(12345));
        assert_eq!(DriverId::parse("0007"), DriverId::new(7));
        assert!(DriverId::parse("9007199254740991").is_ok());
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "1.0",
            "9007199254740992",
            "99999999999999999999",
            "٣",
            " 1",
        ] {
            assert_eq!(DriverId::parse(text), Err(DriverIdError), "{text}");
        }
    }
}
