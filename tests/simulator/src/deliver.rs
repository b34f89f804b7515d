//! Posting to the worker: one attempt, and the repeating of attempts that may succeed later.

use crate::behaviour::Answer;
use crate::books::{Delivery, DeliveryKind};
use crate::conversation::Conversation;
use crate::signature::signature_header;
use crate::world::World;
use chrono::Utc;
use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame};
use serde_json::json;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, sleep};

const TURN_PATH: &str = "/webhooks/elevenlabs/transcription";
const EVENT_PATH: &str = "/webhooks/elevenlabs/post-call";

/// Something to deliver.
#[derive(Clone)]
pub(crate) struct Parcel {
    pub kind: DeliveryKind,
    pub conversation_id: String,
    pub call_sid: Option<String>,
    pub turn: Option<usize>,
    pub body: Bytes,
    /// Signs with a key nobody has.
    pub wrongly_signed: bool,
    /// Repeats it also on 400: for a turn that is ahead of its call's link.
    pub repeat_on_400: bool,
}

impl Parcel {
    /// A turn of a conversation.
    pub fn turn(conversation: &Conversation, place: usize) -> Option<Self> {
        let turn = conversation.turns.get(place)?;
        let answer = conversation.behaviour.answer;
        let mut body = json!({
            "call_sid": conversation.call_sid(),
            "speaker": turn.speaker,
            "message": turn.message,
            "timestamp": turn.timestamp,
        });
        if answer.turns_name_conversation()
            && let Some(fields) = body.as_object_mut()
        {
            fields.insert("conversation_id".into(), json!(conversation.id));
        }
        Some(Self {
            turn: Some(place),
            repeat_on_400: answer == Answer::AfterFirstAttempt,
            ..Self::event(conversation, DeliveryKind::Turn, body.to_string())
        })
    }

    /// An event about a conversation.
    pub fn event(conversation: &Conversation, kind: DeliveryKind, body: String) -> Self {
        Self {
            kind,
            conversation_id: conversation.id.clone(),
            call_sid: conversation.call_sid().map(str::to_owned),
            turn: None,
            body: body.into(),
            wrongly_signed: false,
            repeat_on_400: false,
        }
    }

    /// Turns and transcripts are repeated; the service never repeats a failure or an audio event.
    fn is_repeated(&self) -> bool {
        matches!(
            self.kind,
            DeliveryKind::Turn | DeliveryKind::PostCallTranscription
        )
    }

    fn may_succeed_later(&self, status: Option<u16>) -> bool {
        match status {
            None | Some(408 | 429 | 500..) => true,
            Some(400) => self.repeat_on_400,
            Some(_) => false,
        }
    }
}

/// Delivers, repeating from attempt `first` on as long as it may help, and returns the last attempt.
pub(crate) async fn deliver(world: &World, parcel: &Parcel, first: u32) -> Delivery {
    let retry = world.config.retry;
    let mut pause = retry.first_pause;
    let mut number = first;
    loop {
        let delivery = attempt(world, parcel, number).await;
        let worth_it = parcel.is_repeated() && parcel.may_succeed_later(delivery.status);
        // Without a worker to post to, waiting for one to be named would only hold everything up.
        if !worth_it || number >= retry.tries || world.books().worker_url.is_none() {
            return delivery;
        }
        sleep(pause).await;
        pause = (pause * 2).min(retry.longest_pause);
        number += 1;
    }
}

/// One attempt, logged.
pub(crate) async fn attempt(world: &World, parcel: &Parcel, number: u32) -> Delivery {
    let began = Instant::now();
    let (status, answer) = post(world, parcel).await;
    let delivery = Delivery {
        at: Utc::now(),
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        kind: parcel.kind,
        conversation_id: parcel.conversation_id.clone(),
        call_sid: parcel.call_sid.clone(),
        turn: parcel.turn,
        attempt: number,
        status,
        answer,
    };
    world.log_delivery(delivery.clone());
    delivery
}

async fn post(world: &World, parcel: &Parcel) -> (Option<u16>, String) {
    let Some(worker_url) = world.books().worker_url.clone() else {
        return (None, "no worker URL is set".into());
    };
    let config = &world.config;
    let is_turn = parcel.kind == DeliveryKind::Turn;
    let path = if is_turn { TURN_PATH } else { EVENT_PATH };
    let mut request = world
        .client
        .post(format!("{worker_url}{path}"))
        .header("content-type", "application/json");
    if is_turn {
        if let Some(token) = &config.webhook_token {
            request = request.bearer_auth(token);
        }
    } else if let Some(secret) = &config.webhook_secret {
        let secret = if parcel.wrongly_signed {
            "wsec_of_somebody_else"
        } else {
            secret
        };
        let signature = signature_header(secret, Utc::now().timestamp(), &parcel.body);
        request = request.header("ElevenLabs-Signature", signature);
    }
    let body = Full::new(parcel.body.clone());
    request = if parcel.kind == DeliveryKind::PostCallAudio {
        request.body(reqwest::Body::wrap(LengthUnknown(body)))
    } else {
        request.body(parcel.body.clone())
    };
    match request.send().await {
        Ok(response) => {
            let status = response.status().as_u16();
            (Some(status), response.text().await.unwrap_or_default())
        }
        Err(error) => (None, error.to_string()),
    }
}

/// A body sent chunked, without `Content-Length`, as the service sends recordings.
struct LengthUnknown(Full<Bytes>);

impl Body for LengthUnknown {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }
}
