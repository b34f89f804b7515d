//! Clearing texts that are older than they may be kept.

use serde_json::{Value, json};

use crate::support::events::{
    Books, DAY, HOUR, STARTED, conversation, failure, transcription, world_with_calls,
};
use crate::support::sqlite::Fault::{AnswerLost, None as Well, Refused};
use crate::support::sqlite::TRANSIENT;
use crate::support::world::World;

const TURNS: [(i64, &str); 3] = [(1, "A:Hello"), (4, "D:Hi"), (9, "A:Bye")];

/// A settled call of driver 7 with three turns, of which one was posted in other words.
async fn settled() -> World {
    let world = world_with_calls(&[7]).await;
    world
        .say_all(7, &[(1, "A:Hello"), (4, "D:Hi "), (5, "D:(cough)")])
        .await;
    world.deliver(&transcription(conversation(7, &TURNS))).await;
    Books::open(&world, []);
    world
}

/// All rows of the ledger.
fn everything(world: &World) -> Vec<Vec<Value>> {
    let tables = ["calls", "call_transcriptions", "elevenlabs_events"];
    let rows = tables.map(|table| {
        let sql = format!("SELECT * FROM {table} ORDER BY id");
        world.database.query(&sql)
    });
    rows.to_vec()
}

/// The same with the texts cleared.
fn without_texts(mut rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    for row in rows.iter_mut().flatten() {
        for (column, cleared) in [
            ("message_text", json!("")),
            ("original_text", Value::Null),
            ("summary", Value::Null),
            ("payload", Value::Null),
        ] {
            if row.get(column).is_some() {
                row[column] = cleared;
            }
        }
    }
    rows
}

#[tokio::test]
async fn texts_older_than_configured_are_cleared_and_nothing_else_changes() {
    let world = settled().await;
    world.settings.set("RETENTION_DAYS", "30");
    let before = everything(&world);
    world.runtime.advance(30 * DAY);
    assert_eq!(
        world.reconcile().await.line["reconciled"]["texts_cleared"],
        0
    );
    assert_eq!(everything(&world), before);
    world.runtime.advance(1000);
    let run = world.reconcile().await;
    assert_eq!(everything(&world), without_texts(before));
    // Four turns, one call, one event.
    assert_eq!(run.line["reconciled"]["texts_cleared"], 6);
    let expected = ["A:", "D:", "D:", "A:"];
    assert_eq!(world.words(7).await, expected);
    let row = world.row(7, "status, conversation_id, summary");
    assert_eq!(
        row,
        json!({ "status": "completed", "conversation_id": "conv_7", "summary": null })
    );
}

#[tokio::test]
async fn while_nothing_is_configured_texts_are_kept_for_ever() {
    let world = settled().await;
    let before = everything(&world);
    for retention in [None, Some("")] {
        if let Some(days) = retention {
            world.settings.set("RETENTION_DAYS", days);
        }
        world.runtime.advance(10_000 * DAY);
        let run = world.reconcile().await;
        assert_eq!(
            (
                run.line["reconciled"]["texts_cleared"].as_i64(),
                run.line.get("code")
            ),
            (Some(0), None)
        );
        assert_eq!(everything(&world), before);
    }
}

#[tokio::test]
async fn a_value_that_is_no_number_of_days_clears_nothing_and_is_named() {
    let world = settled().await;
    let before = everything(&world);
    world.runtime.advance(10_000 * DAY);
    for value in [
        "0",
        "-1",
        "1.5",
        "30 days",
        "forever",
        "99999999999999999999",
    ] {
        world.settings.set("RETENTION_DAYS", value);
        let line = world.reconcile().await.line;
        assert_eq!(
            (&line["level"], &line["code"], &line["cause"]),
            (
                &json!("error"),
                &json!("not_configured"),
                &json!("RETENTION_DAYS must be a whole number above 0")
            )
        );
        assert_eq!(everything(&world), before);
    }
}

#[tokio::test]
async fn younger_texts_stay_untouched() {
    let world = world_with_calls(&[7, 8]).await;
    world.settings.set("RETENTION_DAYS", "2");
    Books::open(&world, []);
    world.say_all(7, &[(1, "A:Old")]).await;
    world.runtime.advance(DAY);
    world.say_all(7, &[(3, "A:Young")]).await;
    world.deliver(&failure(8, "busy")).await;
    world.runtime.advance(DAY + HOUR);
    world.reconcile().await;
    assert_eq!(world.words(7).await, ["A:", "A:Young"]);
    let kept = "SELECT payload IS NOT NULL FROM elevenlabs_events";
    assert_eq!(world.database.value(kept), 1);
    world.runtime.advance(DAY);
    world.reconcile().await;
    assert_eq!(world.words(7).await, ["A:", "A:"]);
    assert_eq!(world.database.value(kept), 0);
}

#[tokio::test]
async fn a_turn_that_comes_again_after_its_text_was_cleared_is_not_stored_twice() {
    let world = settled().await;
    world.settings.set("RETENTION_DAYS", "1");
    let first = world.say(7, 1, "A:Hello").await;
    world.runtime.advance(3 * DAY);
    world.reconcile().await;
    let before = everything(&world);
    for (second, text) in [(1, "A:Hello"), (4, "D:Hi "), (4, "D:Hi"), (5, "D:(cough)")] {
        assert_eq!(world.say(7, second, text).await.status, 200, "{text}");
    }
    assert_eq!(world.say(7, 1, "A:Hello").await.body, first.body);
    assert_eq!(everything(&world), before);
}

