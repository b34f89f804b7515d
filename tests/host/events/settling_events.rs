//! Events that come twice, at once, untidily, too large, or about somebody else's call.

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::events::{
    STARTED, conversation, empty_world, failure, transcription, world_with_calls,
};
use crate::support::world::{World, sid};

/// Everything the ledger knows of calls and turns.
fn everything(world: &World) -> Vec<Vec<Value>> {
    ["calls", "call_transcriptions"]
        .map(|table| {
            let sql = format!("SELECT * FROM {table} ORDER BY id");
            world.database.query(&sql)
        })
        .to_vec()
}

fn done() -> Value {
    transcription(conversation(7, &[(1, "A:Hello"), (4, "D:Hi")]))
}

#[tokio::test]
async fn a_type_the_ledger_does_not_know_is_ignored_and_its_content_never_stored() {
    let world = world_with_calls(&[7]).await;
    let before = everything(&world);
    for kind in [
        "post_call_audio",
        "answering_machine_detection",
        "post_call_transcription_otel",
        "something_new",
    ] {
        let event = json!({
            "type": kind, "event_timestamp": STARTED + 90,
            "data": { "agent_id": "agent_test", "conversation_id": "conv_7", "full_audio": "SUQzBAAAA" },
        });
        for _ in 0..2 {
            assert_eq!(world.deliver(&event).await, "ignored");
        }
        let anonymous = json!({ "type": kind, "data": { "full_audio": "SUQzBAAAA" } });
        assert_eq!(world.deliver(&anonymous).await, "ignored");
    }
    assert_eq!(everything(&world), before);
    let rows = world.database.query("SELECT * FROM elevenlabs_events");
    assert_eq!(rows.len(), 8);
    for row in rows {
        assert_eq!(
            (&row["outcome"], &row["payload"]),
            (&json!("ignored"), &Value::Null)
        );
    }
}

#[tokio::test]
async fn the_same_event_twice_is_applied_once() {
    for event in [done(), failure(7, "busy")] {
        let world = world_with_calls(&[7]).await;
        assert_eq!(world.deliver(&event).await, "applied");
        let before = everything(&world);
        world.runtime.advance(30_000);
        for _ in 0..3 {
            assert_eq!(world.deliver(&event).await, "already_applied");
        }
        assert_eq!(everything(&world), before);
        assert_eq!(world.outcomes(), ["applied"]);
        assert_eq!(world.lines("call_settled").len(), 1);
    }
}

#[tokio::test]
async fn the_same_event_ten_times_at_once_is_applied_once() {
    for event in [done(), failure(7, "busy")] {
        let world = world_with_calls(&[7]).await;
        world.say_all(7, &[(4, "D:Hi"), (5, "A:Bye")]).await;
        let statuses = join_all((0..10).map(|_| world.deliver(&event))).await;
        let said = |word: &str| statuses.iter().filter(|status| *status == word).count();
        assert_eq!(
            (said("applied"), said("already_applied")),
            (1, 9),
            "{statuses:?}"
        );
        assert_eq!(world.outcomes(), ["applied"]);
        assert_eq!(world.lines("call_settled").len(), 1);
        let revision = i64::from(event["type"] == "post_call_transcription");
        assert_eq!(world.call(&sid(7), "transcript_revision"), revision);
        let expected: &[&str] = if revision == 1 {
            &["A:Hello", "D:Hi", "A:Bye"]
        } else {
            &["D:Hi", "A:Bye"]
        };
        assert_eq!(world.words(7).await, expected);
    }
}

#[tokio::test]
async fn different_events_of_one_call_at_once_leave_what_the_conversation_says() {
    for (with_transcript, swapped) in [(true, false), (true, true), (false, false), (false, true)] {
        let world = world_with_calls(&[7]).await;
        let mut events = [done(), failure(7, "busy")];
        if !with_transcript {
            events[0]["data"]["transcript"] = Value::Null;
        }
        events.rotate_left(usize::from(swapped));
        let [first, second] = &events;
        let (first, second) = join(world.deliver(first), world.deliver(second)).await;
        assert_eq!((&*first, &*second), ("applied", "applied"));
        let row = world.row(7, "status, failure_reason");
        assert_eq!(
            row,
            json!({ "status": "completed", "failure_reason": null })
        );
        let turns = if with_transcript { 2 } else { 0 };
        assert_eq!(world.words(7).await.len(), turns);
    }
}

