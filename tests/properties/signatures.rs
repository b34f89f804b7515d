//! Signatures.

use call_ledger::elevenlabs::signature::TOLERANCE_SECS;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{Index, select};

use crate::checks::signature::{NOW, check, check_header, tag};
use crate::invent::{bytes, damaged, text};
use crate::runner::{Cost, hold};

fn body() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..80)
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof!["wsec_[a-z0-9]{1,20}", "[!-+\\--~]{1,100}"]
}

fn near() -> impl Strategy<Value = i64> {
    let ends = select(vec![-TOLERANCE_SECS, TOLERANCE_SECS, 0]);
    prop_oneof![-TOLERANCE_SECS..=TOLERANCE_SECS, ends]
}

/// A header like the ones that come, `$` where the right tag stands and `#` where now does.
fn header() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => select(vec!["t=#", "v0=$", "v0=0", "v1=$", "t=", "v0=", "", " t=#", "v0=$ ", "T=#", "t=0#", "t=+#"]).prop_map(str::to_owned),
        1 => "v0=[0-9a-fA-F]{64}",
        1 => "t=[0-9]{1,20}",
        1 => text(),
    ];
    vec(part, 0..5).prop_map(|parts| parts.join(","))
}

#[test]
fn any_header_is_right_or_refused() {
    let header = prop_oneof![header(), damaged(header())];
    hold(Cost::Parser, &(bytes(header), body()), |(header, body)| {
        check(&[header.0, body].concat());
    });
}

#[test]
fn a_right_signature_is_taken_among_other_fields_and_secrets() {
    let others = vec("v[01]=[0-9a-f]{0,64}|x=[a-z]{0,5}|", 0..4);
    let order = (any::<Index>(), any::<Index>(), any::<bool>());
    hold(
        Cost::Parser,
        &(body(), secret(), vec(secret(), 0..3), near(), others, order),
        |(body, secret, mut secrets, distance, mut fields, (first, second, blanks))| {
            let time = (NOW + distance).to_string();
            let tag = tag(&secret, &time, &body);
            fields.insert(first.index(fields.len() + 1), format!("v0={tag}"));
            fields.insert(second.index(fields.len() + 1), format!("t={time}"));
            secrets.insert(first.index(secrets.len() + 1), secret);
            let comma = if blanks { " , " } else { "," };
            let (header, secrets) = (fields.join(comma), secrets.join(comma));
            assert!(check_header(&header, &body, &secrets, NOW));
        },
    );
}

#[test]
fn one_changed_byte_anywhere_is_refused() {
    let change = (0_u8..4, any::<Index>(), 0_u8..8);
    hold(
        Cost::Parser,
        &(body(), secret(), near(), change),
        |(mut body, mut secret, distance, (what, place, bit))| {
            let time = (NOW + distance).to_string();
            let mut tag = tag(&secret, &time, &body);
            let mut signed_time = time;
            let flip = |bytes: &mut Vec<u8>| {
                let at = place.index(bytes.len());
                bytes[at] ^= 1 << bit;
            };
            // A digit becomes another one, so that the header keeps its form.
            let other_digit = |text: &mut String| {
                let at = place.index(text.len());
                let digit = text.as_bytes()[at];
                let other = if digit == b'0' { "1" } else { "0" };
                text.replace_range(at..=at, other);
            };
            match what {
                0 if body.is_empty() => body.push(bit),
                0 => flip(&mut body),
                1 => secret.push('x'),
                2 => other_digit(&mut signed_time),
                _ => other_digit(&mut tag),
            }
            let header = format!("t={signed_time},v0={tag}");
            assert!(!check_header(&header, &body, &secret, NOW), "{what}");
        },
    );
}

#[test]
fn outside_the_tolerance_nothing_is_taken() {
    let beyond = prop_oneof![
        Just(1),
        1_i64..100_000,
        Just(NOW - TOLERANCE_SECS),
        Just(i64::MAX - NOW - TOLERANCE_SECS)
    ];
    let beyond = (beyond, any::<bool>());
    hold(
        Cost::Parser,
        &(body(), secret(), beyond),
        |(body, secret, (beyond, late))| {
            let distance = TOLERANCE_SECS + beyond;
            let time = if late { NOW + distance } else { NOW - distance };
            let time = time.to_string();
            let header = format!("t={time},v0={}", tag(&secret, &time, &body));
            assert!(!check_header(&header, &body, &secret, NOW));
        },
    );
}
