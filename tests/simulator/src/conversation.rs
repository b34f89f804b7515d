//! One conversation: what was asked for, what is said in it, and how far it has come.

use crate::behaviour::{Behaviour, Story};
use crate::books::Route;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

/// Who speaks, in the words of the turn webhook and of ElevenLabs' transcript alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The voice agent.
    Agent,
    /// The person called.
    User,
}

/// Where a conversation stands, in ElevenLabs' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The phone rings.
    Initiated,
    /// Somebody talks.
    InProgress,
    /// The call is over and being analysed.
    Processing,
    /// Over.
    Done,
    /// Over, without success.
    Failed,
}

/// One spoken turn, as posted and as ElevenLabs' transcript will have it.
#[derive(Debug, Clone, Serialize)]
pub struct Turn {
    /// Who says it.
    pub speaker: Speaker,
    /// The text posted to the worker.
    pub message: String,
    /// The text in ElevenLabs' transcript; differs from `message` only where the number asks for it.
    pub transcript_message: String,
    /// Whether the other side cut it short.
    pub interrupted: bool,
    /// Milliseconds since the phone was answered.
    pub offset_ms: i64,
    /// The moment, as posted: RFC 3339, UTC, milliseconds.
    pub timestamp: String,
    /// The status codes the worker answered when the turn was posted, in order; empty for a turn never posted.
    pub answers: Vec<u16>,
}

/// A conversation as the stand-in keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Conversation {
    /// Position in the order of creation, the tie-breaker among conversations of one second.
    pub seq: usize,
    pub id: String,
    pub behaviour: &'static Behaviour,
    /// The number's story, unless the request made another one of it.
    pub story: Story,
    pub route: Route,
    pub to_number: String,
    pub provider_call_id: String,
    pub agent_id: String,
    pub phone_number_id: String,
    pub user_id: Option<String>,
    pub dynamic_variables: Map<String, Value>,
    /// Why the agent could not start, where it could not.
    pub missing_variables: Vec<String>,
    pub started_at: DateTime<Utc>,
    pub status: Status,
    pub turns: Vec<Turn>,
    /// How many of `turns` have been said.
    pub spoken: usize,
}

/// The phone rings this long in conversation time; real time is the settings' business.
const RINGING: TimeDelta = TimeDelta::seconds(2);

impl Conversation {
    /// The call's own id in the worker, where the request gave one.
    pub fn call_sid(&self) -> Option<&str> {
        self.dynamic_variables
            .get("call_sid")
            .and_then(Value::as_str)
    }

    /// Whether anybody or anything picked up.
    pub fn was_answered(&self) -> bool {
        !matches!(
            self.story,
            Story::Busy | Story::NoAnswer | Story::CannotStart
        )
    }

    pub fn is_over(&self) -> bool {
        matches!(self.status, Status::Done | Status::Failed)
    }

    pub fn accepted_at(&self) -> DateTime<Utc> {
        self.started_at + RINGING
    }

    /// The call's length in conversation time, in whole seconds: what has been said so far, and a moment to hang up.
    pub fn duration_secs(&self) -> i64 {
        self.said()
            .last()
            .map_or(0, |turn| turn.offset_ms / 1000 + 3)
    }

    /// The turns said so far.
    pub fn said(&self) -> &[Turn] {
        self.turns.get(..self.spoken).unwrap_or(&self.turns)
    }

    /// The status the conversation ends with.
    pub fn final_status(&self) -> Status {
        match self.story {
            Story::Answered | Story::Voicemail | Story::NeverEnds => Status::Done,
            Story::Busy | Story::NoAnswer | Story::BreaksOff | Story::CannotStart => Status::Failed,
        }
    }
}

/// A moment as the turn webhook wants it.
pub(crate) fn rfc3339(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}
