//! Placing calls: turns and conversations that arrive before ElevenLabs' answer.

use call_ledger::elevenlabs::{ApiAnswer, TransportError};
use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::world::{API_TOKEN, PLACE, Reply, TURN, World, place_body, sid, turn_body};

fn world_where(answer: impl Fn() -> Result<ApiAnswer, TransportError> + 'static) -> World {
    let world = World::new();
    world.script(move |_| answer());
    world
}

fn accepted(conversation_id: &str) -> Result<ApiAnswer, TransportError> {
    let body = json!({
        "success": true, "message": "Success", "conversation_id": conversation_id, "callSid": "CA1",
    });
    Ok(ApiAnswer {
        status: 200,
        body: body.to_string(),
    })
}

/// Places driver 7's call; its first turn, in the conversation `conv_turn`, overtakes ElevenLabs'
/// answer.
async fn placed_while_a_turn_links(world: &World) -> Reply {
    let turn = async {
        while world.dialled().is_empty() {
            tokio::task::yield_now().await;
        }
        let mut turn = turn_body(7, 1, "Hello");
        turn["conversation_id"] = json!("conv_turn");
        assert_eq!(world.post(TURN, &turn).await.status, 201);
        assert!(world.lines("call_dialled").is_empty() && world.lines("call_failed").is_empty());
    };
    join(world.post(PLACE, &place_body(&[7])), turn).await.0
}

#[tokio::test]
async fn a_conversation_that_a_turn_with_the_token_linked_first_stays() {
    let world = world_where(|| accepted("conv_other"));
    // The turns of this test carry the API token.
    world.settings.set("WEBHOOK_TOKEN", API_TOKEN);
    let reply = placed_while_a_turn_links(&world).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.body["calls"][0]["conversation_id"], "conv_turn");
    assert_eq!(world.call(&sid(7), "conversation_id"), "conv_turn");
    let line = &world.lines("call_dialled")[0];
    assert_eq!(
        (&line["level"], &line["code"]),
        (&json!("error"), &json!("conversation_conflict"))
    );
}

#[tokio::test]
async fn an_answer_that_names_the_conversation_a_turn_linked_is_no_conflict() {
    let world = world_where(|| accepted("conv_turn"));
    let reply = placed_while_a_turn_links(&world).await;
    assert_eq!(reply.body["calls"][0]["conversation_id"], "conv_turn");
    assert_eq!(world.call(&sid(7), "telephony_call_sid"), "CA1");
    assert_eq!(world.lines("call_dialled")[0].get("code"), None);
}

#[tokio::test]
async fn a_lost_answer_does_not_fail_a_call_whose_turns_arrive() {
    let world = world_where(|| Err(TransportError::Timeout));
    let reply = placed_while_a_turn_links(&world).await;
    assert_eq!(reply.status, 201);
    let call = &reply.body["calls"][0];
    assert_eq!(
        (&call["status"], call.get("error")),
        (&json!("in_progress"), None)
    );
    assert_eq!(call["conversation_id"], "conv_turn");
    assert_eq!(world.call(&sid(7), "status"), "in_progress");
}

#[tokio::test]
async fn a_conversation_is_never_given_to_two_calls() {
    let world = world_where(|| accepted("conv_same"));
    world.post(PLACE, &place_body(&[1, 2])).await;
    let mut linked = world
        .database
        .query("SELECT status, conversation_id AS id FROM calls ORDER BY id");
    linked.sort_by_key(|call| call["id"].is_null());
    let call = |id: Value| json!({ "status": "in_progress", "id": id });
    assert_eq!(linked, [call(json!("conv_same")), call(Value::Null)]);
    let codes: Vec<_> = world
        .lines("call_dialled")
        .iter()
        .map(|line| line["code"].clone())
        .collect();
    assert_eq!(codes, [Value::Null, json!("conversation_conflict")]);
}
