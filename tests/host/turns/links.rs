//! The statements of `store/links.rs` do what `model::decide` says, also when another request has
//! changed the call since the decision.

use call_ledger::elevenlabs::TransportError;
use call_ledger::model::{By, CallSid, Link, NewTurn, Speaker, Step, UtcTime, decide};
use call_ledger::store::Store;
use serde_json::{Value, json};

use crate::support::events::empty_world;
use crate::support::world::{PLACE, World, place_body, sid};

/// Call 7 with this link.
async fn world(link: Link<'_>) -> World {
    let world = empty_world();
    world.script(|_| Err(TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    let (conversation_id, claimed) = match link {
        Link::None => return world,
        Link::Claimed(conversation_id) => (conversation_id, 1),
        Link::Confirmed(conversation_id) => (conversation_id, 0),
    };
    world.database.execute(&format!(
        "UPDATE calls SET conversation_id = '{conversation_id}', conversation_claimed = {claimed}"
    ));
    world
}

fn on_record(world: &World) -> (Value, Value) {
    let column = |name| world.call(&sid(7), name);
    (column("conversation_id"), column("conversation_claimed"))
}

/// Runs the statements of this source, as the ledger does for any link that it may have read before.
async fn name(world: &World, conversation_id: &str, by: By) {
    let store = Store::new(&*world.database, world.runtime.clone());
    let (call_sid, now) = (CallSid::from_text(sid(7)), UtcTime::EPOCH);
    match by {
        By::OpenTurn | By::TokenTurn => {
            let turn = NewTurn {
                call_sid,
                speaker: Speaker::Driver,
                message: "Hello".to_owned(),
                timestamp: now,
                conversation_id: Some(conversation_id.to_owned()),
            };
            let claimed = by == By::OpenTurn;
            let linked = store.link_and_save_transcription(&turn, conversation_id, claimed, now);
            linked.await.unwrap();
        }
        By::Dial => {
            let token = world.call(&sid(7), "dial_token");
            let token = token.as_str().unwrap();
            let linked = store.update_conversation_id(&call_sid, token, conversation_id, None, now);
            linked.await.unwrap();
        }
        By::ElevenLabs | By::ElevenLabsForAnother => {
            let found = store.get_by_conversation_id(conversation_id, Some(call_sid.as_str()));
            let before = found.await.unwrap().unwrap();
            let settled = before.call.unchanged(conversation_id);
            store.settle(&before, &settled, None, now).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_statements_do_what_is_decided_and_nothing_else() {
    let links = [
        Link::None,
        Link::Claimed("conv_1"),
        Link::Confirmed("conv_1"),
    ];
    for current in links {
        for by in [By::OpenTurn, By::TokenTurn, By::Dial, By::ElevenLabs] {
            for named in ["conv_1", "conv_2"] {
                let step = decide(current, named, by);
                // The ledger settles no call by evidence of a conversation that it has not.
                if by == By::ElevenLabs && !matches!(step, Step::Keep | Step::Confirm) {
                    continue;
                }
                let world = world(current).await;
                let before = on_record(&world);
                name(&world, named, by).await;
                let expected = match step {
                    Step::Claim => (json!(named), json!(1)),
                    Step::Confirm => (json!(named), json!(0)),
                    // A replacement takes another statement, `relink`.
                    Step::Keep | Step::Refuse | Step::Replace(_) | Step::Disown => before,
                };
                assert_eq!(on_record(&world), expected, "{current:?} {named} {by:?}");
            }
        }
    }
}

#[tokio::test]
async fn no_source_gives_a_call_the_conversation_of_another() {
    for by in [By::OpenTurn, By::TokenTurn, By::Dial] {
        let world = world(Link::None).await;
        world.post(PLACE, &place_body(&[8])).await;
        world.database.execute(&format!(
            "UPDATE calls SET conversation_id = 'conv_8' WHERE call_sid = '{}'",
            sid(8)
        ));
        name(&world, "conv_8", by).await;
        assert_eq!(on_record(&world).0, Value::Null, "{by:?}");
    }
}
