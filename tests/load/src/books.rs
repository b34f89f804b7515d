//! The simulator's books: what ElevenLabs did and heard.

use crate::metrics::{Ended, Metrics, Route, Sample};
use chrono::{DateTime, Utc};
use elevenlabs_simulator::{DeliveryKind, Outcome, Simulator, Speaker, Status};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// Every request for a call.
    pub dials: Vec<Dial>,
    /// Every conversation, by its id.
    pub conversations: BTreeMap<String, Conversation>,
}

/// A request for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    pub call_sid: String,
    /// The name of what the number does.
    pub number: &'static str,
    /// The conversation that came of it. `None`: no phone rang.
    pub conversation_id: Option<String>,
    /// Whether the worker was gone before it was answered.
    pub abandoned: bool,
}

/// A conversation.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    /// Whether it is over.
    pub over: bool,
    /// ElevenLabs' own transcript, and what became of posting each turn.
    pub turns: Vec<Turn>,
}

/// A turn.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// `agent` or `driver`.
    pub speaker: &'static str,
    /// As ElevenLabs' transcript has it.
    pub message: String,
    /// How often posting it was answered 2xx.
    pub accepted: usize,
    /// How often with 201.
    pub created: usize,
    /// The `transcription_id` it was given.
    pub ids: BTreeSet<i64>,
}

/// Reads the books of an idle simulator.
pub fn of(simulator: &Simulator) -> Books {
    let mut books = Books::default();
    for call in simulator.calls() {
        if let Some(id) = &call.conversation_id {
            let turns = simulator.conversation(id).unwrap_or_default();
            let turns = turns.into_iter().map(|turn| Turn {
                speaker: match turn.speaker {
                    Speaker::Agent => "agent",
                    Speaker::User => "driver",
                },
                message: turn.transcript_message,
                accepted: count(&turn.answers, |status| matches!(status, 200..=299)),
                created: count(&turn.answers, |status| status == 201),
                ids: BTreeSet::new(),
            });
            let status = simulator.status(id);
            let conversation = Conversation {
                over: matches!(status, Some(Status::Done | Status::Failed)),
                turns: turns.collect(),
            };
            books.conversations.insert(id.clone(), conversation);
        }
        books.dials.push(Dial {
            call_sid: call.call_sid.unwrap_or_default(),
            number: call.behaviour,
            conversation_id: call.conversation_id,
            abandoned: call.outcome == Outcome::Abandoned,
        });
    }
    for delivery in simulator.deliveries() {
        let answer: Value = serde_json::from_str(&delivery.answer).unwrap_or_default();
        let accepted = matches!(delivery.status, Some(200..=299));
        if let (true, Some(place), Some(id)) = (
            accepted,
            delivery.turn,
            answer.get("transcription_id").and_then(Value::as_i64),
        ) && let Some(conversation) = books.conversations.get_mut(&delivery.conversation_id)
            && let Some(turn) = conversation.turns.get_mut(place)
        {
            turn.ids.insert(id);
        }
    }
    books
}

fn count(answers: &[u16], of: impl Fn(u16) -> bool) -> usize {
    answers.iter().filter(|status| of(**status)).count()
}

/// What the worker answered to ElevenLabs' events, by the word it used.
pub fn event_answers(simulator: &Simulator) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for delivery in simulator.deliveries() {
        if delivery.kind == DeliveryKind::Turn || delivery.status != Some(200) {
            continue;
        }
        let answer: Value = serde_json::from_str(&delivery.answer).unwrap_or_default();
        let word = answer.get("status").and_then(Value::as_str);
        let word = word.unwrap_or("unreadable").to_owned();
        *answers.entry(word).or_default() += 1;
    }
    answers
}

/// Adds the simulator's requests to those of the clients. `began` is when the run did.
pub fn measure(simulator: &Simulator, metrics: &Metrics, began: DateTime<Utc>) {
    for delivery in simulator.deliveries() {
        let route = match delivery.kind {
            DeliveryKind::Turn => Route::Turn,
            _ => Route::Event,
        };
        let ended = match delivery.status {
            Some(status) => Ended::Status(status),
            // The client's words do not tell a refused connection from a broken one, its speed does.
            None if delivery.took_ms < 5 => Ended::Refused,
            None if delivery.took_ms >= 30_000 => Ended::GivenUp,
            None => Ended::Cut,
        };
        metrics.add(Sample {
            route,
            ended,
            at: (delivery.at - began).to_std().unwrap_or_default(),
            took: Duration::from_millis(delivery.took_ms),
        });
    }
}
