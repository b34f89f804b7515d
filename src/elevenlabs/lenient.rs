//! Reads payloads that deviate from their schema.
//!
//! ElevenLabs' published payloads have nulls, floats and extra fields that the schema does not have. A
//! field of the wrong type is read as absent. Fields that are not in [`FIELDS`] are skipped without a
//! copy, because an event may have 32 MiB.

use crate::json::{self, Json};

/// The names of all fields that are read, in any payload.
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

/// Reads the fields in [`FIELDS`] of a JSON text. `None` if the text is not JSON.
pub fn read(json: &str) -> Option<Json<'_>> {
    Json::read_members(json.as_bytes(), FIELDS).ok()
}

/// A JSON object. Any other value is read as an object without fields.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a>(Option<&'a json::Object<'a>>);

impl<'a> Object<'a> {
    /// The value as an object. `None` if it is not an object.
    pub fn of(value: &'a Json<'a>) -> Option<Self> {
        value.as_object().map(|object| Self(Some(object)))
    }

    /// A field. `None` if it is absent or null.
    pub fn get(self, name: &str) -> Option<&'a Json<'a>> {
        self.0?.get(name)
    }

    /// An object. An empty one if it is absent.
    pub fn object(self, name: &str) -> Self {
        Self(self.get(name).and_then(Json::as_object))
    }

    /// The objects of a list, without its other members. `None` if there is no list.
    pub fn objects(self, name: &str) -> Option<Vec<Self>> {
        match self.get(name)? {
            Json::List(items) => Some(items.iter().filter_map(Self::of).collect()),
            _ => None,
        }
    }

    /// A text that has more than white space.
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

    /// A number, or a text with a number.
    pub fn number(self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Json::Text(text) => Json::read(text.trim().as_bytes()).ok()?.as_number(),
            value => value.as_number(),
        }
    }
}
