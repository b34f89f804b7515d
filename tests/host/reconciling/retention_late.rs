//! Texts that come when their call is already past the age of clearing, ages without end, and busy runs.

use call_ledger::elevenlabs::TransportError;
use serde_json::{Value, json};

use crate::reconciling::bounds::{ALLOWED, add_calls};
use crate::support::events::{
    Books, DAY, HOUR, STARTED, conversation, empty_world, failure, transcription, world_with_calls,
};
use crate::support::world::{PLACE, World, place_body, sid};

#[tokio::test]
async fn a_very_long_time_clears_nothing() {
    for days in ["999999", "4294967295"] {
        let world = world_with_calls(&[7]).await;
        world
            .deliver(&transcription(conversation(7, &[(1, "A:Hello")])))
            .await;
        world.settings.set("RETENTION_DAYS", days);
        world.runtime.advance(DAY);
        world.reconcile().await;
        assert_eq!(world.words(7).await, ["A:Hello"]);
        assert_eq!(world.call(&sid(7), "summary"), "They spoke.");
    }
}

#[tokio::test]
async fn a_summary_that_comes_late_is_cleared_too() {
    let world = empty_world();
    world.settings.set("RETENTION_DAYS", "1");
    world.script(|_| Err(TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    world.runtime.advance(2 * DAY);
    world.reconcile().await;
    let event = transcription(conversation(7, &[(1, "A:Hello")]));
    assert_eq!(world.deliver(&event).await, "applied");
    for _ in 0..3 {
        world.runtime.advance(2 * DAY);
        world.reconcile().await;
    }
    assert_eq!(world.words(7).await, ["A:"]);
    assert_eq!(world.call(&sid(7), "summary"), Value::Null);
}

#[tokio::test]
async fn a_transcript_that_comes_again_does_not_bring_a_cleared_summary_back_for_ever() {
    let world = world_with_calls(&[7]).await;
    Books::open(&world, []);
    world.settings.set("RETENTION_DAYS", "1");
    let mut event = transcription(conversation(7, &[(1, "A:Hello")]));
    world.deliver(&event).await;
    world.runtime.advance(3 * DAY);
    world.reconcile().await;
    event["event_timestamp"] = json!(STARTED + 200);
    world.deliver(&event).await;
    world.runtime.advance(3 * DAY);
    world.reconcile().await;
    assert_eq!(world.call(&sid(7), "summary"), Value::Null);
}

#[tokio::test]
async fn clearing_texts_has_its_share_of_a_run_that_has_much_else_to_do() {
    let world = empty_world();
    world.settings.set("RETENTION_DAYS", "1");
    let words = "w ".repeat(2000);
    let texts: Vec<String> = (0..2500).map(|n| format!("A:{n} {words}")).collect();
    let long = (0..).zip(&texts).map(|(n, text)| (n, text.as_str()));
    let long = conversation(3, &long.collect::<Vec<_>>());
    Books::open(
        &world,
        (0..3).map(|driver| conversation(driver, &[])).chain([long]),
    );
    add_calls(&world, 0..4, true);
    assert_eq!(world.say(0, 1, "A:Hello").await.status, 201);
    assert_eq!(world.deliver(&failure(9, "busy")).await, "kept");
    world.runtime.advance(2 * DAY);
    // The turn, the event, and a call.
    let run = world.reconcile().await;
    assert_eq!(run.line["reconciled"]["texts_cleared"], 3, "{}", run.line);
    // The long transcript needs more statements than the other calls leave. It waits, and then
    // its turn comes first.
    assert_eq!(
        (world.call(&sid(3), "status"), &run.line["level"]),
        (json!("in_progress"), &json!("info"))
    );
    world.runtime.advance(HOUR);
    let run = world.reconcile().await;
    assert!((25..=ALLOWED).contains(&run.statements), "{}", run.line);
    assert_eq!(world.call(&sid(3), "status"), "completed");
}

/// Driver 7's settled call, long passed by clearing.
async fn passed() -> World {
    let world = world_with_calls(&[7, 8]).await;
    Books::open(&world, []);
    world.settings.set("RETENTION_DAYS", "2");
    for driver in [7, 8] {
        let event = transcription(conversation(driver, &[(1, "A:Hello"), (4, "D:Hi")]));
        assert_eq!(world.deliver(&event).await, "applied");
    }
    world.runtime.advance(3 * DAY);
    world.reconcile().await;
    assert_eq!(world.words(7).await, ["A:", "D:"]);
    assert_eq!(marked(&world), 0);
    world
}

fn marked(world: &World) -> Value {
    let marked = "SELECT COUNT(*) FROM calls WHERE turns_due_at IS NOT NULL";
    world.database.value(marked)
}

#[tokio::test]
async fn a_late_turn_of_a_cleared_call_is_cleared_when_its_time_has_come() {
    let world = passed().await;
    for (second, text) in [(9, "D:Late"), (2, "D:Early")] {
        assert_eq!(world.say(7, second, text).await.status, 201);
    }
    assert_eq!(marked(&world), 1);
    let expected = ["A:", "D:Early", "D:", "D:Late"];
    for _ in 0..2 {
        world.reconcile().await;
        assert_eq!(world.words(7).await, expected);
        world.runtime.advance(DAY - 1000);
    }
    // A younger one does not put the older ones off.
    assert_eq!(world.say(7, 20, "D:Later").await.status, 201);
    world.runtime.advance(10_000);
    world.reconcile().await;
    assert_eq!(world.words(7).await, ["A:", "D:", "D:", "D:", "D:Later"]);
    assert_eq!(marked(&world), 1);
    world.runtime.advance(2 * DAY);
    let line = world.reconcile().await.line;
    assert_eq!(line["reconciled"]["texts_cleared"], 1);
    assert_eq!(world.words(7).await, ["A:", "D:", "D:", "D:", "D:"]);
    assert_eq!(marked(&world), 0);
    // Nothing more is due.
    let line = world.reconcile().await.line;
    assert_eq!(
        (
            &line["reconciled"]["texts_cleared"],
            &line["db_rows_written"]
        ),
        (&json!(0), &json!(0))
    );
}

/// Two turns of call 7 came after its texts were cleared. They grow old, and are cleared, too.
async fn assert_two_late_turns_are_cleared(world: &World) {
    assert_eq!(marked(world), 1);
    world.runtime.advance(3 * DAY);
    world.reconcile().await;
    assert_eq!(
        (world.words(7).await, marked(world)),
        (vec!["A:".to_owned(), "D:".to_owned()], json!(0))
    );
}

#[tokio::test]
async fn a_turn_of_a_cleared_call_without_transcript_is_cleared_too() {
    let world = world_with_calls(&[7]).await;
    Books::open(&world, []);
    world.settings.set("RETENTION_DAYS", "2");
    world.say(7, 1, "A:Hello").await;
    world.runtime.advance(3 * DAY);
    world.reconcile().await;
    // It takes a second look at the call, and marks it.
    assert_eq!(world.say(7, 2, "D:Still here").await.status, 201);
    assert_eq!(world.say(7, 2, "D:Still here").await.status, 200);
    assert_two_late_turns_are_cleared(&world).await;
}

#[tokio::test]
async fn a_transcript_that_comes_after_its_call_was_passed_is_cleared() {
    let world = empty_world();
    world.settings.set("RETENTION_DAYS", "2");
    world.script(|_| Err(TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    world.runtime.advance(3 * DAY);
    world.reconcile().await;
    let event = transcription(conversation(7, &[(1, "A:Hello"), (4, "D:Hi")]));
    assert_eq!(world.deliver(&event).await, "applied");
    assert_two_late_turns_are_cleared(&world).await;
}

#[tokio::test]
async fn a_flood_of_late_turns_to_one_call_is_cleared_without_keeping_others_waiting() {
    let world = passed().await;
    world.database.execute(
        "INSERT INTO call_transcriptions \
           (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at, origin) \
         WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 30002) \
         SELECT 'conv_7', 'driver', 'flood ' || i, '2025-11-24T10:30:05.000Z', i, '2025-11-24T10:30:05.000Z', 'unreported' FROM n; \
         UPDATE calls SET turns_due_at = '2025-11-24T10:30:05.000Z' WHERE id = 1",
    );
    assert_eq!(world.say(8, 9, "D:Late").await.status, 201);
    world.runtime.advance(3 * DAY);
    let mut runs = 0;
    while marked(&world) != 0 {
        let run = world.reconcile().await;
        assert!(run.statements <= ALLOWED, "{}", run.line);
        runs += 1;
        assert!(runs <= 4);
    }
    let left = "SELECT COUNT(*) FROM call_transcriptions WHERE message_text <> ''";
    assert_eq!(world.database.value(left), 0);
    assert_eq!(runs, 3);
}
