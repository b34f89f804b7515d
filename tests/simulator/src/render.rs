//! A conversation as ElevenLabs shows it: read by its id, in the post-call event, and as an item of the list.

use crate::behaviour::{Story, Transcript};
use crate::books::Route;
use crate::conversation::{Conversation, Speaker, Status, Turn};
use crate::untidy;
use serde_json::{Map, Value, json};

/// The number the agent calls from.
pub(crate) const AGENT_NUMBER: &str = "+15550109999";
const AGENT_NAME: &str = "Safety desk";

/// The whole conversation.
pub(crate) fn conversation(conversation: &Conversation) -> Value {
    let said = conversation.said();
    let count = |speaker: Speaker| said.iter().filter(|turn| turn.speaker == speaker).count();
    let mut shown = json!({
        "agent_id": conversation.agent_id,
        "agent_name": AGENT_NAME,
        "conversation_product": "agent",
        "conversation_id": conversation.id,
        "status": conversation.status,
        "user_id": conversation.user_id,
        "branch_id": null,
        "version_id": null,
        "environment": "production",
        "has_audio": !said.is_empty(),
        "has_user_audio": count(Speaker::User) > 0,
        "has_response_audio": count(Speaker::Agent) > 0,
        "has_auxiliary_audio": false,
        "transcript": said.iter().map(|turn| transcript_item(conversation, turn)).collect::<Vec<_>>(),
        "user_message_count": count(Speaker::User),
        "agent_message_count": count(Speaker::Agent),
        "visited_agents": [],
        "tag_ids": [],
        "metadata": metadata(conversation),
        "analysis": analysis(conversation),
        "conversation_initiation_client_data": {
            "conversation_config_override": {},
            "custom_llm_extra_body": {},
            "user_id": conversation.user_id,
            "source_info": { "source": null, "version": null },
            "branch_id": null,
            "environment": null,
            "dynamic_variables": dynamic_variables(conversation),
        },
    });
    if conversation.behaviour.transcript == Transcript::Untidy {
        untidy::make_untidy(&mut shown);
    }
    shown
}

/// An item of the list: neither variables nor telephone data, so whoever looks for a call has to read each candidate.
pub(crate) fn summary(conversation: &Conversation) -> Value {
    let analysis = analysis(conversation);
    json!({
        "agent_id": conversation.agent_id,
        "agent_name": AGENT_NAME,
        "branch_id": null,
        "version_id": null,
        "conversation_id": conversation.id,
        "start_time_unix_secs": conversation.started_at.timestamp(),
        "call_duration_secs": conversation.duration_secs(),
        "message_count": conversation.said().len(),
        "status": conversation.status,
        "termination_reason": termination_reason(conversation),
        "call_successful": analysis.get("call_successful").cloned().unwrap_or_else(|| json!("unknown")),
        "transcript_summary": analysis.get("transcript_summary"),
        "call_summary_title": analysis.get("call_summary_title"),
        "main_language": "en",
        "conversation_initiation_source": source(conversation),
        "direction": "outbound",
        "rating": null,
        "tag_ids": [],
    })
}

fn transcript_item(conversation: &Conversation, turn: &Turn) -> Value {
    let is_user = turn.speaker == Speaker::User;
    json!({
        "role": turn.speaker,
        "agent_metadata": (!is_user).then(|| json!({
            "agent_id": conversation.agent_id, "branch_id": null, "workflow_node_id": null, "version_id": null,
        })),
        "message": turn.transcript_message,
        "multivoice_message": null,
        "tool_calls": [],
        "tool_results": [],
        "feedback": null,
        "llm_override": null,
        "time_in_call_secs": turn.offset_ms / 1000,
        "conversation_turn_metrics": null,
        "rag_retrieval_info": null,
        "llm_usage": null,
        "interrupted": turn.interrupted,
        "original_message": turn.interrupted.then(|| turn.message.trim()),
        "source_medium": is_user.then_some("audio"),
    })
}

fn metadata(conversation: &Conversation) -> Value {
    let started = conversation.started_at.timestamp();
    let answered = conversation.spoken > 0;
    json!({
        "start_time_unix_secs": started,
        "accepted_time_unix_secs": answered.then(|| conversation.accepted_at().timestamp()),
        "call_duration_secs": conversation.duration_secs(),
        "cost": answered.then(|| conversation.duration_secs() * 7),
        "cost_fiat": null,
        "deletion_settings": { "delete_transcript_and_pii": false, "delete_audio": false },
        "feedback": { "overall_score": null, "likes": 0, "dislikes": 0 },
        "authorization_method": "authorization_header",
        "charging": { "dev_discount": true },
        "phone_call": phone_call(conversation),
        "batch_call": null,
        "termination_reason": termination_reason(conversation),
        "error": error(conversation),
        "warnings": [],
        "main_language": "en",
        "text_only": false,
        "initiator_id": null,
        "conversation_initiation_source": source(conversation),
        "timezone": "UTC",
    })
}

