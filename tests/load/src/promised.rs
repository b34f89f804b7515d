//! What the worker answered to its clients: all of this has to be found on record.

use crate::client::Reply;
use crate::compare::{Discrepancy, Kind};
use crate::lock;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// All answers.
#[derive(Debug, Clone, Default)]
pub struct Promised {
    /// The calls that were asked for, answered or not.
    pub asked: BTreeSet<String>,
    /// The answers about each call.
    pub placements: BTreeMap<String, Placement>,
    /// The turns that clients posted and ElevenLabs does not have.
    pub notes: Vec<Note>,
    /// What readers saw that may never be seen.
    pub seen: Vec<Discrepancy>,
}

/// What was answered about the placement of one call.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    /// How often it was said that this request placed it.
    pub created: usize,
    /// The conversations that were named.
    pub conversations: BTreeSet<String>,
    /// Whether it was said that ElevenLabs refused it.
    pub rejected: bool,
}

/// A turn of which ElevenLabs knows nothing.
#[derive(Debug, Clone, Default)]
pub struct Note {
    pub call_sid: String,
    pub speaker: &'static str,
    /// Words that no other turn has.
    pub message: String,
    /// Whether it was answered 2xx.
    pub accepted: bool,
    /// How often it was answered 201.
    pub created: usize,
    /// The `transcription_id` it was given.
    pub ids: BTreeSet<i64>,
    /// Whether an attempt remained without an answer that tells.
    pub unclear: bool,
}

/// The answers, as they come.
#[derive(Default)]
pub struct Answers(Mutex<Promised>);

impl Answers {
    /// A call is about to be asked for.
    pub fn asked(&self, call_sid: &str) {
        lock(&self.0).asked.insert(call_sid.to_owned());
    }

    /// Takes an answer to a request for calls, and returns the calls with a conversation that it names. `None` when it
    /// is no such answer.
    pub fn placed(&self, reply: &Reply) -> Option<Vec<String>> {
        reply.body.get("calls")?;
        let mut linked = Vec::new();
        let mut promised = lock(&self.0);
        for item in reply.list_at("calls") {
            let text = |name: &str| item.get(name).and_then(Value::as_str);
            let Some(call_sid) = text("call_sid") else {
                continue;
            };
            let placement = promised.placements.entry(call_sid.to_owned()).or_default();
            if item.get("created") == Some(&Value::Bool(true)) {
                placement.created += 1;
            }
            if let Some(conversation) = text("conversation_id") {
                placement.conversations.insert(conversation.to_owned());
                linked.push(call_sid.to_owned());
            }
            let code = item.pointer("/error/code").and_then(Value::as_str);
            placement.rejected |= code == Some("elevenlabs_rejected");
        }
        Some(linked)
    }

    /// A client has posted a turn, and repeats it no more.
    pub fn noted(&self, note: Note) {
        lock(&self.0).notes.push(note);
    }

    /// A reader saw what may never be seen.
    pub fn saw(&self, about: &str, what: String) {
        lock(&self.0)
            .seen
            .push(Discrepancy::new(Kind::SeenWhileRunning, about, what));
    }

    /// One of the calls that were asked for.
    pub fn any_call(&self, draw: u64) -> Option<String> {
        let promised = lock(&self.0);
        let count = u64::try_from(promised.placements.len()).ok()?;
        let index = usize::try_from(draw.checked_rem(count)?).ok()?;
        promised.placements.keys().nth(index).cloned()
    }

    /// How many calls there were answers about so far.
    pub fn count(&self) -> usize {
        lock(&self.0).placements.len()
    }

    /// How many calls were asked for so far.
    pub fn count_asked(&self) -> usize {
        lock(&self.0).asked.len()
    }

    /// All answers so far.
    pub fn so_far(&self) -> Promised {
        lock(&self.0).clone()
    }
}
