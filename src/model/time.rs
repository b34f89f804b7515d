//! Points in time, always UTC.

use core::fmt;

use chrono::{DateTime, SecondsFormat, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize, Serializer};

/// A point in time in UTC, years 0000 to 9999, in whole milliseconds.
///
/// It is displayed, stored and serialised as RFC 3339 with milliseconds and `Z`
/// (`2025-11-21T10:30:05.000Z`), so that text order is time order. Reading truncates a finer time,
/// so two values are equal if and only if they are stored as the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(DateTime<Utc>);

/// A point in time in UTC, years 0000 to 9999, with the full precision of the text. Only `call_sid`
/// needs that: two requests within one millisecond are two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExactTime(DateTime<Utc>);

/// Why a text is not a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// Not RFC 3339, with or without an offset.
    NotRfc3339,
    /// Its UTC year does not have four digits, so text order would not be time order.
    OutOfRange,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRfc3339 => "must be an RFC 3339 time such as 2025-11-21T10:30:00Z",
            Self::OutOfRange => "must lie between the years 0000 and 9999 in UTC",
        })
    }
}

impl ExactTime {
    /// Reads RFC 3339 with any offset. A time without an offset is UTC.
    ///
    /// A leap second (`:60`) becomes the first instant of the next minute, as in Unix time, so that
    /// each value has exactly one spelling.
    ///
    /// # Errors
    /// [`TimeError`] if the text is not such a time, or its UTC year does not have four digits.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let time = DateTime::parse_from_rfc3339(text)
            .or_else(|_| DateTime::parse_from_rfc3339(&format!("{text}Z")))
            .map_err(|_| TimeError::NotRfc3339)?
            .with_timezone(&Utc);
        let nanos = time.nanosecond();
        let time = if nanos < 1_000_000_000 {
            Some(time)
        } else {
            time.with_nanosecond(nanos - 1_000_000_000)
                .and_then(|time| time.checked_add_signed(TimeDelta::seconds(1)))
        };
        time.filter(is_in_range)
            .map(Self)
            .ok_or(TimeError::OutOfRange)
    }

    /// The time, truncated to milliseconds.
    #[must_use]
    pub fn to_millis(self) -> UtcTime {
        let nanos = self.0.nanosecond();
        UtcTime(
            self.0
                .with_nanosecond(nanos - nanos % 1_000_000)
                .unwrap_or(self.0),
        )
    }

    /// UTC to the second, with a fraction only when there is one: the form inside a `call_sid`.
    #[must_use]
    pub fn to_call_sid_form(self) -> String {
        self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }
}

impl UtcTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(DateTime::UNIX_EPOCH);

    /// Reads what [`ExactTime::parse`] reads, and truncates it to milliseconds.
    ///
    /// # Errors
    /// [`TimeError`] if the text is not such a time, or its UTC year does not have four digits.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        ExactTime::parse(text).map(ExactTime::to_millis)
    }

    /// The time this many milliseconds after 1970-01-01T00:00:00Z; `None` if it is out of range.
    #[must_use]
    pub fn from_millis(millis: i64) -> Option<Self> {
        DateTime::from_timestamp_millis(millis)
            .filter(is_in_range)
            .map(Self)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// This time plus this many milliseconds, limited to the range.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        const FIRST: i64 = -62_167_219_200_000; // 0000-01-01T00:00:00Z
        const LAST: i64 = 253_402_300_799_999; // 9999-12-31T23:59:59.999Z
        let moved = self.as_millis().saturating_add(millis).clamp(FIRST, LAST);
        Self::from_millis(moved).unwrap_or(self)
    }

    /// This time plus a duration, at the latest the end of the year 9999.
    #[must_use]
    pub fn plus(self, by: core::time::Duration) -> Self {
        self.plus_millis(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
    }

    /// This time minus a duration, at the earliest the start of the year 0.
    #[must_use]
    pub fn minus(self, by: core::time::Duration) -> Self {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.plus_millis(-millis)
    }
}

fn is_in_range(time: &DateTime<Utc>) -> bool {
    const FIRST: i64 = -62_167_219_200; // 0000-01-01T00:00:00Z
    const END: i64 = 253_402_300_800; // 10000-01-01T00:00:00Z
    (FIRST..END).contains(&time.timestamp())
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for UtcTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A time as the database has it. It is serialised in [`UtcTime`]'s form if it can be parsed, and
/// unchanged if not.
///
/// Rows older than the ledger may have other spellings (`2025-11-21 10:30:05`). One that cannot be
/// parsed must not make a whole page fail.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct StoredTime(String);

impl StoredTime {
    /// The time that the database has as this text.
    #[must_use]
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The time, if it can be parsed.
    #[must_use]
    pub fn time(&self) -> Option<UtcTime> {
        UtcTime::parse(&self.0).ok()
    }

    /// The text as the database has it.
    #[must_use]
    pub fn as_stored(&self) -> &str {
        &self.0
    }

    /// The time, if its printed form differs from the stored text.
    fn time_to_print(&self) -> Option<UtcTime> {
        const FORM: &[u8] = b"0000-00-00T00:00:00.000Z";
        let bytes = self.0.as_bytes();
        let in_form = |(byte, form): (&u8, &u8)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        };
        // What the ledger stored. Reading and writing it again, for every time in a list, would
        // take longer than everything else; only a leap second (`:60`) would look different.
        let printed = bytes.len() == FORM.len()
            && bytes.iter().zip(FORM).all(in_form)
            && bytes.get(17) != Some(&b'6');
        if printed { None } else { self.time() }
    }
}

