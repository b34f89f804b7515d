//! How long the reconciler waits for the end of a conversation.

use call_ledger::elevenlabs::{ApiAnswer, TransportError};
use serde_json::{Value, json};

use crate::reconciling::asking::{ONE, OUTCOME, did, done, outcome, world_without_an_answer};
use crate::support::events::{
    Books, DAY, HOUR, MINUTE, conversation, empty_world, transcription, world_with_calls,
};
use crate::support::world::{API_TOKEN, PLACE, TURN, World, place_body, sid, turn_body};

fn running() -> Value {
    let mut data = conversation(7, &[(1, "A:Hello")]);
    data["status"] = json!("in-progress");
    data["metadata"]["call_duration_secs"] = json!(0);
    data
}

#[tokio::test]
async fn a_conversation_that_runs_stays_in_progress_until_it_is_over() {
    let world = world_with_calls(&[7]).await;
    let books = Books::open(&world, [running()]);
    for _ in 0..4 {
        world.runtime.advance(16 * MINUTE);
        let run = world.reconcile().await;
        assert_eq!((did(&run.line), run.asked.len()), ([0, 1, 0], 1));
        assert_eq!(
            world.row(7, OUTCOME),
            outcome("in_progress", None, Some("conv_7"))
        );
        // Within the quarter of an hour it is left alone.
        world.runtime.advance(MINUTE);
        assert!(world.reconcile().await.asked.is_empty());
    }
    books.replace(done());
    world.runtime.advance(16 * MINUTE);
    world.reconcile().await;
    assert_eq!(
        world.row(7, OUTCOME),
        outcome("completed", None, Some("conv_7"))
    );
}

#[tokio::test]
async fn a_call_of_unclear_outcome_is_in_progress_again_when_its_conversation_runs() {
    for linked in [false, true] {
        let world = world_without_an_answer().await;
        if linked {
            let mut turn = turn_body(7, 2, "Hello");
            turn["conversation_id"] = json!("conv_7");
            assert_eq!(world.post(TURN, &turn).await.status, 201);
        }
        let books = Books::open(&world, [running()]);
        world.runtime.advance(HOUR);
        let run = world.reconcile().await;
        assert_eq!(run.asked.len(), if linked { 1 } else { 2 });
        assert_eq!(
            world.row(7, OUTCOME),
            outcome("in_progress", None, Some("conv_7"))
        );
        books.replace(done());
        world.runtime.advance(HOUR);
        assert_eq!(world.reconcile().await.asked, [ONE]);
        assert_eq!(
            world.row(7, OUTCOME),
            outcome("completed", None, Some("conv_7"))
        );
        let posted: &[&str] = &["A:Hello", "D:Hi"];
        assert_eq!(world.words(7).await, posted);
    }
}

/// Runs the reconciler just before and just after so long; says how the call stood.
async fn before_and_after(world: &World, wait: i64) -> (Value, Value) {
    world.runtime.advance(wait);
    world.reconcile().await;
    let before = world.row(7, OUTCOME);
    world.runtime.advance(16 * MINUTE);
    world.reconcile().await;
    (before, world.row(7, OUTCOME))
}

#[tokio::test]
async fn after_a_day_without_an_outcome_there_will_be_none() {
    for books in [vec![running()], vec![]] {
        let world = world_with_calls(&[7]).await;
        Books::open(&world, books);
        let (before, after) = before_and_after(&world, DAY).await;
        assert_eq!(before, outcome("in_progress", None, Some("conv_7")));
        assert_eq!(after, outcome("failed", Some("no_outcome"), Some("conv_7")));
        world.runtime.advance(DAY);
        assert!(world.reconcile().await.asked.is_empty());
        assert_eq!(world.deliver(&transcription(done())).await, "applied");
        assert_eq!(
            world.row(7, OUTCOME),
            outcome("completed", None, Some("conv_7"))
        );
    }
}

#[tokio::test]
async fn after_a_week_without_an_answer_the_call_is_given_up() {
    for linked in [true, false] {
        let world = world_with_calls(&[7]).await;
        if !linked {
            world
                .database
                .execute("UPDATE calls SET conversation_id = NULL");
        }
        world.script(|_| {
            Ok(ApiAnswer {
                status: 503,
                body: String::new(),
            })
        });
        let (before, after) = before_and_after(&world, 7 * DAY).await;
        let conversation_id = linked.then_some("conv_7");
        assert_eq!(before, outcome("in_progress", None, conversation_id));
        assert_eq!(
            after,
            outcome("failed", Some("no_outcome"), conversation_id)
        );
    }
}

#[tokio::test]
async fn a_very_long_wait_asks_about_nothing() {
    let world = world_with_calls(&[7]).await;
    world.settings.set("RECONCILE_AFTER_MINUTES", "4294967295");
    Books::open(&world, [conversation(7, &[])]);
    world.runtime.advance(MINUTE);
    assert!(world.reconcile().await.asked.is_empty());
}

#[tokio::test]
async fn a_call_whose_conversation_another_call_took_is_given_up() {
    let world = empty_world();
    world.script(|_| Err(TransportError::Timeout));
    world.post(PLACE, &place_body(&[7, 8])).await;
    // Turns need a token here, so that what one names is no claim.
    world.settings.set("WEBHOOK_TOKEN", API_TOKEN);
    let mut turn = turn_body(8, 2, "Hello");
    turn["conversation_id"] = json!("conv_7");
    assert_eq!(world.post(TURN, &turn).await.status, 201);
    Books::open(&world, [conversation(7, &[(1, "A:Hello")])]);
    world
        .database
        .execute("UPDATE calls SET status = 'in_progress', failure_reason = NULL");
    for _ in 0..16 {
        world.runtime.advance(12 * HOUR);
        world.reconcile().await;
    }
    assert_eq!(world.call(&sid(8), "status"), "completed");
    assert_eq!(world.call(&sid(7), "status"), "failed");
}