fn phone_call(conversation: &Conversation) -> Value {
    let result = call_result(conversation);
    let mut shown = json!({
        "direction": "outbound",
        "phone_number_id": conversation.phone_number_id,
        "agent_number": AGENT_NUMBER,
        "external_number": conversation.to_number,
        "call_sid": conversation.provider_call_id,
        "call_result": result,
    });
    if let Some(fields) = shown.as_object_mut() {
        match conversation.route {
            Route::Twilio => {
                fields.insert("type".into(), json!("twilio"));
                let stream = conversation.provider_call_id.replacen("CA", "MZ", 1);
                fields.insert("stream_sid".into(), json!(stream));
            }
            Route::SipTrunk => {
                fields.insert("type".into(), json!("sip_trunking"));
                fields.insert("call_id".into(), json!(conversation.provider_call_id));
                fields.insert("sip_header_dynamic_variables".into(), json!({}));
            }
        }
    }
    shown
}

fn call_result(conversation: &Conversation) -> Option<&'static str> {
    if conversation.status == Status::Initiated {
        return None;
    }
    Some(match conversation.story {
        Story::Busy => "busy",
        Story::NoAnswer => "no_answer",
        Story::Voicemail => "voicemail",
        Story::CannotStart => "failed",
        Story::Answered | Story::BreaksOff | Story::NeverEnds => "answered",
    })
}

fn termination_reason(conversation: &Conversation) -> String {
    if !conversation.is_over() {
        return String::new();
    }
    match conversation.story {
        Story::Busy => "Line busy".into(),
        Story::NoAnswer => "No answer".into(),
        Story::Voicemail => "Voicemail reached".into(),
        Story::BreaksOff => "The language model could not be reached".into(),
        Story::CannotStart => format!(
            "Missing required dynamic variables in prompt: {}",
            conversation.missing_variables.join(", ")
        ),
        Story::Answered | Story::NeverEnds => "Call ended by remote party".into(),
    }
}

fn error(conversation: &Conversation) -> Option<Value> {
    let code = match conversation.story {
        Story::BreaksOff => 1011,
        Story::CannotStart => 1008,
        _ => return None,
    };
    (conversation.is_over())
        .then(|| json!({ "code": code, "reason": termination_reason(conversation) }))
}

/// What the service thinks of the call; nothing until it is over, or when there was nothing to think about.
fn analysis(conversation: &Conversation) -> Value {
    if !conversation.is_over() || !conversation.was_answered() {
        return Value::Null;
    }
    let (verdict, title, text) = match conversation.story {
        Story::Voicemail => (
            "failure",
            "Voicemail",
            "The agent reached a voicemail and left a message.",
        ),
        Story::BreaksOff => (
            "failure",
            "Broken off",
            "The conversation broke off after the greeting.",
        ),
        _ => (
            "success",
            "Safety talk",
            "The driver confirmed what is on record and promised to rest before the next trip.",
        ),
    };
    json!({
        "evaluation_criteria_results": {},
        "data_collection_results": {},
        "call_successful": verdict,
        "transcript_summary": text,
        "call_summary_title": title,
    })
}

/// The caller's variables and the service's own.
fn dynamic_variables(conversation: &Conversation) -> Map<String, Value> {
    if conversation.behaviour.transcript == Transcript::WithoutVariables {
        return Map::new();
    }
    let mut variables = conversation.dynamic_variables.clone();
    let agent_turns = conversation
        .said()
        .iter()
        .filter(|turn| turn.speaker == Speaker::Agent);
    let own = [
        ("system__agent_id", json!(conversation.agent_id)),
        ("system__conversation_id", json!(conversation.id)),
        ("system__call_sid", json!(conversation.provider_call_id)),
        ("system__caller_id", json!(conversation.to_number)),
        ("system__called_number", json!(AGENT_NUMBER)),
        (
            "system__call_duration_secs",
            json!(conversation.duration_secs()),
        ),
        ("system__agent_turns", json!(agent_turns.count())),
        (
            "system__time_utc",
            json!(conversation.started_at.to_rfc3339()),
        ),
        ("system__timezone", json!("UTC")),
    ];
    variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
    variables
}

fn source(conversation: &Conversation) -> &'static str {
    match conversation.route {
        Route::Twilio => "twilio",
        Route::SipTrunk => "sip_trunk",
    }
}
