//! Names of calls, in bodies and in paths.

use call_ledger::model::{CallSid, DriverId, ExactTime};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;

use crate::checks::service::wait;
use crate::checks::time::{END, FIRST, in_a_call_sid, read};
use crate::invent::{text, words};
use crate::runner::{Cost, hold};
use crate::support::world::{World, request};
use crate::times;

#[test]
fn the_name_of_a_call_is_its_driver_and_its_instant() {
    let ids = 1_i64..=DriverId::MAX;
    hold(
        Cost::Parser,
        &(ids, times::valid()),
        |(id, (text, instant))| {
            let Ok(time) = ExactTime::parse(&text) else {
                return assert!(!(FIRST..END).contains(&instant.0));
            };
            let name = CallSid::new(DriverId::new(id).unwrap(), time).to_string();
            assert_eq!(name, format!("EL_{id}_{}", in_a_call_sid(instant)));
            // Back from the name to the same instant.
            let (_, form) = name.rsplit_once('_').unwrap();
            assert_eq!(read(form), Some(instant));
        },
    );
}

/// A text as a segment of a path, some of its bytes escaped: those that have to be, and others.
fn segment(text: &str, escaped: &[bool]) -> String {
    let mut choice = escaped.iter().cycle();
    let mut segment = String::new();
    for character in text.chars() {
        let must = matches!(character, '/' | '?' | '#' | '%');
        if must || *choice.next().unwrap() {
            let mut bytes = [0; 4];
            for (place, byte) in character.encode_utf8(&mut bytes).bytes().enumerate() {
                let lower = place % 2 == 1;
                segment.push_str(&if lower {
                    format!("%{byte:02x}")
                } else {
                    format!("%{byte:02X}")
                });
            }
        } else {
            segment.push(character);
        }
    }
    segment
}

#[test]
fn a_call_of_any_name_is_found_at_its_escaped_path() {
    let odd = (
        words(),
        proptest::sample::select(vec!["", "/transcription", "%2F", "/", " ", "+"]),
    );
    let name = prop_oneof![words(), odd.prop_map(|(name, end)| name + end)];
    hold(
        Cost::World,
        &(name, vec(any::<bool>(), 1..6)),
        |(name, escaped)| {
            let world = World::new();
            let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
            world.database.execute(&format!(
                "INSERT INTO calls (call_sid, driver_id, call_start_time, status, created_at, updated_at) \
                 VALUES (CAST(x'{hex}' AS TEXT), 1, 't', 'failed', 't', 't')"
            ));
            let path = format!("/calls/{}", segment(&name, &escaped));
            let call = wait(world.get(&path));
            assert_eq!(
                (call.status, call.body["call_sid"].as_str()),
                (200, Some(&*name))
            );
            let transcription = wait(world.get(&format!("{path}/transcription")));
            assert_eq!(transcription.body["call_sid"].as_str(), Some(&*name));
            let other = wait(world.get(&format!("{path}%20x")));
            assert_eq!(
                (other.status, other.body["code"].as_str()),
                (404, Some("unknown_call_sid"))
            );
        },
    );
}

#[test]
fn any_path_is_answered() {
    let world = World::new();
    let start = proptest::sample::select(vec![
        "/",
        "/calls/",
        "/calls/%",
        "",
        "//",
        "/calls//transcription",
    ]);
    let method = proptest::sample::select(vec!["GET", "POST", "HEAD", "PUT"]);
    hold(
        Cost::Parser,
        &(method, start, text()),
        |(method, start, rest)| {
            let target = format!("{start}{}", rest.replace('?', "%3F"));
            let reply = wait(world.send(request(method, &target, "")));
            assert!(
                (400..500).contains(&reply.status) || target == "/calls/",
                "{target}: {}",
                reply.status
            );
        },
    );
}
