//! Times. The calendar here is computed by hand, so that it is not chrono compared with itself.

use call_ledger::model::{ExactTime, StoredTime, TimeError, UtcTime};

/// 0000-01-01T00:00:00Z and 10000-01-01T00:00:00Z in Unix seconds.
pub const FIRST: i64 = -62_167_219_200;
pub const END: i64 = 253_402_300_800;

/// An instant in Unix seconds and nanoseconds of the second.
pub type Instant = (i64, u32);

/// Days from 1970-01-01 to this date of the Gregorian calendar, from year 0 on.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = year - 1;
    // Year 0 is a leap year that the divisions below do not count.
    let leap_days = if year == 0 {
        0
    } else {
        before / 4 - before / 100 + before / 400 + 1
    };
    let mut days = year * 365 + leap_days - 719_528;
    for (number, length) in (1..month).zip(lengths) {
        days += length + i64::from(number == 2 && leap(year));
    }
    days + day - 1
}

/// So many days are in a month.
pub fn length(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    days(next_year, next_month, 1) - days(year, month, 1)
}

/// So many digits at the start, as a number, and what follows them.
fn digits(text: &str, count: usize) -> Option<(i64, &str)> {
    let (number, rest) = text.split_at_checked(count)?;
    let all = number.bytes().all(|byte| byte.is_ascii_digit());
    Some((number.parse().ok().filter(|_| all)?, rest))
}

fn skip<'a>(text: &'a str, any_of: &[char]) -> Option<&'a str> {
    text.strip_prefix(any_of)
}

/// RFC 3339 as the contract takes it: any offset, none for UTC, `t`, `z` and a blank as well.
/// The minus sign U+2212 in an offset is chrono's kindness.
pub fn read(text: &str) -> Option<Instant> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(skip(rest, &['-'])?, 2)?;
    let (day, rest) = digits(skip(rest, &['-'])?, 2)?;
    let (hour, rest) = digits(skip(rest, &['T', 't', ' '])?, 2)?;
    let (minute, rest) = digits(skip(rest, &[':'])?, 2)?;
    let (second, mut rest) = digits(skip(rest, &[':'])?, 2)?;
    let mut nanos = 0;
    if let Some(fraction) = skip(rest, &['.']) {
        let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let kept = count.min(9);
        let (number, _) = digits(fraction, kept).filter(|_| count > 0)?;
        nanos = u32::try_from(number).ok()? * 10_u32.pow(9 - u32::try_from(kept).ok()?);
        rest = &fraction[count..];
    }
    let offset = match rest {
        "" | "Z" | "z" => 0,
        _ => {
            let minus = rest.starts_with(['-', '\u{2212}']);
            let (hours, rest) = digits(skip(rest, &['+', '-', '\u{2212}'])?, 2)?;
            let (minutes, rest) = digits(skip(rest, &[':'])?, 2)?;
            let fits = hours <= 23 && minutes <= 59 && rest.is_empty();
            let seconds = (hours * 60 + minutes) * 60;
            fits.then_some(if minus { -seconds } else { seconds })?
        }
    };
    let fits = (1..=12).contains(&month) && (1..=length(year, month)).contains(&day);
    // 60 is a leap second, which Unix time counts as the next minute's first.
    let fits = fits && hour <= 23 && minute <= 59 && second <= 60;
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    fits.then_some((seconds, nanos))
}

/// `2025-11-21T10:30:05` of these Unix seconds.
pub fn printed(seconds: i64) -> String {
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The year is found by trying, from one that is not too late.
    let mut year = (day + 719_528) / 366;
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days(year, month + 1, 1) <= day {
        month += 1;
    }
    let date = day - days(year, month, 1) + 1;
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{:02}",
        second % 60
    )
}

/// The canonical form: UTC with milliseconds.
pub fn canonical((seconds, nanos): Instant) -> String {
    format!("{}.{:03}Z", printed(seconds), nanos / 1_000_000)
}

/// The form inside a `call_sid`: a fraction only when there is one, of 3, 6 or 9 digits.
pub fn in_a_call_sid((seconds, nanos): Instant) -> String {
    let fraction = match nanos {
        0 => String::new(),
        _ if nanos % 1_000_000 == 0 => format!(".{:03}", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => format!(".{:06}", nanos / 1_000),
        _ => format!(".{nanos:09}"),
    };
    format!("{}{fraction}Z", printed(seconds))
}

pub fn check(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data) {
        check_text(text);
    }
}

/// A text is read as the instant it is, or refused for the right reason; what was read is printed
/// in its one form, and that is read as the same instant.
pub fn check_text(text: &str) -> Option<UtcTime> {
    let time = UtcTime::parse(text);
    let stored = StoredTime::from_stored(text.to_owned());
    let Some((seconds, nanos)) = read(text) else {
        assert_eq!(time, Err(TimeError::NotRfc3339), "{text:?}");
        assert_eq!(stored.to_string(), text);
        return None;
    };
    if !(FIRST..END).contains(&seconds) {
        assert_eq!(time, Err(TimeError::OutOfRange), "{text:?}");
        return None;
    }
    let time = time.unwrap_or_else(|error| panic!("{text:?} is refused: {error}"));
    let millis = seconds * 1_000 + i64::from(nanos / 1_000_000);
    assert_eq!(time.as_millis(), millis, "{text:?}");
    let form = canonical((seconds, nanos));
    assert_eq!(time.to_string(), form, "{text:?}");
    assert_eq!(stored.to_string(), form);
    let again = UtcTime::parse(&form);
    assert_eq!(again.map(UtcTime::as_millis), Ok(millis), "{form}");
    assert_eq!(again.map(|time| time.to_string()), Ok(form));
    assert_eq!(again.ok(), UtcTime::from_millis(millis));
    let exact = ExactTime::parse(text);
    let name = exact.map(ExactTime::to_call_sid_form);
    let name = name.unwrap_or_else(|error| panic!("{text:?} is refused: {error}"));
    assert_eq!(name, in_a_call_sid((seconds, nanos)), "{text:?}");
    assert_eq!(ExactTime::parse(&name), exact);
    assert_eq!(exact.map(ExactTime::to_millis), Ok(time));
    Some(time)
}
