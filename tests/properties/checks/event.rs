//! ElevenLabs' events and answers, read a second time out of serde_json's values.

use std::time::Duration;

use call_ledger::elevenlabs::conversation::{Progress, Report};
use call_ledger::elevenlabs::event::{Content, Event, EventError};
use call_ledger::elevenlabs::lookup::Lookup;
use call_ledger::elevenlabs::{Client, DialOutcome, OutboundCall};
use call_ledger::json::into_text;
use call_ledger::model::{CallSid, Driver, DriverId, PhoneNumber, Speaker, Telephony};
use serde_json::Value;

use super::service::{Parrot, wait};
use super::time::{END, FIRST, canonical};

/// Who said what, and when from the conversation's start in milliseconds.
pub type Said = (Speaker, String, i64);

pub fn check(data: &[u8]) {
    if let Some(text) = into_text(data.to_vec()) {
        let _ = check_text(&text);
        check_answers(&text);
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    let text = value[name].as_str()?;
    (!text.trim().is_empty()).then_some(text)
}

/// What can be stored of ElevenLabs' words.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn number(value: &Value, name: &str) -> Option<f64> {
    match &value[name] {
        Value::String(text) => serde_json::from_str::<Value>(text.trim()).ok()?.as_f64(),
        value => value.as_f64(),
    }
}

fn millis(seconds: f64) -> i64 {
    (seconds * 1_000.0).round() as i64
}

/// The turns that a conversation tells of.
pub fn said(conversation: &Value) -> Option<Vec<Said>> {
    let entries = conversation["transcript"].as_array()?;
    let said = entries.iter().filter_map(|entry| {
        let speaker = match text(entry, "role")? {
            "agent" => Speaker::Agent,
            "user" => Speaker::Driver,
            _ => return None,
        };
        let message = text(entry, "message")?.replace('\0', "\u{fffd}");
        let seconds = number(entry, "time_in_call_secs").unwrap_or(0.0);
        Some((speaker, message, millis(seconds).max(0)))
    });
    Some(said.collect())
}

/// A text is the event that it should be, or refused for the right reason.
pub fn check_text(json: &str) -> Result<Event, EventError> {
    let event = Event::parse(json);
    if let Ok(event) = &event
        && let Content::Report(report) = &event.content
    {
        assert_eq!(report.conversation_id, event.conversation_id);
        check_report(report);
    }
    if let Some(report) = Report::parse(json) {
        check_report(&report);
    }
    if let Ok(value) = serde_json::from_str::<Value>(json) {
        compare(&event, &value);
        compare_report(Report::parse(json).as_ref(), &value, Progress::Running);
    }
    event
}

/// What holds of a report, wherever it comes from.
fn check_report(report: &Report) {
    assert!(!report.conversation_id.trim().is_empty());
    assert!(report.is_final() || report.failure_reason.is_none());
    assert!(report.progress != Progress::Failed || report.failure_reason.is_some());
    assert!(report.ended_at.is_none() || report.started_at.is_some());
    for turn in report.transcript.iter().flatten() {
        assert!(!turn.message.trim().is_empty() && !turn.message.contains('\0'));
        assert!(turn.offset_ms >= 0 && turn.original_message.as_ref() != Some(&turn.message));
    }
}

fn compare(event: &Result<Event, EventError>, value: &Value) {
    let data = &value["data"];
    let conversation_id = text(data, "conversation_id").unwrap_or_default();
    let Some(kind) = text(value, "type").filter(|_| value.is_object()) else {
        assert_eq!(event.as_ref(), Err(&EventError::NoEvent));
        return;
    };
    let settling = ["post_call_transcription", "call_initiation_failure"].contains(&kind);
    if settling && conversation_id.is_empty() {
        assert_eq!(event.as_ref(), Err(&EventError::NoConversation));
        return;
    }
    let event = event
        .as_ref()
        .unwrap_or_else(|error| panic!("{error:?}: {value}"));
    let seconds = number(value, "event_timestamp").unwrap_or(0.0) as i64;
    assert_eq!(
        (&*event.kind, &*event.conversation_id),
        (kind, conversation_id)
    );
    assert_eq!(event.timestamp, seconds);
    assert_eq!(event.agent_id.as_deref(), text(data, "agent_id"));
    match &event.content {
        Content::Report(report) => {
            assert_eq!(kind, "post_call_transcription");
            // The event itself says that the conversation is over.
            compare_report(Some(report), data, Progress::Done);
        }
        Content::Failure(failure) => {
            assert_eq!(kind, "call_initiation_failure");
            assert_eq!(
                failure.reason,
                storable(text(data, "failure_reason").unwrap_or("unknown"))
            );
            let time = (FIRST..END)
                .contains(&seconds)
                .then(|| canonical((seconds, 0)));
            assert_eq!(failure.at.map(|at| at.to_string()), time);
        }
        Content::Other => assert!(!settling),
    }
}