#[tokio::test]
async fn a_second_conversation_for_a_call_is_ignored_and_the_first_stands() {
    let world = world_with_calls(&[7]).await;
    world.say_all(7, &[(1, "A:Hello")]).await;
    let mut other = conversation(7, &[(1, "A:Another")]);
    other["conversation_id"] = json!("conv_blank");
    let before = everything(&world);
    assert_eq!(
        world.deliver(&transcription(other.clone())).await,
        "ignored"
    );
    assert_eq!(everything(&world), before);
    assert_eq!(world.outcomes(), ["ignored"]);
    let line = world.lines("event_not_applied").pop().unwrap();
    assert_eq!(
        (&line["level"], &line["code"]),
        (&json!("error"), &json!("conversation_conflict"))
    );
    assert_eq!(world.deliver(&done()).await, "applied");
    let settled = everything(&world);
    // Nor does it change a call that is settled.
    let mut later = transcription(other);
    later["event_timestamp"] = json!(STARTED + 600);
    assert_eq!(world.deliver(&later).await, "ignored");
    assert_eq!(everything(&world), settled);
    assert_eq!(world.words(7).await, ["A:Hello", "D:Hi"]);
}

#[tokio::test]
async fn an_event_settles_the_call_that_has_its_conversation_whatever_name_it_carries() {
    let world = world_with_calls(&[7, 8]).await;
    let mut data = conversation(7, &[(1, "A:Hello")]);
    data["conversation_initiation_client_data"]["dynamic_variables"]["call_sid"] = json!(sid(8));
    assert_eq!(world.deliver(&transcription(data)).await, "applied");
    assert_eq!(world.call(&sid(7), "status"), "completed");
    assert_eq!(world.call(&sid(8), "status"), "in_progress");
    assert!(world.words(8).await.is_empty());
}

#[tokio::test]
async fn an_event_of_somebody_elses_call_waits() {
    let world = empty_world();
    assert_eq!(world.deliver(&done()).await, "kept");
    assert_eq!(world.deliver(&done()).await, "kept");
    assert_eq!(world.deliver(&failure(7, "busy")).await, "kept");
    assert_eq!(world.outcomes(), ["kept", "kept"]);
}

#[tokio::test]
async fn nulls_floats_and_unknown_fields_are_no_obstacle() {
    let world = world_with_calls(&[7]).await;
    let event = json!({
        "type": "post_call_transcription", "event_timestamp": "1763721090", "new": { "a": [1.5e300] },
        "data": {
            "conversation_id": "conv_7", "status": "done", "agent_name": null, "user_id": null,
            "transcript": [
                { "role": "agent", "message": "Hello", "time_in_call_secs": 1.25, "tool_calls": null,
                  "tool_results": null, "feedback": null, "new": {} },
                { "role": "agent", "message": null, "time_in_call_secs": 2,
                  "tool_calls": [{ "tool_name": "lookup", "params_as_json": "{}" }] },
                { "role": "agent", "message": "", "time_in_call_secs": 2 },
                { "role": "user", "message": "Hi", "time_in_call_secs": "3", "interrupted": null,
                  "conversation_turn_metrics": { "metrics": { "x": { "elapsed_time": 0.1 } } } },
                { "role": "someone", "message": "?", "time_in_call_secs": 4 },
                { "role": "user", "message": "No time", "time_in_call_secs": null },
                null, 7, "text", [],
            ],
            "metadata": { "start_time_unix_secs": 1_763_721_000.0, "call_duration_secs": 60.4,
                          "cost": 70.0, "accepted_time_unix_secs": null, "error": null, "phone_call": null },
            "analysis": null, "conversation_initiation_client_data": null, "has_audio": "no",
        },
    });
    assert_eq!(world.deliver(&event).await, "applied");
    let row = world.row(7, "status, call_end_time, summary, telephony_call_sid");
    assert_eq!(
        row,
        json!({ "status": "completed", "call_end_time": "2025-11-21T10:31:00.400Z", "summary": null,
                "telephony_call_sid": "CA7" })
    );
    assert_eq!(world.words(7).await, ["A:Hello", "D:Hi", "D:No time"]);
    let times: Vec<_> = world
        .turns(7)
        .await
        .iter()
        .map(|turn| turn["timestamp"].clone())
        .collect();
    assert_eq!(
        times,
        [
            "2025-11-21T10:30:01.250Z",
            "2025-11-21T10:30:03.000Z",
            "2025-11-21T10:30:00.000Z"
        ]
    );
    assert_eq!(world.deliver(&event).await, "already_applied");
}

