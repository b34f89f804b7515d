use super::{Progress, Report};
use crate::model::Speaker;

fn report(json: serde_json::Value) -> Report {
    Report::parse(&json.to_string()).unwrap()
}

#[test]
fn the_summary_and_the_reason_can_be_exported() {
    let report = report(serde_json::json!({
        "conversation_id": "conv_1", "status": "failed",
        "metadata": { "error": { "reason": "a\0b" } },
        "analysis": { "transcript_summary": "c\0d" },
    }));
    assert_eq!(report.failure_reason.as_deref(), Some("a\u{fffd}b"));
    assert_eq!(report.summary.as_deref(), Some("c\u{fffd}d"));
}

#[test]
fn nulls_floats_and_strangers_do_not_disturb() {
    let report = report(serde_json::json!({
        "conversation_id": "conv_1", "status": "done", "agent_name": 7, "user_id": null,
        "metadata": { "start_time_unix_secs": 1_764_457_163.0, "call_duration_secs": 10.5,
            "cost": 70.0, "error": null, "termination_reason": "",
            "phone_call": { "type": "twilio", "call_sid": "CA1" } },
        "analysis": { "transcript_summary": "Short.", "evaluation_criteria_results": {} },
        "conversation_initiation_client_data": { "conversation_config_override": null,
            "dynamic_variables": { "call_sid": "EL_1_x", "system__agent_turns": 2 } },
        "transcript": [
            { "role": "agent", "message": "Hello", "time_in_call_secs": 0, "tool_calls": null },
            { "role": "user", "message": "Hi", "time_in_call_secs": 4.25, "new_field": [1] },
            { "role": "agent", "message": null, "time_in_call_secs": 9 },
            { "role": "agent", "message": "  ", "time_in_call_secs": 9 },
            { "role": "narrator", "message": "x", "time_in_call_secs": 9 },
            null, 5, { "role": "user", "message": "Bye", "time_in_call_secs": null },
        ]
    }));
    assert_eq!(report.call_sid.as_deref(), Some("EL_1_x"));
    assert_eq!(report.telephony_call_sid.as_deref(), Some("CA1"));
    assert_eq!(
        report.ended_at.unwrap().to_string(),
        "2025-11-29T22:59:33.500Z"
    );
    assert_eq!(report.failure_reason, None);
    let turns = report.transcript.unwrap();
    let said: Vec<_> = turns
        .iter()
        .map(|turn| (turn.speaker, turn.message.as_str(), turn.offset_ms))
        .collect();
    assert_eq!(
        said,
        [
            (Speaker::Agent, "Hello", 0),
            (Speaker::Driver, "Hi", 4250),
            (Speaker::Driver, "Bye", 0)
        ]
    );
}

#[test]
fn who_was_not_reached_is_told_from_more_than_the_status() {
    let reason = |status: &str, metadata: serde_json::Value, transcript: serde_json::Value| {
        report(
            serde_json::json!({ "conversation_id": "c", "status": status,
            "metadata": metadata, "transcript": transcript }),
        )
        .failure_reason
    };
    let none = serde_json::json!([]);
    let hello = serde_json::json!([{ "role": "agent", "message": "Hi", "time_in_call_secs": 0 }]);
    let voicemail = serde_json::json!([{ "role": "agent", "tool_results": [
        { "result": { "result_type": "voicemail_detection_success" } }] }]);
    for (status, metadata, transcript, expected) in [
        (
            "done",
            serde_json::json!({ "call_duration_secs": 22 }),
            &hello,
            None,
        ),
        (
            "done",
            serde_json::json!({ "call_duration_secs": 0 }),
            &none,
            Some("no-answer"),
        ),
        (
            "done",
            serde_json::json!({ "phone_call": { "call_result": "voicemail" } }),
            &hello,
            Some("voicemail"),
        ),
        ("done", serde_json::json!({}), &voicemail, Some("voicemail")),
        (
            "failed",
            serde_json::json!({ "call_result": "no_answer" }),
            &none,
            Some("no-answer"),
        ),
        (
            "failed",
            serde_json::json!({ "error": { "code": 1, "reason": "LLM down" } }),
            &hello,
            Some("LLM down"),
        ),
        (
            "failed",
            serde_json::json!({ "termination_reason": "ended" }),
            &hello,
            Some("ended"),
        ),
        ("failed", serde_json::json!({}), &none, Some("unknown")),
        (
            "in-progress",
            serde_json::json!({ "call_duration_secs": 0 }),
            &none,
            None,
        ),
    ] {
        assert_eq!(
            reason(status, metadata.clone(), transcript.clone()).as_deref(),
            expected,
            "{status} {metadata}"
        );
    }
}

#[test]
fn a_conversation_without_a_name_is_none() {
    for json in [
        "",
        "[]",
        "{}",
        r#"{"conversation_id":""}"#,
        r#"{"conversation_id":5}"#,
    ] {
        assert_eq!(Report::parse(json), None, "{json}");
    }
    let odd = Report::parse(r#"{"conversation_id":"c","transcript":{},"metadata":[1]}"#).unwrap();
    assert_eq!((odd.progress, odd.transcript), (Progress::Running, None));
}