impl fmt::Display for StoredTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.time_to_print() {
            Some(time) => time.fmt(f),
            None => f.write_str(&self.0),
        }
    }
}

impl From<UtcTime> for StoredTime {
    fn from(time: UtcTime) -> Self {
        Self(time.to_string())
    }
}

impl Serialize for StoredTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.time_to_print() {
            Some(time) => serializer.collect_str(&time),
            None => serializer.serialize_str(&self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ExactTime, StoredTime, TimeError, UtcTime};

    #[test]
    fn times_within_one_millisecond_are_one_time_but_not_one_call_sid() {
        let texts = [
            "2025-11-21T10:30:05.123Z",
            "2025-11-21T10:30:05.123001Z",
            "2025-11-21T10:30:05.123999999Z",
        ];
        let times = texts.map(|text| UtcTime::parse(text).unwrap());
        assert!(times.iter().all(|time| *time == times[0]), "{times:?}");
        assert_eq!(times[0].as_millis() % 1000, 123);
        for text in texts {
            let exact = ExactTime::parse(text).unwrap();
            assert_eq!(
                (exact.to_call_sid_form(), exact.to_millis()),
                (text.to_owned(), times[0])
            );
        }
        // Before 1970 as well.
        let early = UtcTime::parse("1969-12-31T23:59:59.9999Z").unwrap();
        assert_eq!(
            (early.as_millis(), early.to_string().as_str()),
            (-1, "1969-12-31T23:59:59.999Z")
        );
    }

    #[test]
    fn any_offset_becomes_utc_with_milliseconds() {
        for (given, utc) in [
            ("2025-11-21T10:30:05Z", "2025-11-21T10:30:05.000Z"),
            ("2025-11-21T10:30:05.1239Z", "2025-11-21T10:30:05.123Z"),
            ("2025-11-21T05:30:05-05:00", "2025-11-21T10:30:05.000Z"),
            ("2025-11-21t16:00:05+05:30", "2025-11-21T10:30:05.000Z"),
            ("2025-11-21T10:30:05", "2025-11-21T10:30:05.000Z"),
            ("2025-11-21 10:30:05.5", "2025-11-21T10:30:05.500Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(UtcTime::parse(given).unwrap().to_string(), utc, "{given}");
        }
    }

    #[test]
    fn a_stored_time_is_printed_in_the_one_form_or_as_it_is() {
        for (stored, printed) in [
            ("2025-11-21T10:30:05.000Z", "2025-11-21T10:30:05.000Z"),
            ("2016-12-31T23:59:60.000Z", "2017-01-01T00:00:00.000Z"),
            ("2025-11-21T10:30:05.000z", "2025-11-21T10:30:05.000Z"),
            ("2025-11-21t10:30:05.000Z", "2025-11-21T10:30:05.000Z"),
            ("2025-11-21 10:30:05.000Z", "2025-11-21T10:30:05.000Z"),
            ("2025-11-21T10:30:05.1234", "2025-11-21T10:30:05.123Z"),
            ("2025-11-21T10:30+01:00:0", "2025-11-21T10:30+01:00:0"),
            ("2025-13-21T10:30:05.000Z", "2025-13-21T10:30:05.000Z"),
            ("2025-11-21 10:30:05", "2025-11-21T10:30:05.000Z"),
            ("2025-11-21T12:30:05+02:00", "2025-11-21T10:30:05.000Z"),
            ("yesterday", "yesterday"),
        ] {
            let time = StoredTime::from_stored(stored.to_owned());
            assert_eq!(time.to_string(), printed, "{stored}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2025-11-21",
            "10:30:00",
            "1763721000",
            "2025-13-01T00:00:00Z",
            "2025-11-21T25:00:00Z",
            "2025-11-21T10:30:00+25:00",
            "２０２５-11-21T10:30:00Z",
        ] {
            assert_eq!(UtcTime::parse(text), Err(TimeError::NotRfc3339), "{text}");
        }
        for text in ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00"] {
            assert_eq!(UtcTime::parse(text), Err(TimeError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn a_moved_time_stops_at_the_ends_of_the_range() {
        let time = UtcTime::parse("2025-11-21T10:30:00Z").unwrap();
        assert_eq!(
            time.plus_millis(i64::MIN).to_string(),
            "0000-01-01T00:00:00.000Z"
        );
        assert_eq!(
            time.plus_millis(i64::MAX).to_string(),
            "9999-12-31T23:59:59.999Z"
        );
        assert_eq!(time.plus_millis(-1).to_string(), "2025-11-21T10:29:59.999Z");
    }

    #[test]
    fn a_call_sid_carries_a_fraction_only_when_there_is_one() {
        for (given, form) in [
            ("2025-11-21T10:30:00.000Z", "2025-11-21T10:30:00Z"),
            ("2025-11-21T10:30:00.5Z", "2025-11-21T10:30:00.500Z"),
            ("2025-11-21T10:30:00.123456Z", "2025-11-21T10:30:00.123456Z"),
        ] {
            assert_eq!(ExactTime::parse(given).unwrap().to_call_sid_form(), form);
        }
    }
}
