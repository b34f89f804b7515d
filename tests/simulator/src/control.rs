//! `/_simulator/…`: for tests and people, outside of what ElevenLabs offers. Needs no key: the stand-in listens on loopback only.

use crate::answers::{self, Answer};
use crate::conversation::Conversation;
use crate::deliver::deliver;
use crate::world::World;
use crate::{Delivery, SimCall, events, numbers, play};
use hyper::StatusCode;
use serde_json::{Value, json};

/// The journal: every request for an outbound call, with the conversation it created.
pub(crate) fn calls(world: &World) -> Answer {
    let books = world.books();
    let entry = |call: &SimCall| {
        let mut shown = json!(call);
        let conversation = call
            .conversation_id
            .as_deref()
            .and_then(|id| books.conversation(id));
        if let Some(fields) = shown.as_object_mut() {
            fields.insert(
                "conversation".into(),
                conversation.map_or(Value::Null, shown_conversation),
            );
        }
        shown
    };
    let body = json!({
        "requests_total": books.calls.len(),
        "open": books.open,
        "max_open": books.max_open,
        "under_way": world.under_way(),
        "calls": books.calls.iter().map(entry).collect::<Vec<_>>(),
    });
    answers::json_answer(StatusCode::OK, &body)
}

fn shown_conversation(conversation: &Conversation) -> Value {
    json!({
        "conversation_id": conversation.id,
        "provider_call_id": conversation.provider_call_id,
        "status": conversation.status,
        "spoken": conversation.spoken,
        "transcript": conversation.turns,
    })
}

/// Every attempt to deliver something.
pub(crate) fn deliveries(world: &World) -> Answer {
    let books = world.books();
    answers::json_answer(StatusCode::OK, &json!({ "deliveries": books.deliveries }))
}

/// The magic numbers.
pub(crate) fn magic_numbers() -> Answer {
    let shown: Vec<Value> = numbers::NUMBERS
        .iter()
        .map(|number| json!({ "number": number.number, "name": number.name, "explanation": number.explanation }))
        .collect();
    let other = json!({ "name": numbers::EVERY_OTHER.name, "explanation": numbers::EVERY_OTHER.explanation });
    answers::json_answer(
        StatusCode::OK,
        &json!({ "numbers": shown, "every_other": other }),
    )
}

/// Delivers a conversation's event now.
pub(crate) async fn deliver_event(world: &World, id: &str) -> Answer {
    match deliver_now(world, id).await {
        Some(delivery) => answers::json_answer(StatusCode::OK, &json!(delivery)),
        None => answers::not_found("conversation"),
    }
}

/// Ends the conversation, should it still go on, and delivers its event, whatever its number says about events.
pub(crate) async fn deliver_now(world: &World, id: &str) -> Option<Delivery> {
    if !world.conversation(id)?.is_over() {
        play::end(world, id);
    }
    let parcel = events::parcel(&world.conversation(id)?);
    Some(deliver(world, &parcel, 1).await)
}