fn compare_report(report: Option<&Report>, data: &Value, unsaid: Progress) {
    let Some(conversation_id) = text(data, "conversation_id") else {
        return assert_eq!(report, None);
    };
    let report = report.unwrap_or_else(|| panic!("lost: {data}"));
    assert_eq!(report.conversation_id, conversation_id);
    let progress = match text(data, "status") {
        Some("done") => Progress::Done,
        Some("failed") => Progress::Failed,
        Some("initiated" | "in-progress" | "processing") => Progress::Running,
        _ => unsaid,
    };
    assert_eq!(report.progress, progress);
    let client = &data["conversation_initiation_client_data"];
    let call_sid = text(&client["dynamic_variables"], "call_sid");
    let call_sid = call_sid
        .or_else(|| text(client, "user_id"))
        .or_else(|| text(data, "user_id"));
    assert_eq!(report.call_sid.as_deref(), call_sid);
    let started = number(&data["metadata"], "start_time_unix_secs").map(millis);
    let started = started.map(|millis| (millis.div_euclid(1_000), millis.rem_euclid(1_000)));
    let started = started.filter(|(seconds, _)| (FIRST..END).contains(seconds));
    let started = started.map(|(seconds, millis)| canonical((seconds, millis as u32 * 1_000_000)));
    assert_eq!(report.started_at.map(|at| at.to_string()), started);
    assert_eq!(
        report.summary,
        text(&data["analysis"], "transcript_summary").map(storable)
    );
    let said_here = report.transcript.as_ref().map(|turns| {
        let turn = turns
            .iter()
            .map(|turn| (turn.speaker, turn.message.clone(), turn.offset_ms));
        turn.collect::<Vec<_>>()
    });
    assert_eq!(said_here, said(data), "{data}");
}

/// The same text as ElevenLabs' answer to each question, with some statuses.
pub fn check_answers(body: &str) {
    for status in [200, 422] {
        let (key, patience) = ("key".to_owned(), Duration::from_secs(1));
        let parrot = Parrot { status, body };
        let client = Client::new(parrot, "https://elevenlabs.test", key, patience);
        let call_sid = CallSid::from_text("EL_1_x");
        let about = wait(client.conversation_of(&call_sid));
        if let Lookup::Found(report) = about {
            assert_eq!(report.call_sid.as_deref(), Some(call_sid.as_str()));
        }
        let about = wait(client.conversation("c"));
        if let Lookup::Found(report) = about {
            assert_eq!((report.conversation_id.as_str(), status), ("c", 200));
        }
        let (Ok(id), Ok(phone_number)) = (DriverId::new(1), PhoneNumber::parse("5550101234"))
        else {
            panic!("the driver");
        };
        let driver = Driver {
            id,
            name: None,
            phone_number,
            violations: Vec::new(),
            custom_rules: None,
        };
        let outcome = wait(client.start_call(OutboundCall {
            call_sid: &call_sid,
            driver: &driver,
            agent_id: "agent",
            phone_number_id: "phone",
            telephony: Telephony::Twilio,
        }));
        check_outcome(&outcome, status, body);
    }
}

fn check_outcome(outcome: &DialOutcome, status: u16, body: &str) {
    let value = serde_json::from_str::<Value>(body).ok();
    let accepted = value.as_ref().and_then(|value| {
        let conversation_id = text(value, "conversation_id")?;
        (status == 200 && value["success"] == true).then_some(conversation_id)
    });
    match outcome {
        DialOutcome::Accepted {
            conversation_id, ..
        } => {
            assert!(
                value.is_none() || accepted == Some(conversation_id),
                "{body}"
            );
        }
        DialOutcome::Rejected { status: given, .. } => {
            let refused = value.as_ref().is_none_or(|value| value["success"] == false);
            assert!(*given == status && (status == 422 || refused), "{body}");
        }
        DialOutcome::Unknown { .. } => assert!(status == 200 && accepted.is_none(), "{body}"),
    }
}
