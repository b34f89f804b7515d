//! The events that ElevenLabs' post-call webhook delivers.

use super::conversation::{Progress, Report, report};
use super::lenient::{self, Object};
use crate::model::{UtcTime, reason};

/// The type of the event after a conversation has ended and is analysed.
pub const TRANSCRIPTION: &str = "post_call_transcription";
/// The type of the event after a phone call failed to start.
pub const INITIATION_FAILURE: &str = "call_initiation_failure";

/// One event. Type, conversation and time identify it: a repeat has the same three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The type, in ElevenLabs' words.
    pub kind: String,
    /// Empty if the event names no conversation.
    pub conversation_id: String,
    /// ElevenLabs' id of the agent. The webhook delivers the events of all agents of a workspace.
    pub agent_id: Option<String>,
    /// Unix seconds. 0 if the event has no time.
    pub timestamp: i64,
    /// What the event reports about the call.
    pub content: Content,
}

/// What an event reports about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A report on a conversation.
    Report(Box<Report>),
    /// The phone call failed to start.
    Failure(InitiationFailure),
    /// Nothing that the ledger stores.
    Other,
}

/// Why a phone call failed to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitiationFailure {
    /// ElevenLabs' word: `busy`, `no-answer` or `unknown`.
    pub reason: String,
    /// Twilio's or the SIP trunk's name for the phone call.
    pub telephony_call_sid: Option<String>,
    /// When it happened.
    pub at: Option<UtcTime>,
}

/// Why a text is not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventError {
    /// Not JSON, or no object with a `type`.
    NoEvent,
    /// An event of a known type without a conversation.
    NoConversation,
}

impl Event {
    /// Reads the JSON text of an event.
    ///
    /// # Errors
    /// [`EventError`] if the text is not an event, or names no conversation.
    pub fn parse(json: &str) -> Result<Self, EventError> {
        let json = lenient::read(json).ok_or(EventError::NoEvent)?;
        let envelope = Object::of(&json).ok_or(EventError::NoEvent)?;
        let kind = envelope.text("type").ok_or(EventError::NoEvent)?;
        let data = envelope.object("data");
        let conversation_id = data.text("conversation_id").unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float cast saturates; the time only tells events apart"
        )]
        let timestamp = envelope.number("event_timestamp").unwrap_or_default() as i64;
        let content = match kind {
            TRANSCRIPTION => {
                // This event is sent after the end of a conversation, so a missing status means over.
                let report = report(data, Progress::Done);
                report.map(|report| Content::Report(Box::new(report)))
            }
            INITIATION_FAILURE if !conversation_id.is_empty() => {
                Some(Content::Failure(failure(data, timestamp)))
            }
            INITIATION_FAILURE => None,
            _ => Some(Content::Other),
        };
        Ok(Self {
            kind: kind.to_owned(),
            conversation_id: conversation_id.to_owned(),
            agent_id: data.text("agent_id").map(str::to_owned),
            timestamp,
            content: content.ok_or(EventError::NoConversation)?,
        })
    }
}

fn failure(data: Object<'_>, timestamp: i64) -> InitiationFailure {
    // The telephone provider's report. Twilio's field names begin with a capital.
    let provider = data.object("metadata").object("body");
    InitiationFailure {
        reason: reason::cut(data.text("failure_reason").unwrap_or("unknown")),
        telephony_call_sid: provider
            .text("CallSid")
            .or_else(|| provider.text("call_sid"))
            .map(str::to_owned),
        at: UtcTime::from_millis(timestamp.saturating_mul(1000)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, Event, EventError};

    #[test]
    fn a_failure_is_read_in_both_providers_shapes() {
        for (kind, key) in [("twilio", "CallSid"), ("sip", "call_sid")] {
            let json = format!(
                r#"{{"type":"call_initiation_failure","event_timestamp":"1759931652","data":{{
                    "conversation_id":"c","failure_reason":"busy",
                    "metadata":{{"type":"{kind}","body":{{"{key}":"X1","sip_status_code":"486"}}}}}}}}"#
            );
            let event = Event::parse(&json).unwrap();
            assert_eq!(
                (event.conversation_id.as_str(), event.timestamp),
                ("c", 1_759_931_652)
            );
            let Content::Failure(failure) = event.content else {
                panic!("{kind}");
            };
            assert_eq!(failure.reason, "busy");
            assert_eq!(failure.telephony_call_sid.as_deref(), Some("X1"));
            assert_eq!(failure.at.unwrap().to_string(), "2025-10-08T13:54:12.000Z");
        }
    }

    #[test]
    fn other_types_are_events_too() {
        let event = Event::parse(
            r#"{"type":"post_call_audio","data":{"conversation_id":"c","full_audio":"\ud800"}}"#,
        );
        assert_eq!(event.unwrap().content, Content::Other);
        let event = Event::parse(r#"{"type":"news","event_timestamp":1.5e3}"#).unwrap();
        assert_eq!(
            (event.conversation_id.as_str(), event.timestamp),
            ("", 1500)
        );
    }

    #[test]
    fn what_cannot_be_applied_to_anything_is_refused() {
        for json in [
            "",
            "[]",
            "{}",
            r#"{"type":5}"#,
            r#"{"type":null,"data":{}}"#,
        ] {
            assert_eq!(Event::parse(json), Err(EventError::NoEvent), "{json}");
        }
        for kind in ["post_call_transcription", "call_initiation_failure"] {
            for data in ["null", "{}", "[]", r#"{"conversation_id":""}"#] {
                let json = format!(r#"{{"type":"{kind}","event_timestamp":1,"data":{data}}}"#);
                assert_eq!(
                    Event::parse(&json),
                    Err(EventError::NoConversation),
                    "{json}"
                );
            }
        }
    }
}