#[tokio::test]
async fn a_turn_of_an_unsettled_call_that_comes_again_is_not_stored_twice_either() {
    let world = world_with_calls(&[7]).await;
    world.settings.set("RETENTION_DAYS", "1");
    Books::open(&world, []);
    world.say_all(7, &TURNS).await;
    world
        .database
        .execute("UPDATE calls SET status = 'completed'");
    world.runtime.advance(3 * DAY);
    world.reconcile().await;
    for (second, text) in TURNS {
        assert_eq!(world.say(7, second, text).await.status, 200, "{text}");
    }
    assert_eq!(world.words(7).await, ["A:", "D:", "A:"]);
    // Another one is another one.
    assert_eq!(world.say(7, 12, "D:New").await.status, 201);
    assert_eq!(world.words(7).await, ["A:", "D:", "A:", "D:New"]);
}

#[tokio::test]
async fn a_transcript_that_comes_again_does_not_bring_cleared_turns_back() {
    let world = settled().await;
    world.settings.set("RETENTION_DAYS", "1");
    world.runtime.advance(3 * DAY);
    world.reconcile().await;
    let mut event = transcription(conversation(7, &TURNS));
    assert_eq!(world.deliver(&event).await, "already_applied");
    event["event_timestamp"] = json!(STARTED + 200);
    world.deliver(&event).await;
    assert_eq!(world.words(7).await, ["A:", "D:", "D:", "A:"]);
    assert_eq!(world.row(7, "status"), json!({ "status": "completed" }));
}

#[tokio::test]
async fn an_event_that_still_waits_when_its_payload_is_cleared_is_asked_for() {
    let world = crate::support::events::empty_world();
    world.settings.set("RETENTION_DAYS", "1");
    assert_eq!(
        world.deliver(&transcription(conversation(7, &TURNS))).await,
        "kept"
    );
    Books::open(&world, []);
    world.runtime.advance(2 * DAY);
    world.reconcile().await;
    let payload = "SELECT payload FROM elevenlabs_events";
    assert_eq!(world.database.value(payload), Value::Null);
    let row = "INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, created_at, updated_at) \
               VALUES ('EL_7_2025-11-21T10:30:00Z', 'conv_7', 7, '2025-11-23T10:30:00.000Z', 'in_progress', \
                       '2025-11-23T10:30:00.000Z', '')";
    world.database.execute(row);
    Books::open(&world, [conversation(7, &TURNS)]);
    world.runtime.advance(HOUR);
    world.reconcile().await;
    assert_eq!(world.outcomes(), ["applied"]);
    assert_eq!(world.words(7).await, TURNS.map(|(_, text)| text));
}

/// So many old turns, each in a row of its own, of one conversation.
fn add_turns(world: &World, count: i64) {
    world.database.execute(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
         INSERT INTO call_transcriptions \
           (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
         SELECT 'conv_7', 'agent', 'turn ' || i, '2025-11-21T10:30:05.000Z', i, '2025-11-21T10:30:05.000Z' FROM n"
    ));
}

fn left(world: &World) -> i64 {
    let sql = "SELECT count(*) FROM call_transcriptions WHERE message_text <> ''";
    world.database.value(sql).as_i64().unwrap()
}

#[tokio::test]
async fn clearing_goes_in_bounded_steps_and_continues_where_it_stopped() {
    let world = world_with_calls(&[7]).await;
    world
        .database
        .execute("UPDATE calls SET status = 'completed'");
    world.settings.set("RETENTION_DAYS", "1");
    add_turns(&world, 29_800);
    world.runtime.advance(2 * DAY);
    let mut counts = Vec::new();
    let mut costs = Vec::new();
    for _ in 0..6 {
        world.database.take_steps();
        let run = world.reconcile().await;
        costs.push(world.database.take_steps());
        assert!(run.statements <= 50);
        counts.push(left(&world));
    }
    // Seven times two thousand in a run.
    assert_eq!(counts, [15_800, 1_800, 0, 0, 0, 0]);
    // What is cleared is not read again.
    assert!(costs[5] < costs[1] / 20, "{costs:?}");
}

#[tokio::test]
async fn clearing_that_fails_anywhere_is_done_by_the_next_run() {
    for well in 0..4 {
        for fault in [Refused(TRANSIENT), AnswerLost(TRANSIENT)] {
            let world = settled().await;
            world.settings.set("RETENTION_DAYS", "1");
            let before = everything(&world);
            world.runtime.advance(3 * DAY);
            let faults = vec![Well; well].into_iter().chain(vec![fault; 3]);
            world.database.fail_next(faults);
            let line = world.reconcile().await.line;
            let failed = world.database.faults_left() == 0;
            assert_eq!(line["level"] == "error", failed, "{line}");
            world.database.clear_faults();
            world.reconcile().await;
            assert_eq!(everything(&world), without_texts(before));
        }
    }
}

#[tokio::test]
async fn rows_from_before_the_ledger_are_cleared_by_their_own_times() {
    let world = world_with_calls(&[7]).await;
    world
        .database
        .execute("UPDATE calls SET status = 'completed'");
    world.settings.set("RETENTION_DAYS", "1");
    for (number, created) in (1..).zip([
        "2025-11-20 10:30:05",
        "2025-11-20T10:30:05Z",
        "2025-11-20T05:30:05-05:00",
        "2025-11-22 10:30:05",
        "2025-11-24 10:30:05",
    ]) {
        world.database.execute(&format!(
            "INSERT INTO call_transcriptions \
               (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
             VALUES ('conv_7', 'agent', 'turn', '', {number}, '{created}')"
        ));
    }
    world.runtime.advance(3 * DAY);
    world.reconcile().await;
    assert_eq!(world.words(7).await, ["A:", "A:", "A:", "A:", "A:turn"]);
}
