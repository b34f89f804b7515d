//! What an event makes of its call.

use serde_json::{Value, json};

use crate::support::events::{at, conversation, failure, transcription, world_with_calls};
use crate::support::world::{World, sid};

pub const OUTCOME: &str =
    "status, conversation_id, call_end_time, failure_reason, summary, telephony_call_sid";

/// What is left of a call that failed before anything was said.
fn failed(reason: &str, second: i64) -> Value {
    json!({
        "status": "failed", "conversation_id": "conv_7", "call_end_time": at(second),
        "failure_reason": reason, "summary": null, "telephony_call_sid": "CA7",
    })
}

pub fn completed() -> Value {
    json!({
        "status": "completed", "conversation_id": "conv_7", "call_end_time": at(60),
        "failure_reason": null, "summary": "They spoke.", "telephony_call_sid": "CA7",
    })
}

/// Driver 7's call by the event of this conversation.
async fn settled_by(data: Value) -> World {
    let world = world_with_calls(&[7]).await;
    assert_eq!(world.deliver(&transcription(data)).await, "applied");
    assert_eq!(world.outcomes(), ["applied"]);
    world
}

#[tokio::test]
async fn a_conversation_that_took_place_completes_its_call() {
    let world = settled_by(conversation(7, &[(1, "A:Hello"), (4, "D:Hi")])).await;
    assert_eq!(world.row(7, OUTCOME), completed());
    assert_eq!(world.words(7).await, ["A:Hello", "D:Hi"]);
    let line = world.lines("call_settled").pop().unwrap();
    assert_eq!(
        (&line["call_sid"], &line["conversation_id"]),
        (&json!(sid(7)), &json!("conv_7"))
    );
    assert_eq!(
        (&line["code"], &line["count"]),
        (&json!("completed"), &json!(2))
    );
}

#[tokio::test]
async fn a_conversation_that_elevenlabs_counts_as_failed_fails_its_call() {
    for (error, termination, reason) in [
        (
            json!({ "code": 1002, "reason": "No voice" }),
            "Ended",
            "No voice",
        ),
        (
            Value::Null,
            "Ended by the platform",
            "Ended by the platform",
        ),
        (Value::Null, "", "unknown"),
    ] {
        let mut data = conversation(7, &[(1, "A:Hello")]);
        data["status"] = json!("failed");
        data["metadata"]["error"] = error;
        data["metadata"]["termination_reason"] = json!(termination);
        let world = settled_by(data).await;
        let mut expected = completed();
        expected["status"] = json!("failed");
        expected["failure_reason"] = json!(reason);
        assert_eq!(world.row(7, OUTCOME), expected);
        assert_eq!(world.words(7).await, ["A:Hello"]);
    }
}

#[tokio::test]
async fn a_phone_call_that_did_not_come_about_fails_its_call_with_the_reason() {
    let twilio = |reason: &str| {
        json!({ "type": "twilio", "body": {
            "CallSid": "CA7", "CallStatus": reason, "SipResponseCode": "486", "SequenceNumber": "3",
        } })
    };
    let sip = json!({ "type": "sip", "body": {
        "from_number": "+15550100001", "to_number": 15_550_100_007_u64, "sip_status_code": 486,
        "error_reason": "Busy Here", "call_sid": "CA7", "twirp_code": null,
    } });
    for (reason, metadata) in [
        ("busy", twilio("busy")),
        ("no-answer", twilio("no-answer")),
        ("unknown", twilio("failed")),
        ("busy", sip),
        ("no-answer", Value::Null),
    ] {
        let world = world_with_calls(&[7]).await;
        let mut event = failure(7, reason);
        event["data"]["metadata"] = metadata;
        assert_eq!(world.deliver(&event).await, "applied");
        assert_eq!(world.row(7, OUTCOME), failed(reason, 30));
        assert!(world.words(7).await.is_empty());
    }
}

