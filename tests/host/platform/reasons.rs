//! Reasons in ElevenLabs' own words: how long they are kept, and for how many characters.

use call_ledger::elevenlabs::ApiAnswer;
use serde_json::{Value, json};

use crate::support::events::{
    Books, DAY, MINUTE, conversation, empty_world, failure, transcription, world_with_calls,
};
use crate::support::world::{PLACE, World, place_body, sid};

/// A conversation that failed with these words.
fn failed(driver: u32, words: &str) -> Value {
    let mut data = conversation(driver, &[]);
    data["status"] = json!("failed");
    data["metadata"]["error"] = json!({ "code": 1011, "reason": words });
    data
}

/// A call that failed at dialling, in these words.
async fn refused(words: &str) -> World {
    let world = empty_world();
    let body = json!({ "detail": { "message": words } }).to_string();
    world.script(move |_| {
        Ok(ApiAnswer {
            status: 422,
            body: body.clone(),
        })
    });
    let placed = world.post(PLACE, &place_body(&[7])).await;
    assert_eq!(placed.status, 502);
    world
}

#[tokio::test]
async fn elevenlabs_words_are_cut_at_500_characters_wherever_they_come_from() {
    let long = "é\u{1f600}".repeat(1_000);
    let kept: String = long.chars().take(500).collect();
    let world = world_with_calls(&[7, 8, 9, 10]).await;
    // An event, its termination reason, a failure to begin, and an answer to the reconciler.
    world.deliver(&transcription(failed(7, &long))).await;
    let mut terminated = failed(8, "");
    terminated["metadata"]["termination_reason"] = json!(long);
    world.deliver(&transcription(terminated)).await;
    world.deliver(&failure(9, &long)).await;
    Books::open(&world, [failed(10, &long)]);
    world.runtime.advance(20 * MINUTE);
    world.reconcile().await;
    for driver in [7, 8, 9, 10] {
        assert_eq!(world.call(&sid(driver), "failure_reason"), kept, "{driver}");
    }
    let world = refused(&long).await;
    assert_eq!(
        world.call(&sid(7), "failure_reason"),
        format!("elevenlabs_rejected: {kept}")
    );
}

/// What is left of a reason once the call's words are cleared.
async fn cleared(world: &World) -> Value {
    world.settings.set("RETENTION_DAYS", "30");
    Books::open(world, []);
    world.runtime.advance(31 * DAY);
    world.reconcile().await;
    world.call(&sid(7), "failure_reason")
}

#[tokio::test]
async fn clearing_leaves_codes_and_takes_words() {
    for (reason, left) in [
        ("busy", json!("busy")),
        ("no-answer", json!("no-answer")),
        ("never_started", json!("never_started")),
        ("Ada Diaz hung up", Value::Null),
        ("+15550107", Value::Null),
        ("LLM", Value::Null),
        ("besetzt: später", Value::Null),
    ] {
        let world = world_with_calls(&[7]).await;
        world.deliver(&failure(7, reason)).await;
        // ElevenLabs' words never pass for a code of the ledger; the reconciler gives this one.
        if reason == "never_started" {
            assert_eq!(world.call(&sid(7), "failure_reason"), "unknown");
            let given_up = "UPDATE calls SET failure_reason = 'never_started'";
            world.database.execute(given_up);
        }
        assert_eq!(world.call(&sid(7), "failure_reason"), reason);
        assert_eq!(cleared(&world).await, left, "{reason}");
        assert_eq!(world.call(&sid(7), "status"), "failed");
    }
}

#[tokio::test]
async fn of_a_refusal_its_code_is_left_and_a_repeat_still_says_that_it_was_one() {
    let world = refused("+15550107 is no number").await;
    assert_eq!(cleared(&world).await, "elevenlabs_rejected");
    let repeat = world.post(PLACE, &place_body(&[7])).await;
    assert_eq!(
        (repeat.status, &repeat.body["calls"][0]["error"]),
        (
            200,
            &json!({ "code": "elevenlabs_rejected", "message": "on record as failed: elevenlabs_rejected" })
        )
    );
}

#[tokio::test]
async fn words_that_an_event_brought_after_the_calls_row_was_passed_go_with_the_event() {
    let world = world_with_calls(&[7]).await;
    world.deliver(&failure(7, "busy")).await;
    assert_eq!(cleared(&world).await, "busy");
    world
        .deliver(&transcription(failed(7, "Ada hung up")))
        .await;
    assert_eq!(world.call(&sid(7), "failure_reason"), "Ada hung up");
    assert_eq!(cleared(&world).await, Value::Null);
}
