//! The events that wait for the reconciler.

use call_ledger::elevenlabs::ApiAnswer;
use serde_json::{Value, json};

use crate::reconciling::faults::{path, statuses};
use crate::support::events::{Books, DAY, MINUTE, conversation, empty_world, transcription};
use crate::support::world::{PLACE, place_body, sid};

/// An event too large to be kept whole.
fn large(driver: u32) -> Value {
    let mut event = transcription(conversation(driver, &[(1, "A:Hello"), (4, "D:Hi")]));
    event["data"]["filling"] = json!("x".repeat(1_900_000));
    event
}

#[tokio::test]
async fn an_event_that_was_too_large_to_keep_is_asked_for() {
    let world = empty_world();
    assert_eq!(world.deliver(&large(7)).await, "kept");
    world.post(PLACE, &place_body(&[7])).await;
    assert_eq!(world.call(&sid(7), "status"), "in_progress");
    // Not known to ElevenLabs yet, then running, then over: it waits until then.
    let books = Books::open(&world, []);
    world.runtime.advance(MINUTE);
    assert_eq!(world.reconcile().await.asked, [path(7)]);
    let mut running = conversation(7, &[]);
    running["status"] = json!("processing");
    books.add(running);
    world.runtime.advance(MINUTE);
    assert_eq!(world.reconcile().await.asked, [path(7)]);
    assert_eq!(
        (world.outcomes(), statuses(&world)),
        (vec!["kept".to_owned()], vec![json!("in_progress")])
    );
    books.replace(conversation(7, &[(1, "A:Hello"), (4, "D:Hi")]));
    world.runtime.advance(MINUTE);
    assert_eq!(world.reconcile().await.asked, [path(7)]);
    assert_eq!(
        (world.outcomes(), statuses(&world)),
        (vec!["applied".to_owned()], vec![json!("completed")])
    );
    assert_eq!(world.words(7).await, ["A:Hello", "D:Hi"]);
    assert_eq!(world.deliver(&large(7)).await, "already_applied");
    world.runtime.advance(MINUTE);
    assert!(world.reconcile().await.asked.is_empty());
}

#[tokio::test]
async fn an_event_whose_call_never_appears_expires_after_a_week() {
    let world = empty_world();
    Books::open(&world, []);
    assert_eq!(
        world.deliver(&transcription(conversation(7, &[]))).await,
        "kept"
    );
    assert_eq!(world.deliver(&large(8)).await, "kept");
    for wait in [MINUTE, DAY, 6 * DAY - MINUTE] {
        world.runtime.advance(wait);
        world.reconcile().await;
        assert_eq!(world.outcomes(), ["kept", "kept"]);
    }
    world.runtime.advance(1);
    let run = world.reconcile().await;
    assert_eq!(world.outcomes(), ["expired", "expired"]);
    assert!(run.asked.is_empty());
    world.runtime.advance(DAY);
    let after = world.reconcile().await;
    assert_eq!(after.line["reconciled"]["events_tried"], 0);
}

#[tokio::test]
async fn events_that_cannot_be_applied_do_not_stand_in_the_way_of_others() {
    let world = empty_world();
    let books = Books::open(&world, []);
    for driver in 100..130 {
        let event = transcription(conversation(driver, &[]));
        assert_eq!(world.deliver(&event).await, "kept");
    }
    // A payload that cannot be read any more.
    world
        .database
        .execute("UPDATE elevenlabs_events SET payload = '{' WHERE id = 1");
    let event = transcription(conversation(7, &[(1, "A:Hello")]));
    assert_eq!(world.deliver(&event).await, "kept");
    world.post(PLACE, &place_body(&[8])).await;
    let row = "INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, created_at, updated_at) \
               SELECT replace(call_sid, '_8_', '_7_'), 'conv_7', 7, call_start_time, 'in_progress', '', '' FROM calls";
    world.database.execute(row);
    books.add(conversation(8, &[(1, "A:Hello")]));
    for _ in 0..10 {
        world.runtime.advance(5 * MINUTE);
        world.reconcile().await;
    }
    assert_eq!(statuses(&world), ["completed", "completed"]);
    assert_eq!(world.outcomes()[30], "applied");
}

#[tokio::test]
async fn an_event_that_elevenlabs_does_not_explain_keeps_no_call_from_being_settled() {
    for status in [400, 404, 422, 500] {
        let world = empty_world();
        let mut large = transcription(conversation(99, &[]));
        large["data"]["filling"] = json!("x".repeat(1_900_000));
        assert_eq!(world.deliver(&large).await, "kept");
        world.post(PLACE, &place_body(&[7])).await;
        let books = Books::open(&world, [conversation(7, &[(1, "A:Hello")])]);
        world.script(move |request| {
            if request.url.ends_with("conv_99") {
                let body = "{}".to_owned();
                return Ok(ApiAnswer { status, body });
            }
            books.answer(request)
        });
        for _ in 0..3 {
            world.runtime.advance(20 * MINUTE);
            world.reconcile().await;
        }
        assert_eq!(world.call(&sid(7), "status"), "completed", "{status}");
        assert_eq!(world.outcomes(), ["kept"]);
    }
}
