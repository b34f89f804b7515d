//! ElevenLabs' events, as the reader has them and as the record of a call has them.

use call_ledger::elevenlabs::event::{Content, Event};
use call_ledger::json::into_text;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::checks::event::{check, check_answers, check_text, said};
use crate::checks::service::wait;
use crate::escapes::escaped;
use crate::invent::{Change, bytes, changed, changes, count, damaged, places, text, value, words};
use crate::runner::{Cost, hold};
use crate::support::events::{STARTED, world_with_calls};
use crate::support::world::sid;

pub const NAMES: &[&str] = &[
    "type",
    "data",
    "event_timestamp",
    "conversation_id",
    "status",
    "transcript",
    "role",
    "message",
    "time_in_call_secs",
    "metadata",
    "analysis",
    "call_sid",
    "user_id",
    "success",
    "detail",
];

fn seconds() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0_i64..4_000).prop_map(Value::from),
        (0.0..4_000.0).prop_map(|seconds: f64| Value::from(seconds)),
        (0_i64..4_000).prop_map(|seconds| Value::from(seconds.to_string())),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
    ]
}

/// An entry of a transcript with what ElevenLabs adds to it.
fn entry() -> impl Strategy<Value = Value> {
    let role = select(vec!["agent", "user", "user", "agent", "tool", "Agent", ""]);
    let message = prop_oneof![4 => words().prop_map(Value::from), 1 => text().prop_map(Value::from), 1 => Just(Value::Null)];
    (role, message, seconds(), option::of(text()), any::<bool>()).prop_map(
        |(role, message, seconds, original, interrupted)| {
            json!({ "role": role, "message": message, "time_in_call_secs": seconds,
                "original_message": original, "interrupted": interrupted,
                "tool_calls": [], "tool_results": [{ "result": { "result_type": "x" } }],
                "conversation_turn_metrics": { "metrics": { "ttfb": { "elapsed_time": 0.5 } } } })
        },
    )
}

/// A conversation of the call that `place_body` places to driver 1.
fn conversation() -> impl Strategy<Value = Value> {
    let status = select(vec![
        "done",
        "failed",
        "in-progress",
        "processing",
        "initiated",
        "new",
    ]);
    let result = option::of(select(vec![
        "voicemail",
        "busy",
        "no_answer",
        "failed",
        "answered",
    ]));
    (vec(entry(), 0..6), status, seconds(), option::of(text()), result).prop_map(
        |(transcript, status, duration, summary, result)| {
            json!({ "agent_id": "a", "conversation_id": "conv_1", "status": status, "user_id": sid(1),
                "transcript": transcript,
                "metadata": { "start_time_unix_secs": STARTED, "call_duration_secs": duration,
                    "accepted_time_unix_secs": null, "error": null, "termination_reason": "",
                    "call_result": result, "phone_call": { "type": "twilio", "call_sid": "CA1" } },
                "analysis": { "transcript_summary": summary, "call_successful": "success" },
                "conversation_initiation_client_data": {
                    "dynamic_variables": { "call_sid": sid(1), "system__agent_turns": 2 } } })
        },
    )
}

/// An event of every type there is.
pub fn event() -> impl Strategy<Value = Value> {
    let failure = select(vec!["busy", "no-answer", "unknown"]).prop_map(|reason| {
        json!({ "agent_id": "a", "conversation_id": "conv_1", "failure_reason": reason,
            "metadata": { "type": "twilio", "body": { "CallSid": "CA1" } } })
    });
    let audio =
        Just(json!({ "agent_id": "a", "conversation_id": "conv_1", "full_audio": "UklGRg==" }));
    let content = prop_oneof![
        4 => conversation().prop_map(|data| ("post_call_transcription", data)),
        1 => failure.prop_map(|data| ("call_initiation_failure", data)),
        1 => audio.prop_map(|data| ("post_call_audio", data)),
    ];
    let time = prop_oneof![2 => Just(Value::from(STARTED + 90)), 1 => seconds()];
    (content, time).prop_map(
        |((kind, data), time)| json!({ "type": kind, "event_timestamp": time, "data": data }),
    )
}

#[test]
fn any_bytes_are_an_event_or_refused() {
    let text = event().prop_map(|event| event.to_string());
    hold(Cost::Parser, &bytes(damaged(text)), |bytes| check(&bytes.0));
}

#[test]
fn wrong_missing_and_unknown_fields_lose_only_themselves() {
    hold(
        Cost::Parser,
        &(event(), changes(NAMES, 4)),
        |(event, changes)| {
            let event = changed(event, changes);
            let _ = check_text(&event.to_string());
            let _ = check_text(&event["data"].to_string());
            check_answers(&event["data"].to_string());
        },
    );
}

#[test]
fn a_transcript_comes_out_as_it_went_in() {
    let turn = (any::<bool>(), words(), 0_i64..100_000_000);
    hold(Cost::Parser, &vec(turn, 0..8), |turns| {
        let entries = turns.iter().map(|(user, message, millis)| {
            json!({ "role": if *user { "user" } else { "agent" }, "message": message,
                "time_in_call_secs": *millis as f64 / 1_000.0 })
        });
        let entries: Vec<_> = entries.collect();
        let data = json!({ "conversation_id": "c", "status": "done", "transcript": entries });
        let told = said(&data).unwrap();
        assert_eq!(told.len(), turns.len());
        for ((speaker, message, offset), (user, sent, millis)) in told.iter().zip(&turns) {
            assert_eq!((speaker.as_str() == "driver", *offset), (*user, *millis));
            assert_eq!(*message, sent.replace('\0', "\u{fffd}"));
        }
        let event = json!({ "type": "post_call_transcription", "data": data });
        check_text(&event.to_string()).unwrap();
    });
}

