//! A conversation that only a turn named, where anybody may post turns, is a claim: ElevenLabs' own word about the call
//! puts the right one in its place, and takes the turns along.

use call_ledger::elevenlabs::{ApiAnswer, TransportError};
use call_ledger::model::{CallSid, UtcTime};
use call_ledger::store::Store;
use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::events::{Books, HOUR, conversation, empty_world, failure, transcription};
use crate::support::sqlite::Fault::{AnswerLost, Refused};
use crate::support::sqlite::TRANSIENT;
use crate::support::world::{PLACE, TURN, World, place_body, request, sid, turn_body};

/// A stranger's turn that names an invented conversation.
fn spoof(driver: u32, second: u32) -> Value {
    let mut turn = turn_body(driver, second, &format!("invented {second}"));
    turn["conversation_id"] = json!("conv_invented");
    turn
}

/// Driver 7's call, whose dial got no clear answer, with an invented conversation and three turns: one of the
/// stranger's, one of the agent's tool, and one more of the stranger's.
async fn claimed() -> World {
    let world = empty_world();
    world.script(|_| Err(TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    for turn in [spoof(7, 2), turn_body(7, 4, "Hello"), spoof(7, 6)] {
        assert_eq!(world.post(TURN, &turn).await.status, 201);
    }
    world
}

fn turns(world: &World) -> Vec<Value> {
    world.database.query(
        "SELECT id, conversation_id, sequence_number, message_text FROM call_transcriptions ORDER BY id",
    )
}

/// The same rows under another conversation.
fn moved(mut turns: Vec<Value>, to: &str) -> Vec<Value> {
    for turn in &mut turns {
        turn["conversation_id"] = json!(to);
    }
    turns
}

fn assert_linked(world: &World, conversation_id: &str) {
    let row = world.row(7, "conversation_id, conversation_claimed AS claimed");
    assert_eq!(
        row,
        json!({ "conversation_id": conversation_id, "claimed": 0 })
    );
    let alone = "SELECT count(*) FROM call_transcriptions WHERE conversation_id NOT IN (SELECT conversation_id FROM calls)";
    assert_eq!(world.database.value(alone), 0);
    let lines = world.lines("call_relinked");
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (
            &lines[0]["level"],
            &lines[0]["code"],
            &lines[0]["conversation_id"]
        ),
        (
            &json!("error"),
            &json!("conversation_claimed"),
            &json!(conversation_id)
        )
    );
}

#[tokio::test]
async fn the_answer_to_the_dial_outweighs_a_claim_and_applies_what_waited_for_it() {
    let world = empty_world();
    world.elevenlabs_accepts();
    let stranger = async {
        while world.dialled().is_empty() {
            tokio::task::yield_now().await;
        }
        for turn in [spoof(7, 2), turn_body(7, 4, "Hello")] {
            assert_eq!(world.post(TURN, &turn).await.status, 201);
        }
        assert_eq!(world.deliver(&failure(7, "busy")).await, "kept");
    };
    let (placed, ()) = join(world.post(PLACE, &place_body(&[7])), stranger).await;
    assert_eq!(placed.status, 201);
    assert_eq!(placed.body["calls"][0]["conversation_id"], "conv_7");
    assert_eq!(world.words(7).await, ["A:invented 2", "A:Hello"]);
    assert_linked(&world, "conv_7");
    assert_eq!(world.outcomes(), ["applied"]);
    assert_eq!(world.call(&sid(7), "failure_reason"), "busy");
    assert_eq!(world.lines("call_dialled")[0].get("code"), None);
    // The stranger's conversation is another one now.
    assert_eq!(world.post(TURN, &spoof(7, 8)).await.status, 400);
}

#[tokio::test]
async fn a_signed_event_that_names_the_call_outweighs_a_claim_and_loses_no_turn() {
    let world = claimed().await;
    let before = turns(&world);
    let event = transcription(conversation(7, &[(4, "A:Hello"), (5, "D:Hi")]));
    assert_eq!(world.deliver(&event).await, "applied");
    let after: Vec<_> = turns(&world).into_iter().take(3).collect();
    let id = |turn: &Value| (turn["id"].clone(), turn["message_text"].clone());
    assert!(after.iter().map(id).eq(before.iter().map(id)));
    assert_eq!(
        world.words(7).await,
        ["A:invented 2", "A:Hello", "D:Hi", "A:invented 6"]
    );
    assert_linked(&world, "conv_7");
    assert_eq!(world.call(&sid(7), "status"), "completed");
    // Every turn is known as a repeat, and the event as well.
    for turn in [turn_body(7, 2, "invented 2"), turn_body(7, 4, "Hello")] {
        assert_eq!(world.post(TURN, &turn).await.status, 200);
    }
    assert_eq!(world.deliver(&event).await, "already_applied");
    assert_eq!(turns(&world).len(), 4);
    // From now on the link stands.
    let mut other = event.clone();
    other["data"]["conversation_id"] = json!("conv_blank");
    assert_eq!(world.deliver(&other).await, "ignored");
    assert_eq!(world.call(&sid(7), "conversation_id"), "conv_7");
}

#[tokio::test]
async fn an_event_that_does_not_name_the_call_changes_no_claim() {
    for name in [Value::Null, json!(sid(8)), json!("EL_7")] {
        let world = claimed().await;
        let before = turns(&world);
        let mut data = conversation(7, &[(4, "A:Hello")]);
        let client = &mut data["conversation_initiation_client_data"];
        client["dynamic_variables"]["call_sid"] = name;
        client["user_id"] = Value::Null;
        data["user_id"] = Value::Null;
        assert_eq!(world.deliver(&transcription(data)).await, "kept");
        assert_eq!(world.call(&sid(7), "conversation_id"), "conv_invented");
        assert_eq!(turns(&world), before);
    }
}

#[tokio::test]
async fn where_turns_need_a_token_the_conversation_that_one_names_stands() {
    let world = empty_world();
    world.script(|_| Err(TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    world.settings.set("WEBHOOK_TOKEN", "the-token");
    let mut posted = request("POST", TURN, spoof(7, 2).to_string());
    posted.headers[0].1 = "Bearer the-token".to_owned();
    assert_eq!(world.send(posted).await.status, 201);
    let event = transcription(conversation(7, &[(4, "A:Hello")]));
    assert_eq!(world.deliver(&event).await, "ignored");
    assert_eq!(world.call(&sid(7), "conversation_id"), "conv_invented");
    assert_eq!(world.lines("event_not_applied").len(), 1);
}

#[tokio::test]
async fn a_claim_that_elevenlabs_confirms_stands_from_then_on() {
    let world = claimed().await;
    let mut data = conversation(7, &[(4, "A:Hello")]);
    data["conversation_id"] = json!("conv_invented");
    // Variables are not always echoed; that ElevenLabs has the conversation is enough.
    data["conversation_initiation_client_data"] = Value::Null;
    assert_eq!(world.deliver(&transcription(data)).await, "applied");
    let other = transcription(conversation(7, &[(4, "A:Another")]));
    assert_eq!(world.deliver(&other).await, "ignored");
    assert_eq!(world.call(&sid(7), "conversation_id"), "conv_invented");
    assert!(world.lines("call_relinked").is_empty());
}

#[tokio::test]
async fn the_reconciler_finds_the_call_of_an_invented_conversation_by_its_name() {
    for over in [true, false] {
        let world = claimed().await;
        let mut data = conversation(7, &[(4, "A:Hello")]);
        if !over {
            data["status"] = json!("in-progress");
        }
        Books::open(&world, [data]);
        world.runtime.advance(HOUR);
        let asked = world.reconcile().await.asked;
        assert_eq!(asked[0], "/v1/convai/conversations/conv_invented");
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert_linked(&world, "conv_7");
        // One run gives the call its conversation, the next one settles it.
        world.runtime.advance(HOUR);
        world.reconcile().await;
        let status = if over { "completed" } else { "in_progress" };
        assert_eq!(world.call(&sid(7), "status"), status);
        assert_eq!(world.words(7).await.len(), 3);
    }
    // Where there is none by that name, it is as it was.
    let world = claimed().await;
    Books::open(&world, []);
    world.runtime.advance(HOUR);
    world.reconcile().await;
    assert_eq!(world.call(&sid(7), "conversation_id"), "conv_invented");
    world.runtime.advance(24 * HOUR);
    world.reconcile().await;
    assert_eq!(world.call(&sid(7), "failure_reason"), "no_outcome");
}

#[tokio::test]
async fn relinking_that_fails_anywhere_is_done_whole_or_not_at_all() {
    for fault in [Refused(TRANSIENT), AnswerLost(TRANSIENT)] {
        for times in 1..=3 {
            let world = claimed().await;
            let before = turns(&world);
            world.database.fail_next(vec![fault.clone(); times]);
            let store = Store::new(&*world.database, world.runtime.clone());
            let call_sid = CallSid::from_text(sid(7));
            let now = UtcTime::EPOCH;
            let relinked = store
                .relink(&call_sid, "conv_invented", "conv_7", now)
                .await;
            assert_eq!(relinked.is_ok(), times < 3);
            let linked = world.call(&sid(7), "conversation_id");
            if times == 3 && matches!(fault, Refused(_)) {
                assert_eq!((linked, turns(&world)), (json!("conv_invented"), before));
            } else {
                assert_eq!(
                    (linked, turns(&world)),
                    (json!("conv_7"), moved(before, "conv_7"))
                );
            }
        }
    }
}

#[tokio::test]
async fn a_repeated_relinking_leaves_alone_who_claims_the_same_conversation_next() {
    let world = claimed().await;
    world.post(PLACE, &place_body(&[8])).await;
    let store = Store::new(&*world.database, world.runtime.clone());
    let call_sid = CallSid::from_text(sid(7));
    let relink = || store.relink(&call_sid, "conv_invented", "conv_7", UtcTime::EPOCH);
    assert_eq!(relink().await, Ok(true));
    assert_eq!(world.post(TURN, &spoof(8, 2)).await.status, 201);
    let before = turns(&world);
    assert_eq!(relink().await, Ok(true));
    assert_eq!(turns(&world), before);
    assert_eq!(world.call(&sid(8), "conversation_id"), "conv_invented");
    // Nor does a call get a conversation that another one has.
    let other = CallSid::from_text(sid(8));
    let taken = store.relink(&other, "conv_invented", "conv_7", UtcTime::EPOCH);
    assert_eq!(taken.await, Ok(false));
    assert_eq!(turns(&world), before);
}

#[tokio::test]
async fn a_call_is_not_settled_by_what_was_read_before_it_got_another_conversation() {
    let world = claimed().await;
    world.database.execute("DELETE FROM call_transcriptions");
    let store = Store::new(&*world.database, world.runtime.clone());
    let before = store.get_by_conversation_id("conv_invented", None).await;
    let before = before.unwrap().unwrap();
    let call_sid = CallSid::from_text(sid(7));
    let relinked = store.relink(&call_sid, "conv_invented", "conv_7", UtcTime::EPOCH);
    assert_eq!(relinked.await, Ok(true));
    let settled = before.call.unchanged("conv_invented");
    assert_eq!(
        store.settle(&before, &settled, None, UtcTime::EPOCH).await,
        Ok(false)
    );
}

#[tokio::test]
async fn a_claim_costs_the_usual_ways_nothing() {
    let world = empty_world();
    world.elevenlabs_accepts();
    let trips = |world: &World| world.lines("request").pop().unwrap()["db_round_trips"].clone();
    world.post(PLACE, &place_body(&[7])).await;
    assert_eq!(trips(&world), 2);
    let mut turn = turn_body(7, 2, "Hello");
    turn["conversation_id"] = json!("conv_7");
    world.post(TURN, &turn).await;
    assert_eq!(trips(&world), 1);
    let event = transcription(conversation(7, &[(2, "A:Hello")]));
    world.deliver(&event).await;
    assert_eq!(trips(&world), 2);
}

#[tokio::test]
async fn a_claim_of_the_right_conversation_is_simply_confirmed() {
    let world = empty_world();
    world.script(|_| Err(TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    let mut turn = turn_body(7, 2, "Hello");
    turn["conversation_id"] = json!("conv_7");
    world.post(TURN, &turn).await;
    assert_eq!(world.call(&sid(7), "conversation_claimed"), 1);
    let event = transcription(conversation(7, &[(2, "A:Hello")]));
    assert_eq!(world.deliver(&event).await, "applied");
    assert_eq!(world.call(&sid(7), "conversation_claimed"), 0);
    assert!(world.lines("call_relinked").is_empty());
    // By the dial's answer as well.
    let world = empty_world();
    world.script(|_| {
        let body = r#"{"success":true,"message":"","conversation_id":"conv_invented"}"#.to_owned();
        Ok(ApiAnswer { status: 200, body })
    });
    let stranger = async {
        while world.dialled().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.post(TURN, &spoof(7, 2)).await.status, 201);
    };
    join(world.post(PLACE, &place_body(&[7])), stranger).await;
    assert_eq!(world.call(&sid(7), "conversation_claimed"), 0);
}
