//! Times.

use call_ledger::model::{ExactTime, UtcTime};
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;

use crate::checks::time::{END, FIRST, Instant, check_text, length, printed, read};
use crate::invent::{damaged, text};
use crate::runner::{Cost, hold};

/// A valid date, time and offset as a text, and the instant that they are.
pub fn valid() -> impl Strategy<Value = (String, Instant)> {
    let year = prop_oneof![
        3 => 0_i64..10_000,
        2 => 1960_i64..2060,
        1 => select(vec![0, 1, 4, 99, 100, 400, 1900, 1970, 2000, 2024, 2100, 9999]),
    ];
    let date = (year, 1_i64..=12, prop_oneof![1_i64..=28, 27_i64..=31]);
    let date = date.prop_map(|(year, month, day)| (year, month, day.min(length(year, month))));
    // The ends of a year more often than chance has it.
    let date = prop_oneof![6 => date.clone(), 1 => date.clone().prop_map(|(year, ..)| (year, 12, 31)), 1 => date.prop_map(|(year, ..)| (year, 1, 1))];
    let time = prop_oneof![4 => (0_i64..24, 0_i64..60, 0_i64..=60), 1 => Just((23, 59, 59)), 1 => Just((0, 0, 0)), 1 => Just((23, 59, 60))];
    let fraction = prop_oneof![
        Just(String::new()),
        "[0-9]{1,12}",
        Just("999999999".to_owned())
    ];
    let offset = prop_oneof![
        select(vec!["Z", "z", "", "+00:00", "-00:00", "+23:59", "-23:59"]).prop_map(str::to_owned),
        "[+-]([01][0-9]|2[0-3]):[0-5][0-9]",
    ];
    let separator = select(vec!['T', 't', ' ']);
    (date, separator, time, fraction, offset).prop_map(
        |((year, month, day), separator, (hour, minute, second), fraction, offset)| {
            let point = if fraction.is_empty() { "" } else { "." };
            let text = format!("{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}{point}{fraction}{offset}");
            let instant = read(&text).unwrap();
            (text, instant)
        },
    )
}

#[test]
fn any_text_is_a_time_or_refused() {
    let near = damaged(valid().prop_map(|(text, _)| text));
    hold(Cost::Parser, &prop_oneof![text(), near], |text| {
        check_text(&text);
    });
}

/// A time within two seconds of where the range ends, which only an offset can lie beyond.
fn at_an_end() -> impl Strategy<Value = String> {
    let end = prop_oneof![(Just(END), "-", -2_i64..2), (Just(FIRST), "\\+", -2_i64..2)];
    (end, 1_i64..24 * 60).prop_map(|((end, sign, seconds), minutes)| {
        let ahead = if sign == "+" { minutes } else { -minutes };
        let local = printed(end + seconds + ahead * 60);
        format!("{local}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    })
}

#[test]
fn the_range_ends_to_the_second() {
    hold(Cost::Parser, &at_an_end(), |text| {
        check_text(&text);
    });
}

#[test]
fn a_valid_time_is_its_instant_and_has_one_form() {
    hold(Cost::Parser, &valid(), |(text, _)| {
        check_text(&text);
    });
}

#[test]
fn chrono_and_the_calendar_by_hand_agree() {
    hold(Cost::Parser, &valid(), |(text, (seconds, nanos))| {
        let with_offset = if text.len() > 10 && !text[10..].contains(['Z', 'z', '+', '-']) {
            format!("{text}Z")
        } else {
            text
        };
        let time = chrono::DateTime::parse_from_rfc3339(&with_offset).unwrap();
        // chrono counts a leap second into the second before it.
        let leap = time.timestamp_subsec_nanos() >= 1_000_000_000;
        assert_eq!(time.timestamp() + i64::from(leap), seconds);
        assert_eq!(time.timestamp_subsec_nanos() % 1_000_000_000, nanos);
    });
}

#[test]
fn the_order_of_texts_is_the_order_of_time() {
    hold(Cost::Parser, &(valid(), valid()), |(one, other)| {
        let (Ok(first), Ok(second)) = (ExactTime::parse(&one.0), ExactTime::parse(&other.0)) else {
            return;
        };
        assert_eq!(first.cmp(&second), one.1.cmp(&other.1));
        let (first, second) = (first.to_millis(), second.to_millis());
        let by_text = first.to_string().cmp(&second.to_string());
        assert_eq!(by_text, first.as_millis().cmp(&second.as_millis()));
        assert_eq!(by_text, first.cmp(&second));
    });
}

#[test]
fn a_time_moves_by_milliseconds_and_stops_at_the_ends() {
    let millis = prop_oneof![any::<i64>(), -100_000_i64..100_000];
    hold(Cost::Parser, &(valid(), millis), |((text, _), millis)| {
        let Ok(time) = UtcTime::parse(&text) else {
            return;
        };
        let moved = time.plus_millis(millis);
        let wanted = i128::from(time.as_millis()) + i128::from(millis);
        let ends = (-62_167_219_200_000, 253_402_300_799_999);
        assert_eq!(i128::from(moved.as_millis()), wanted.clamp(ends.0, ends.1));
        check_text(&moved.to_string()).unwrap();
    });
}