#[tokio::test]
async fn the_barest_event_still_ends_its_call() {
    let world = world_with_calls(&[7]).await;
    let bare = json!({ "type": "post_call_transcription",
                       "data": { "conversation_id": "conv_7", "status": "done" } });
    assert_eq!(world.deliver(&bare).await, "applied");
    let row = world.row(7, "status, call_end_time");
    // For lack of any other the end is the time at which the event came.
    let now = "2025-11-21T10:30:01.000Z";
    assert_eq!(row, json!({ "status": "completed", "call_end_time": now }));
}

#[tokio::test]
async fn an_event_without_a_transcript_leaves_the_posted_turns() {
    let world = world_with_calls(&[7]).await;
    world.say_all(7, &[(1, "A:Hello"), (2, "D:Hi")]).await;
    let mut data = conversation(7, &[]);
    data.as_object_mut().unwrap().remove("transcript");
    assert_eq!(world.deliver(&transcription(data)).await, "applied");
    assert_eq!(world.call(&sid(7), "status"), "completed");
    assert_eq!(world.say(7, 3, "A:Bye").await.status, 201);
    assert_eq!(world.words(7).await, ["A:Hello", "D:Hi", "A:Bye"]);
}

#[tokio::test]
async fn an_event_too_large_for_a_row_is_stored_without_its_body_and_applied() {
    for (filling, kept) in [(1_000_000, true), (1_900_000, false), (5_000_000, false)] {
        let world = world_with_calls(&[7]).await;
        let mut event = done();
        event["data"]["filling"] = json!("x".repeat(filling));
        assert_eq!(world.deliver(&event).await, "applied");
        let row = "SELECT outcome, payload IS NOT NULL AS kept FROM elevenlabs_events";
        assert_eq!(
            world.database.query(row),
            [json!({ "outcome": "applied", "kept": i64::from(kept) })]
        );
        assert_eq!(world.words(7).await, ["A:Hello", "D:Hi"]);
        assert_eq!(world.deliver(&event).await, "already_applied");
    }
}

#[tokio::test]
async fn a_transcript_of_three_thousand_turns_is_stored_whole() {
    let world = world_with_calls(&[7]).await;
    // Every third turn was posted, each a little off in time, and in the wrong order.
    let text = |n: i64| {
        format!(
            "{}:turn {n} {}",
            if n % 2 == 0 { "A" } else { "D" },
            "w ".repeat(300)
        )
    };
    let texts: Vec<_> = (0..3000).map(|n| (n, text(n))).collect();
    let turns: Vec<_> = texts.iter().map(|(n, text)| (*n, text.as_str())).collect();
    for (second, text) in turns.iter().rev().step_by(3).take(200) {
        assert_eq!(world.say(7, second + 1, text).await.status, 201);
    }
    let event = transcription(conversation(7, &turns));
    assert!(event.to_string().len() > 1_900_000);
    assert_eq!(world.deliver(&event).await, "applied");
    let words = world.words(7).await;
    let expected: Vec<_> = texts.iter().map(|(_, text)| text.as_str()).collect();
    assert!(words == expected, "{} turns", words.len());
    assert_eq!(world.deliver(&event).await, "already_applied");
}

#[tokio::test]
async fn an_event_that_was_ignored_is_ignored_again() {
    let world = world_with_calls(&[7]).await;
    let mut other = conversation(7, &[(1, "A:Another")]);
    other["conversation_id"] = json!("conv_blank");
    for _ in 0..3 {
        assert_eq!(
            world.deliver(&transcription(other.clone())).await,
            "ignored"
        );
    }
}
