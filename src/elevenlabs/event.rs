//! ElevenLabs' own events, as its post-call webhook delivers them.

use super::conversation::{Progress, Report, report};
use super::lenient::{self, Object};
use crate::model::{UtcTime, reason};

/// The conversation is over and analysed.
pub const TRANSCRIPTION: &str = "post_call_transcription";
/// The phone call did not come about.
pub const INITIATION_FAILURE: &str = "call_initiation_failure";

/// One event. Its type, conversation and time name it: a repeat has the same three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// ElevenLabs' word for what happened.
    pub kind: String,
    /// The conversation; empty where the event names none.
    pub conversation_id: String,
    /// The agent that spoke, by ElevenLabs' id; a workspace's webhook delivers those of all agents.
    pub agent_id: Option<String>,
    /// Unix seconds; 0 where the event has no time.
    pub timestamp: i64,
    /// What it says of the call.
    pub content: Content,
}

/// What an event says of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// ElevenLabs' whole word about a conversation.
    Report(Box<Report>),
    /// The phone call did not come about.
    Failure(InitiationFailure),
    /// Nothing the ledger keeps.
    Other,
}

/// Why a phone call did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitiationFailure {
    /// ElevenLabs' word: `busy`, `no-answer` or `unknown`.
    pub reason: String,
    /// Twilio's or the SIP trunk's name for the phone call.
    pub telephony_call_sid: Option<String>,
    /// When it happened.
    pub at: Option<UtcTime>,
}

/// Why a text is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventError {
    /// Not JSON, or no object with a `type`.
    NoEvent,
    /// An event of a known type that does not say which conversation it is about.
    NoConversation,
}

impl Event {
    /// Reads the JSON text of an event.
    ///
    /// # Errors
    /// [`EventError`] when it is none, or does not say which conversation it is about.
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
                // The event itself says that the conversation is over.
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
    // What the telephone provider reported; Twilio's fields are in capitals.
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
