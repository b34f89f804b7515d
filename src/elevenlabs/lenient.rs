//! Reading payloads that do not keep to their schema.
//!
//! ElevenLabs' published payloads have nulls, floats and extra fields where the schema has
//! none. A field that is not what it should be is read as absent, and what is not asked for is
//! passed over without being copied: an event may be 32 MiB long.

use crate::json::{self, Json};

/// The names of all fields that are read, in whichever payload.
const FIELDS: &[&str] = &[
    "CallSid",
    "accepted_time_unix_secs",
    "agent_id",
    "analysis",
    "body",
    "callSid",
    "call_duration_secs",
    "call_result",
    "call_sid",
    "conversation_id",
    "conversation_initiation_client_data",
    "conversations",
    "data",
    "detail",
    "dynamic_variables",
    "error",
    "event_timestamp",
    "failure_reason",
    "interrupted",
    "loc",
    "message",
    "metadata",
    "msg",
    "original_message",
    "phone_call",
    "reason",
    "result",
    "result_type",
    "role",
    "sip_call_id",
    "start_time_unix_secs",
    "status",
    "success",
    "termination_reason",
    "time_in_call_secs",
    "tool_results",
    "transcript",
    "transcript_summary",
    "type",
    "user_id",
];

/// Reads a JSON text, as far as its fields are in [`FIELDS`]; `None` when it is none.
pub fn read(json: &str) -> Option<Json<'_>> {
    Json::read_members(json.as_bytes(), FIELDS).ok()
}

/// A JSON object; what is none is read as one without fields.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a>(Option<&'a json::Object<'a>>);

impl<'a> Object<'a> {
    /// The value as an object; `None` when it is none.
    pub fn of(value: &'a Json<'a>) -> Option<Self> {
        value.as_object().map(|object| Self(Some(object)))
    }

    /// A field; `None` when it is absent or null.
    pub fn get(self, name: &str) -> Option<&'a Json<'a>> {
        self.0?.get(name)
    }

    /// An object; an empty one when it is absent.
    pub fn object(self, name: &str) -> Self {
        Self(self.get(name).and_then(Json::as_object))
    }

    /// The objects of a list, other members left out; `None` when there is no list.
    pub fn objects(self, name: &str) -> Option<Vec<Self>> {
        match self.get(name)? {
            Json::List(items) => Some(items.iter().filter_map(Self::of).collect()),
            _ => None,
        }
    }

    /// A text that holds more than white space.
    pub fn text(self, name: &str) -> Option<&'a str> {
        let text = self.get(name)?.as_text()?;
        (!text.trim().is_empty()).then_some(text)
    }

    /// `true` or `false`.
    pub fn flag(self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Json::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A number, or a text that is one.
    pub fn number(self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Json::Text(text) => Json::read(text.trim().as_bytes()).ok()?.as_number(),
            value => value.as_number(),
        }
    }
}
