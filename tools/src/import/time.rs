//! Times as PostgreSQL writes them.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeDelta, Utc};

/// A point in time, to the microsecond. Displayed as the ledger stores it: UTC with milliseconds,
/// `2025-11-21T10:30:05.123Z`. What is finer is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(DateTime<Utc>);

impl Time {
    /// Reads `2025-11-21 10:30:00.123456+05:45`, as PostgreSQL writes it with the `ISO` date style: with or without a
    /// fraction, with `+00`, `+05:45` or `+05:45:10`, `Z`, or without a zone, which counts as UTC. `T` may stand for
    /// the blank.
    ///
    /// # Errors
    /// What the text has to be.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str =
            "must be a time such as 2025-11-21 10:30:00.123456+00 (SET datestyle TO ISO)";
        if !has_form(text) {
            return Err(match text.trim_start_matches('-') {
                "infinity" => "is infinite: give it a time, or NULL where that is allowed",
                _ => FORM,
            });
        }
        let (local, offset) = split_offset(text).ok_or(FORM)?;
        let local = local.replacen('T', " ", 1);
        let local =
            NaiveDateTime::parse_from_str(&local, "%Y-%m-%d %H:%M:%S%.f").map_err(|_| FORM)?;
        let time = local.checked_sub_signed(offset).ok_or(FORM)?.and_utc();
        let year = time.format("%Y").to_string();
        if year.len() == 4 {
            Ok(Self(time))
        } else {
            Err("must lie between the years 0000 and 9999")
        }
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.timestamp()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// Whether the text begins like `2025-11-21 10:30:00`.
fn has_form(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00 00:00:00";
    let bytes = text.as_bytes();
    let in_form = |(byte, form): (&u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        b' ' => *byte == b' ' || *byte == b'T',
        _ => byte == form,
    };
    bytes.len() >= FORM.len() && bytes.iter().zip(FORM).all(in_form)
}

/// The local time, and how far its zone is ahead of UTC.
fn split_offset(text: &str) -> Option<(&str, TimeDelta)> {
    const DATE: usize = 10;
    if let Some(local) = text.strip_suffix('Z') {
        return Some((local, TimeDelta::zero()));
    }
    let (_, clock) = text.split_at_checked(DATE)?;
    let Some(at) = clock.find(['+', '-']) else {
        return Some((text, TimeDelta::zero()));
    };
    let (local, offset) = text.split_at_checked(DATE + at)?;
    let ahead = offset.starts_with('+');
    let mut seconds = 0;
    let mut unit = 3600;
    for part in offset.get(1..)?.split(':') {
        let two_digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !two_digits || unit == 0 {
            return None;
        }
        seconds += part.parse::<i64>().ok()? * unit;
        unit /= 60;
    }
    Some((
        local,
        TimeDelta::seconds(if ahead { seconds } else { -seconds }),
    ))
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn every_spelling_of_postgres_becomes_utc_with_milliseconds() {
        for (text, stored) in [
            ("2025-11-21 10:30:00+00", "2025-11-21T10:30:00.000Z"),
            ("2025-11-21 10:30:00.123456+00", "2025-11-21T10:30:00.123Z"),
            ("2025-11-21 10:30:00.9999999", "2025-11-21T10:30:00.999Z"),
            ("2025-11-21 16:15:00.5+05:45", "2025-11-21T10:30:00.500Z"),
            ("2025-11-21 07:00:00-03:30", "2025-11-21T10:30:00.000Z"),
            ("1890-01-01 00:00:00+00:19:32", "1889-12-31T23:40:28.000Z"),
            ("2025-11-21T10:30:00Z", "2025-11-21T10:30:00.000Z"),
            ("1969-12-31 23:59:59.5+00", "1969-12-31T23:59:59.500Z"),
        ] {
            assert_eq!(Time::parse(text).unwrap().to_string(), stored, "{text}");
        }
        assert_eq!(
            Time::parse("1969-12-31 23:59:59.5+00").unwrap().seconds(),
            -1
        );
    }

    #[test]
    fn what_is_finer_than_stored_still_orders() {
        let [first, second] = ["2025-11-21 10:30:00.000001", "2025-11-21 10:30:00.000002"]
            .map(|text| Time::parse(text).unwrap());
        assert!(first < second && first.to_string() == second.to_string());
    }

    #[test]
    fn what_is_no_such_time_is_refused() {
        for text in [
            "",
            "2025-11-21",
            "21.11.2025 10:30:00",
            "2025-13-21 10:30:00",
            "2025-11-21 24:30:00",
            "2025-11-21 10:30:00 BC",
            "0044-03-15 12:00:00+00 BC",
            "10000-01-01 00:00:00+00",
            "2025-11-21 10:30:00+1",
            "2025-11-21 10:30:00+01:00:00:00",
            "2025-11-21 10:30:00 EST",
            "infinity",
            "-infinity",
            "9999-12-31 23:59:59-01",
            "0000-01-01 00:00:00+01",
        ] {
            assert!(Time::parse(text).is_err(), "{text}");
        }
    }
}
