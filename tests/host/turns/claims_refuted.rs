//! A turn claimed a conversation for a call, and ElevenLabs says that it is another call's: the
//! claim is never confirmed.

use call_ledger::elevenlabs::TransportError;
use serde_json::{Value, json};

use crate::support::events::{Books, HOUR, conversation, empty_world, transcription};
use crate::support::world::{PLACE, TURN, World, place_body, sid, turn_body};

/// Calls 7 and 8, whose dials got no clear answer; a stranger claimed 7's conversation for 8.
async fn claimed() -> World {
    let world = empty_world();
    world.script(|_| Err(TransportError::Timeout));
    world.post(PLACE, &place_body(&[7, 8])).await;
    let mut turn = turn_body(8, 2, "invented");
    turn["conversation_id"] = json!("conv_7");
    assert_eq!(world.post(TURN, &turn).await.status, 201);
    world
}

fn outcome(world: &World, driver: u32) -> Value {
    world.row(
        driver,
        "conversation_id, status, conversation_claimed AS claimed",
    )
}

/// Call 8 has none of ElevenLabs' conversations, and its turn is still there.
async fn assert_unlinked(world: &World) {
    let row = outcome(world, 8);
    let stand_in = row["conversation_id"].as_str().unwrap();
    assert!(stand_in.starts_with("unlinked_"), "{row}");
    assert_eq!(row["claimed"], 1);
    assert_eq!(world.words(8).await, ["A:invented"]);
    let line = world.lines("call_relinked").pop().unwrap();
    assert_eq!(
        (&line["code"], &line["call_sid"], &line["conversation_id"]),
        (&json!("claim_refuted"), &json!(sid(8)), &json!("conv_7"))
    );
}

#[tokio::test]
async fn an_event_that_names_another_call_settles_that_one() {
    let world = claimed().await;
    let event = transcription(conversation(7, &[(1, "A:Hello")]));
    assert_eq!(world.deliver(&event).await, "applied");
    assert_unlinked(&world).await;
    let right = json!({ "conversation_id": "conv_7", "status": "completed", "claimed": 0 });
    assert_eq!(outcome(&world, 7), right);
    assert_eq!(world.words(7).await, ["A:Hello"]);
    assert_eq!(world.deliver(&event).await, "already_applied");
    // Its own event gives the other call its conversation, and the turn comes along.
    let own = transcription(conversation(8, &[(5, "A:Good morning")]));
    assert_eq!(world.deliver(&own).await, "applied");
    let right = json!({ "conversation_id": "conv_8", "status": "completed", "claimed": 0 });
    assert_eq!(outcome(&world, 8), right);
    assert_eq!(world.words(8).await, ["A:invented", "A:Good morning"]);
}

#[tokio::test]
async fn an_event_of_another_agent_confirms_no_claim() {
    let world = claimed().await;
    let mut data = conversation(7, &[(1, "A:Hello")]);
    data["agent_id"] = json!("agent_other");
    data["user_id"] = Value::Null;
    data["conversation_initiation_client_data"] = Value::Null;
    let before = outcome(&world, 8);
    assert_eq!(world.deliver(&transcription(data)).await, "ignored");
    assert_eq!(outcome(&world, 8), before);
    assert!(world.outcomes().is_empty());
}

#[tokio::test]
async fn an_event_that_names_a_call_not_on_record_waits_and_confirms_nothing() {
    let world = claimed().await;
    let mut data = conversation(7, &[(1, "A:Hello")]);
    data["conversation_initiation_client_data"]["dynamic_variables"]["call_sid"] = json!("EL_9");
    assert_eq!(world.deliver(&transcription(data)).await, "kept");
    assert_unlinked(&world).await;
    assert_eq!(outcome(&world, 8)["status"], "failed");
    assert_eq!(outcome(&world, 7)["conversation_id"], Value::Null);
}

#[tokio::test]
async fn the_reconciler_confirms_no_claim_on_another_calls_conversation() {
    for both_known in [true, false] {
        let world = claimed().await;
        let mut known = vec![conversation(7, &[(1, "A:Hello")])];
        if both_known {
            known.push(conversation(8, &[(5, "A:Good morning")]));
        }
        Books::open(&world, known);
        for _ in 0..30 {
            world.runtime.advance(HOUR);
            world.reconcile().await;
        }
        let right = json!({ "conversation_id": "conv_7", "status": "completed", "claimed": 0 });
        assert_eq!(outcome(&world, 7), right);
        if both_known {
            let right = json!({ "conversation_id": "conv_8", "status": "completed", "claimed": 0 });
            assert_eq!(outcome(&world, 8), right);
            assert_eq!(world.words(8).await, ["A:invented", "A:Good morning"]);
        } else {
            assert_unlinked(&world).await;
            assert_eq!(world.call(&sid(8), "failure_reason"), "no_outcome");
        }
        let asked = world.elevenlabs.requests.borrow();
        assert!(!asked.iter().any(|request| request.url.contains("unlinked")));
    }
}
