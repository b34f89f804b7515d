//! `POST …/outbound-call`: checks the request as the real service does, places the call, and answers as the number asks.

use crate::answers::{self, Answer as HttpAnswer};
use crate::behaviour::{Answer, Story};
use crate::books::{Outcome, Route, SimCall};
use crate::conversation::{Conversation, Status};
use crate::validate::{self, OutboundCall};
use crate::world::{OpenRequest, World};
use crate::{ids, narration, numbers, play, refusals, script};
use chrono::Utc;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The connection is to be cut instead of answered.
#[derive(Debug)]
pub(crate) struct Cut;

/// The dynamic variables the stand-in's agent cannot start without, as if its prompt named them.
const NEEDED_VARIABLES: [&str; 6] = [
    "call_sid",
    "driver_id",
    "driver_name",
    "violations",
    "violation_count",
    "custom_rules",
];

pub(crate) async fn handle(
    world: &Arc<World>,
    route: Route,
    request: Request<Incoming>,
) -> Result<HttpAnswer, Cut> {
    let mut open = OpenRequest::new(world);
    let (head, body) = request.into_parts();
    let raw = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let content_type = head
        .headers
        .get(CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or("unreadable"));
    open.enter(journal_entry(route, &raw));

    // 1. The key, before anything of the body is looked at.
    // 2. The body's shape, every fault at once.
    // 3. Whether what it names exists.
    // 4. Only then the number decides.
    let (answer, written) =
        if let Some(refusal) = answers::refuse_key(&head.headers, &world.config.api_key) {
            (refusal, None)
        } else {
            match validate::outbound_call(content_type, &raw) {
                Err(faults) => (answers::faults(faults), None),
                Ok(call) if call.agent_id != world.config.agent_id => {
                    (answers::not_found("agent"), None)
                }
                Ok(call) if call.agent_phone_number_id != world.config.phone_number_id => {
                    (answers::not_found("phone number"), None)
                }
                Ok(call) => match place(world, route, call, &open, head.uri.path()).await {
                    Ok(answered) => answered,
                    Err(Cut) => {
                        close(world, &open, Outcome::Cut);
                        return Err(Cut);
                    }
                },
            }
        };
    let status = answer.status().as_u16();
    close(world, &open, Outcome::Answered { status });
    Ok(answers::carry(answer, open, written))
}

/// Notes how the request ended, and says so.
fn close(world: &World, open: &OpenRequest, outcome: Outcome) {
    let mut entry = None;
    open.note(|call| {
        call.outcome = outcome;
        entry = Some(call.clone());
    });
    if let Some(entry) = entry {
        world.narrate(|| narration::call(&entry));
    }
}

/// The journal keeps whatever can be read of a body, also of one that is refused.
fn journal_entry(route: Route, raw: &[u8]) -> SimCall {
    let body: Value = serde_json::from_slice(raw).unwrap_or_default();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let client_data = body
        .get("conversation_initiation_client_data")
        .cloned()
        .unwrap_or_default();
    let variables = client_data
        .get("dynamic_variables")
        .cloned()
        .unwrap_or_default();
    let to_number = text(body.get("to_number"));
    SimCall {
        at: Utc::now(),
        route,
        behaviour: numbers::find(to_number.as_deref().unwrap_or_default()).name,
        to_number,
        call_sid: text(variables.get("call_sid")),
        user_id: text(client_data.get("user_id")),
        dynamic_variables: variables.as_object().cloned().unwrap_or_else(Map::new),
        conversation_id: None,
        outcome: Outcome::Open,
        raw_body: String::from_utf8_lossy(raw).into_owned(),
    }
}

type Answered = (HttpAnswer, Option<oneshot::Sender<()>>);

async fn place(
    world: &Arc<World>,
    route: Route,
    call: OutboundCall,
    open: &OpenRequest,
    path: &str,
) -> Result<Answered, Cut> {
    let how = numbers::find(&call.to_number).answer;
    if !how.places_call() {
        let path = world.config.redirect_to.as_deref().unwrap_or(path);
        return refusals::unplaced(how, route, path).map(|answer| (answer, None));
    }
    let conversation = begin(world, route, call);
    let id = conversation.id.clone();
    let told = accepted(route, &conversation.id, &conversation.provider_call_id);
    open.note(|entry| entry.conversation_id = Some(id.clone()));
    world.books().add(conversation);

    let (written, answer_written) = oneshot::channel();
    let (lead_over, lead) = oneshot::channel();
    world.spawn(play::play(Arc::clone(world), id, answer_written, lead_over));

    // The SIP route answers when somebody picks up.
    if route == Route::SipTrunk {
        tokio::time::sleep(world.config.ring).await;
    }
    let answer = match how {
        Answer::CutThoughPlaced => return Err(Cut),
        Answer::ErrorThoughPlaced => answers::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "service_unavailable",
            "system_busy",
            "The service is busy. Please try again.",
        ),
        Answer::WithoutId => answers::json_answer(
            StatusCode::OK,
            &provider_answer(route, true, "Success", None),
        ),
        Answer::TooSlow => {
            tokio::time::sleep(world.config.slow).await;
            told
        }
        Answer::Slow => {
            tokio::time::sleep((world.config.slow / 4).min(Duration::from_secs(2))).await;
            told
        }
        Answer::AfterFirstTurn | Answer::AfterFirstAttempt | Answer::AfterEvent => {
            // Over when the other end is used or dropped, so this cannot hang.
            let _ = lead.await;
            told
        }
        _ => told,
    };
    Ok((answer, Some(written)))
}

/// The new conversation, with everything that will be said in it.
fn begin(world: &World, route: Route, call: OutboundCall) -> Conversation {
    let behaviour = numbers::find(&call.to_number);
    let missing: Vec<String> = NEEDED_VARIABLES
        .iter()
        .filter(|name| !call.dynamic_variables.contains_key(**name))
        .map(|name| (*name).to_owned())
        .collect();
    let story = if missing.is_empty() {
        behaviour.story
    } else {
        Story::CannotStart
    };
    let mut conversation = Conversation {
        seq: 0,
        id: ids::conversation_id(),
        behaviour,
        story,
        route,
        to_number: call.to_number,
        provider_call_id: ids::provider_call_id(route),
        agent_id: world.config.agent_id.clone(),
        phone_number_id: world.config.phone_number_id.clone(),
        user_id: call.user_id,
        dynamic_variables: call.dynamic_variables,
        missing_variables: missing,
        started_at: Utc::now(),
        status: Status::Initiated,
        turns: Vec::new(),
        spoken: 0,
    };
    conversation.turns = script::write(
        behaviour,
        story,
        &conversation.dynamic_variables,
        conversation.accepted_at(),
    );
    conversation
}

fn accepted(route: Route, conversation_id: &str, provider_call_id: &str) -> HttpAnswer {
    let ids = Some((conversation_id, provider_call_id));
    answers::json_answer(
        StatusCode::OK,
        &provider_answer(route, true, "Success", ids),
    )
}

/// The 200 body; the two routes name the provider's id differently.
pub(crate) fn provider_answer(
    route: Route,
    success: bool,
    message: &str,
    ids: Option<(&str, &str)>,
) -> Value {
    let (conversation_id, provider_call_id) = ids.unzip();
    match route {
        Route::Twilio => json!({
            "success": success, "message": message, "conversation_id": conversation_id, "callSid": provider_call_id,
        }),
        Route::SipTrunk => json!({
            "success": success, "message": message, "conversation_id": conversation_id, "sip_call_id": provider_call_id,
        }),
    }
}