#[test]
fn words_are_what_their_escapes_mean() {
    hold(Cost::Parser, &escaped(), |(json, text)| {
        let transcript = format!(r#"[{{"role":"user","message":{json}}}]"#);
        let event = format!(
            r#"{{"type":"post_call_transcription","data":{{"conversation_id":"c","transcript":{transcript}}}}}"#
        );
        let event = check_text(&into_text(event.into_bytes()).unwrap()).unwrap();
        let Content::Report(report) = event.content else {
            panic!("no report");
        };
        let told = report
            .transcript
            .unwrap()
            .into_iter()
            .map(|turn| turn.message);
        let expected = (!text.trim().is_empty()).then(|| text.replace('\0', "\u{fffd}"));
        assert!(told.eq(expected), "{text:?}");
    });
}

#[test]
fn unknown_fields_never_change_the_reading() {
    let stranger = (any::<Index>(), "x_[a-z]{1,8}", value(NAMES));
    hold(
        Cost::Parser,
        &(event(), vec(stranger, 1..5)),
        |(event, strangers)| {
            let before = Event::parse(&event.to_string());
            let added = |(place, name, value)| (place, Change::Add(name, value));
            let objects_only = |event: &Value, place: &Index| {
                let places = places(event);
                event
                    .pointer(&places[place.index(places.len())])
                    .is_some_and(Value::is_object)
            };
            let mut after = event;
            for (place, name, value) in strangers {
                if objects_only(&after, &place) {
                    after = changed(after, vec![added((place, name, value))]);
                }
            }
            assert_eq!(Event::parse(&after.to_string()), before);
        },
    );
}

/// A value that JSON may hold and the parser does not read, and one that is to be read like it.
fn unreadable() -> impl Strategy<Value = (String, String)> {
    let nested = |(open, close): (&str, &str)| {
        let nested = |depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
        (nested(200), nested(10))
    };
    let numbers = select(vec!["1e999", "-1e400", "123456789e308", "1E+2147483647"]);
    let numbers = prop_oneof![numbers.prop_map(str::to_owned), Just("9".repeat(400))];
    prop_oneof![
        numbers.prop_map(|number| (number, "null".to_owned())),
        select(vec![("[", "]"), ("{\"message\":", "}"), ("{\"x\":[", "]}")]).prop_map(nested),
    ]
}

#[test]
fn a_field_that_cannot_be_read_loses_only_itself() {
    let inside = any::<bool>();
    hold(
        Cost::Parser,
        &(event(), any::<Index>(), unreadable(), inside),
        |(mut event, place, (unreadable, like), inside)| {
            let places = places(&event);
            let place = &places[place.index(places.len())];
            let field = if inside {
                json!(["HERE"])
            } else {
                json!("HERE")
            };
            *event.pointer_mut(place).unwrap() = field;
            let with = |value: &str| event.to_string().replace("\"HERE\"", value);
            let read = check_text(&with(&unreadable));
            assert_eq!(read, check_text(&with(&like)), "{place}");
        },
    );
}

#[test]
fn the_record_of_a_call_has_the_words_of_its_event() {
    let noise = vec(text(), 0..3);
    hold(Cost::World, &(conversation(), noise), |(data, noise)| {
        let time = STARTED + 90;
        let event =
            json!({ "type": "post_call_transcription", "event_timestamp": time, "data": data });
        let world = wait(world_with_calls(&[1]));
        for message in noise {
            wait(world.say(1, 0, &format!("A:{message}")));
        }
        let first = wait(world.deliver(&event));
        let again = wait(world.deliver(&event));
        // A report of a conversation that still runs waits for the end.
        if matches!(
            data["status"].as_str(),
            Some("initiated" | "in-progress" | "processing")
        ) {
            assert_eq!((&*first, &*again), ("kept", "kept"));
            return;
        }
        assert_eq!((&*first, &*again), ("applied", "already_applied"));
        let turns = wait(world.turns(1));
        let stored: Vec<_> = turns
            .iter()
            .map(|turn| (turn["speaker"].clone(), turn["message"].clone()))
            .collect();
        let told = said(&data).unwrap();
        let told: Vec<_> = told
            .into_iter()
            .map(|(speaker, message, _)| (json!(speaker), json!(message)))
            .collect();
        let mut rest = stored.iter();
        // In its order; what was posted by a turn beforehand may stand between.
        assert!(
            told.iter().all(|said| rest.any(|stored| stored == said)),
            "{stored:?} without {told:?}"
        );
    });
}

/// Whether an event is about the call on record, whichever agent it is of.
fn is_of_the_call(event: &Event) -> bool {
    let named = match &event.content {
        Content::Report(report) => report.call_sid.as_deref(),
        _ => None,
    };
    event.conversation_id == "conv_1" || named == Some(&*sid(1))
}

#[test]
fn a_signed_event_of_any_kind_is_answered_and_kept_once() {
    hold(
        Cost::World,
        &(event(), changes(NAMES, 2)),
        |(event, changes)| {
            let event = changed(event, changes).to_string();
            let text = into_text(event.clone().into_bytes()).unwrap();
            let world = wait(world_with_calls(&[1]));
            let first = wait(world.deliver_bytes(event.clone()));
            let (status, kept) = match Event::parse(&text) {
                Ok(event) => (
                    200,
                    i64::from(event.agent_id.is_none() || is_of_the_call(&event)),
                ),
                Err(_) => (400, 0),
            };
            assert_eq!(
                (first.status, count(&world, "elevenlabs_events")),
                (status, kept),
                "{}",
                first.text
            );
            let again = wait(world.deliver_bytes(event));
            assert_eq!(
                (again.status, count(&world, "elevenlabs_events")),
                (status, kept),
                "{}",
                again.text
            );
        },
    );
}