#[tokio::test]
async fn the_telephone_providers_name_is_taken_from_the_failure_in_both_shapes() {
    for (kind, field) in [("twilio", "CallSid"), ("sip", "call_sid")] {
        let world = world_with_calls(&[7]).await;
        world
            .database
            .execute("UPDATE calls SET telephony_call_sid = NULL");
        let mut event = failure(7, "busy");
        event["data"]["metadata"] = json!({ "type": kind, "body": { field: "X7" } });
        world.deliver(&event).await;
        assert_eq!(world.call(&sid(7), "telephony_call_sid"), "X7");
    }
}

#[tokio::test]
async fn a_failure_without_a_reason_is_unknown() {
    for reason in [Value::Null, json!(""), json!(486)] {
        let world = world_with_calls(&[7]).await;
        let mut event = failure(7, "");
        event["data"]["failure_reason"] = reason;
        assert_eq!(world.deliver(&event).await, "applied");
        assert_eq!(world.row(7, OUTCOME), failed("unknown", 30));
    }
}

#[tokio::test]
async fn a_completed_call_stays_so_when_a_failure_follows() {
    for turns in [&[][..], &[(1, "A:Hello")]] {
        let mut data = conversation(7, turns);
        if turns.is_empty() {
            data["transcript"] = Value::Null;
        }
        let world = settled_by(data).await;
        let before = world.row(7, OUTCOME);
        assert_eq!(before["status"], "completed");
        world.deliver(&failure(7, "no-answer")).await;
        assert_eq!(world.row(7, OUTCOME), before);
        assert!(!world.outcomes().contains(&"kept".to_owned()));
        assert_eq!(world.words(7).await.len(), turns.len());
    }
}

#[tokio::test]
async fn a_conversation_that_follows_a_failure_completes_the_call() {
    let world = world_with_calls(&[7]).await;
    world.deliver(&failure(7, "busy")).await;
    let event = transcription(conversation(7, &[(1, "A:Hello")]));
    assert_eq!(world.deliver(&event).await, "applied");
    assert_eq!(world.row(7, OUTCOME), completed());
    assert_eq!(world.words(7).await, ["A:Hello"]);
}

#[tokio::test]
async fn the_failures_own_reason_outlives_a_report_that_knows_none() {
    let world = world_with_calls(&[7]).await;
    world.deliver(&failure(7, "busy")).await;
    let mut data = conversation(7, &[]);
    data["status"] = json!("failed");
    data["metadata"]["termination_reason"] = json!("");
    world.deliver(&transcription(data)).await;
    let row = world.row(7, OUTCOME);
    assert_eq!(
        (&row["status"], &row["failure_reason"]),
        (&json!("failed"), &json!("busy"))
    );
}

#[tokio::test]
async fn a_call_that_reached_no_person_has_failed_though_elevenlabs_is_done() {
    let with = |field: &str, value: Value| {
        let mut data = conversation(7, &[(1, "A:Hello")]);
        data["metadata"][field] = value;
        data
    };
    let mut detected = conversation(7, &[(1, "A:Hello"), (3, "D:Leave a message")]);
    detected["transcript"][1]["tool_results"] = json!([
        null, { "tool_name": "x", "result": null },
        { "result": { "result_type": "voicemail_detection_success" } },
    ]);
    let mut silent = conversation(7, &[]);
    silent["metadata"]["call_duration_secs"] = json!(0);
    silent["metadata"]["accepted_time_unix_secs"] = Value::Null;
    let mut in_the_phone_call = conversation(7, &[]);
    in_the_phone_call["metadata"]["phone_call"]["call_result"] = json!("busy");
    for (data, reason) in [
        (with("call_result", json!("voicemail")), "voicemail"),
        (with("call_result", json!("busy")), "busy"),
        (with("call_result", json!("no_answer")), "no-answer"),
        (
            with("call_result", json!("failed")),
            "Call ended by remote party",
        ),
        (in_the_phone_call, "busy"),
        (detected, "voicemail"),
        (silent, "no-answer"),
    ] {
        let turns = data["transcript"].as_array().unwrap().len();
        let world = settled_by(data).await;
        let row = world.row(7, OUTCOME);
        assert_eq!(
            (&row["status"], &row["failure_reason"]),
            (&json!("failed"), &json!(reason))
        );
        assert_eq!(world.words(7).await.len(), turns);
    }
}
