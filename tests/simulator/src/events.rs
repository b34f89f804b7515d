//! The events ElevenLabs posts after a call.

use crate::behaviour::Story;
use crate::books::{DeliveryKind, Route};
use crate::conversation::Conversation;
use crate::deliver::Parcel;
use crate::render;
use chrono::Utc;
use serde_json::{Value, json};

/// The event that tells how a conversation ended.
pub(crate) fn parcel(conversation: &Conversation) -> Parcel {
    match conversation.story {
        Story::Busy => initiation_failure(conversation, "busy"),
        Story::NoAnswer => initiation_failure(conversation, "no-answer"),
        _ => event(
            conversation,
            DeliveryKind::PostCallTranscription,
            "post_call_transcription",
            &render::conversation(conversation),
        ),
    }
}

/// An event of a type nobody has heard of.
pub(crate) fn unknown(conversation: &Conversation) -> Parcel {
    let data = json!({ "conversation_id": conversation.id, "mood": "bright" });
    event(
        conversation,
        DeliveryKind::UnknownEvent,
        "conversation_mood_changed",
        &data,
    )
}

/// The recording: a few bytes that look like the head of an MP3 file.
pub(crate) fn audio(conversation: &Conversation) -> Parcel {
    let data = json!({
        "agent_id": conversation.agent_id, "conversation_id": conversation.id, "full_audio": "SUQzBAAAAAAAAA==",
    });
    event(
        conversation,
        DeliveryKind::PostCallAudio,
        "post_call_audio",
        &data,
    )
}

/// Nobody was reached. The event names neither variables nor user: only the two ids lead to the call.
fn initiation_failure(conversation: &Conversation, reason: &str) -> Parcel {
    let data = json!({
        "agent_id": conversation.agent_id,
        "conversation_id": conversation.id,
        "failure_reason": reason,
        "metadata": match conversation.route {
            Route::Twilio => twilio_metadata(conversation, reason),
            Route::SipTrunk => sip_metadata(conversation, reason),
        },
    });
    event(
        conversation,
        DeliveryKind::CallInitiationFailure,
        "call_initiation_failure",
        &data,
    )
}

/// The form fields of Twilio's status callback: all strings.
fn twilio_metadata(conversation: &Conversation, reason: &str) -> Value {
    json!({ "type": "twilio", "body": {
        "AccountSid": "AC00000000000000000000000000000000",
        "ApiVersion": "2010-04-01",
        "CallDuration": "0",
        "CallSid": conversation.provider_call_id,
        "CallStatus": reason,
        "CallbackSource": "call-progress-events",
        "Called": conversation.to_number,
        "Direction": "outbound-api",
        "Duration": "0",
        "From": render::AGENT_NUMBER,
        "SequenceNumber": "2",
        "SipResponseCode": if reason == "busy" { "486" } else { "487" },
        "Timestamp": Utc::now().to_rfc2822(),
        "To": conversation.to_number,
    }})
}

fn sip_metadata(conversation: &Conversation, reason: &str) -> Value {
    let (code, words) = if reason == "busy" {
        (486, "Busy here")
    } else {
        (480, "Temporarily unavailable")
    };
    json!({ "type": "sip", "body": {
        "from_number": render::AGENT_NUMBER,
        "to_number": conversation.to_number,
        "sip_status_code": code,
        "error_reason": format!("INVITE failed with {code} {words}"),
        "call_sid": conversation.provider_call_id,
        "sip_status": words,
        "twirp_code": "unavailable",
    }})
}

fn event(conversation: &Conversation, kind: DeliveryKind, name: &str, data: &Value) -> Parcel {
    let envelope = json!({ "type": name, "event_timestamp": Utc::now().timestamp(), "data": data });
    Parcel::event(conversation, kind, envelope.to_string())
}
