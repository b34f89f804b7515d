//! Whether clearing keeps up with what comes in, and that nobody can stop it.

use call_ledger::platform::Runtime as _;
use serde_json::json;

use crate::support::events::{DAY, conversation, empty_world, transcription, world_with_calls};
use crate::support::world::World;

const MINUTE: i64 = 60_000;

/// So many calls a day of so many turns each for so many days, evenly, beginning now.
fn fill(world: &World, days: i64, calls: i64, turns: i64) {
    let time = |step: &str| {
        format!(
            "strftime('%Y-%m-%dT%H:%M:%fZ', '2025-11-21T10:30:00Z', '+' || {step} || ' seconds')"
        )
    };
    let started = time("(i * 86400 / {calls})").replace("{calls}", &calls.to_string());
    world.database.execute(&format!(
        "CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {0}) SELECT i FROM n; \
         INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, summary, created_at, updated_at) \
         SELECT 'EL_' || i, 'conv_' || i, i, {started}, 'completed', 'They spoke.', {started}, {started} FROM n; \
         INSERT INTO call_transcriptions \
           (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
         SELECT c.conversation_id, 'agent', 'turn', c.created_at, t.i + 1, c.created_at \
         FROM calls c JOIN n t ON t.i < {turns} WHERE c.call_sid LIKE 'EL_%' ORDER BY c.id, t.i; \
         INSERT INTO elevenlabs_events \
           (type, conversation_id, event_timestamp, payload, received_at, tried_at, applied_at, outcome) \
         SELECT 'post_call_transcription', conversation_id, 1, '{{}}', created_at, created_at, created_at, 'applied' FROM calls",
        days * calls
    ));
}

/// The age of the oldest text of each table, in minutes.
fn oldest(world: &World) -> [f64; 3] {
    let now = world.runtime.now();
    [
        ("call_transcriptions", "created_at", "message_text <> ''"),
        ("calls", "created_at", "summary IS NOT NULL"),
        ("elevenlabs_events", "received_at", "payload IS NOT NULL"),
    ]
    .map(|(table, time, kept)| {
        let sql = format!(
            "SELECT (julianday('{now}') - julianday(MIN({time}))) * 1440 FROM {table} WHERE {kept}"
        );
        world.database.value(&sql).as_f64().unwrap_or_default()
    })
}

#[tokio::test]
async fn a_thousand_calls_a_day_are_cleared_as_they_come_of_age() {
    let world = empty_world();
    world.settings.set("RETENTION_DAYS", "1");
    fill(&world, 2, 1_000, 40);
    world.runtime.advance(DAY);
    // A whole day, as the cron trigger goes.
    for _ in 0..288 {
        world.runtime.advance(5 * MINUTE);
        let run = world.reconcile().await;
        assert!(run.statements <= 15, "{}", run.line);
        for age in oldest(&world) {
            assert!(age < 1_440.0 + 5.0, "{age} minutes old: {}", run.line);
        }
    }
}

#[tokio::test]
async fn a_rule_that_is_new_catches_up_within_the_statements_of_each_run() {
    let world = empty_world();
    world.settings.set("RETENTION_DAYS", "1");
    fill(&world, 1, 500, 40);
    world.runtime.advance(10 * DAY);
    let mut runs = 0;
    while oldest(&world) != [0.0; 3] {
        let run = world.reconcile().await;
        assert!((3..=50).contains(&run.statements), "{}", run.line);
        runs += 1;
        assert!(runs <= 6, "{:?}", oldest(&world));
    }
    let line = world.reconcile().await.line;
    assert_eq!(line["reconciled"]["texts_cleared"], 0);
}

#[tokio::test]
async fn turns_posted_to_an_old_call_do_not_keep_the_summaries_of_others() {
    let world = world_with_calls(&[7, 8]).await;
    for driver in [7, 8] {
        let event = transcription(conversation(driver, &[(1, "A:Hello")]));
        assert_eq!(world.deliver(&event).await, "applied");
    }
    // As if they had been told by asking: an event would take its call's summary along.
    world.database.execute("DELETE FROM elevenlabs_events");
    world.settings.set("RETENTION_DAYS", "2");
    for day in 0..4 {
        world.runtime.advance(DAY);
        assert_eq!(world.say(7, 100 + day, "D:Still here").await.status, 201);
        world.reconcile().await;
    }
    for driver in [7, 8] {
        assert_eq!(world.row(driver, "summary"), json!({ "summary": null }));
    }
}
