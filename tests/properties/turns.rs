//! Bodies of turns, through the whole service.

use proptest::option;
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::checks::bodies::{assert_refused, check_turn, turn};
use crate::checks::service::wait;
use crate::escapes::escaped;
use crate::invent::{Bytes, bytes, changed, changes, count, damaged, text, value, words};
use crate::runner::{Cost, hold};
use crate::support::events::world_with_calls;
use crate::support::world::{TURN, World, request, sid};
use crate::times;

const NAMES: &[&str] = &[
    "call_sid",
    "speaker",
    "message",
    "timestamp",
    "conversation_id",
];

/// A turn's body that the contract takes, most of the time.
fn body() -> impl Strategy<Value = Value> {
    let speaker = select(vec!["agent", "user"]);
    let conversation = option::of(select(vec!["", " ", "conv_1", " conv_1 ", "conv_2"]));
    (
        speaker,
        words(),
        times::valid(),
        conversation,
        any::<bool>(),
    )
        .prop_map(|(speaker, message, (time, _), conversation, known)| {
            let call_sid = if known {
                sid(1)
            } else {
                message.chars().rev().take(40).collect()
            };
            json!({ "call_sid": call_sid, "speaker": speaker, "message": message,
                "timestamp": time, "conversation_id": conversation })
        })
}

#[test]
fn any_body_is_a_turn_or_refused() {
    let near = (body(), changes(NAMES, 2)).prop_map(|(body, changes)| changed(body, changes));
    let any = prop_oneof![3 => near, 1 => value(NAMES)].prop_map(|body| body.to_string());
    let any = prop_oneof![
        any.clone().prop_map(|body| Bytes(body.into_bytes())),
        bytes(damaged(any))
    ];
    hold(Cost::Parser, &any, |body| check_turn(&body.0));
}

fn turns(world: &World) -> i64 {
    count(world, "call_transcriptions")
}

#[test]
fn a_stored_turn_reads_back_as_it_was_sent() {
    let near = (body(), changes(NAMES, 1)).prop_map(|(body, changes)| changed(body, changes));
    hold(Cost::World, &prop_oneof![2 => body(), 1 => near], |body| {
        let world = wait(world_with_calls(&[1]));
        let reply = wait(world.post(TURN, &body));
        let stored = wait(world.turns(1));
        let Some(sent) = turn(&body) else {
            assert_refused(reply.status, &reply.body);
            return assert_eq!(turns(&world), 0);
        };
        if sent.call_sid != sid(1) {
            assert_eq!((reply.status, turns(&world)), (400, 0));
            return assert_eq!(reply.body["code"], "unknown_call_sid");
        }
        if sent.conversation_id.is_some_and(|named| named != "conv_1") {
            return assert_eq!((reply.status, turns(&world)), (400, 0));
        }
        assert_eq!((reply.status, turns(&world)), (201, 1), "{}", reply.text);
        let expected = json!([{ "transcription_id": reply.body["transcription_id"],
            "sequence_number": 1, "speaker": sent.speaker, "message": sent.message,
            "timestamp": sent.timestamp }]);
        assert_eq!(Value::from(stored), expected);
        let again = wait(world.post(TURN, &body));
        assert_eq!((again.status, turns(&world)), (200, 1));
        assert_eq!(
            again.body["transcription_id"],
            reply.body["transcription_id"]
        );
    });
}

#[test]
fn a_message_is_what_its_escapes_mean() {
    hold(Cost::World, &escaped(), |(json, text)| {
        let world = wait(world_with_calls(&[1]));
        let (call_sid, time) = (sid(1), "2025-11-21T10:30:05Z");
        let body = format!(
            r#"{{"call_sid":"{call_sid}","speaker":"user","message":{json},"timestamp":"{time}"}}"#
        );
        let reply = wait(world.send(request("POST", TURN, body)));
        if text.trim().is_empty() {
            assert_refused(reply.status, &reply.body);
            return assert_eq!(turns(&world), 0);
        }
        assert_eq!(reply.status, 201, "{}", reply.text);
        assert_eq!(wait(world.turns(1))[0]["message"], text);
    });
}

#[test]
fn noise_stores_nothing() {
    hold(Cost::World, &bytes(text()), |body| {
        let world = wait(world_with_calls(&[1]));
        let reply = wait(world.send(request("POST", TURN, body.0)));
        assert_refused(reply.status, &reply.body);
        assert_eq!(turns(&world), 0);
    });
}
