//! Texts that come when their call is already past the age of clearing, ages without end, and busy runs.

use call_ledger::elevenlabs::TransportError;
use serde_json::{Value, json};

use crate::reconciling_bounds::{ALLOWED, add_calls};
use crate::support::events::{
    Books, DAY, STARTED, conversation, empty_world, failure, transcription, world_with_calls,
};
use crate::support::world::{PLACE, place_body, sid};

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
async fn clearing_texts_waits_when_a_run_has_done_much_already() {
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
    let run = world.reconcile().await;
    assert!((40..=ALLOWED).contains(&run.statements), "{}", run.line);
    assert_eq!(run.line["reconciled"]["texts_cleared"], 0);
    let next = world.reconcile().await.line;
    // The turn, the event, and four calls.
    assert_eq!(next["reconciled"]["texts_cleared"], 6);
}
