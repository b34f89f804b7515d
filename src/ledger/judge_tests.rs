use super::{Evidence, is_settled_so, judge, source};
use crate::elevenlabs::conversation::Report;
use crate::elevenlabs::event::InitiationFailure;
use crate::model::{
    By, CallSid, CallStatus, FailureReason, Origin, Speaker, StoredTime, StoredTurn, UtcTime,
};
use crate::store::CallRow;
use crate::store::settlement::{CallWithTurns, Settled};

/// When the call was recorded; times below are seconds after it.
fn at(second: i64) -> UtcTime {
    let start = UtcTime::parse("2025-11-21T10:30:00Z").unwrap();
    start.plus_millis(second * 1_000)
}

/// When the evidence arrives.
const NOW: i64 = 3_600;

fn call(status: CallStatus, reason: Option<&str>) -> CallWithTurns {
    CallWithTurns {
        call: CallRow {
            id: 1,
            call_sid: CallSid::from_text("EL_7_1"),
            conversation_id: Some("conv_7".to_owned()),
            claimed: false,
            status,
            failure_reason: reason.map(FailureReason::parse),
            call_start_time: StoredTime::from(at(0)),
            call_end_time: None,
            summary: None,
            telephony_call_sid: None,
            transcript_revision: 0,
            turns_removed: 0,
            asked_at: None,
            dial_token: None,
        },
        turns: Vec::new(),
    }
}

/// The report of a conversation that lasted a minute, with this status and termination.
fn report(status: &str, termination: &str) -> Report {
    let started = at(0).as_millis() / 1_000;
    let json = format!(
        r#"{{"conversation_id":"conv_7","status":"{status}",
            "metadata":{{"start_time_unix_secs":{started},"call_duration_secs":60,
                         "termination_reason":"{termination}"}},
            "transcript":[{{"role":"agent","message":"Hello","time_in_call_secs":1}}],
            "analysis":{{"transcript_summary":"They spoke."}}}}"#
    );
    Report::parse(&json).unwrap()
}

fn failure() -> InitiationFailure {
    InitiationFailure {
        reason: "busy".to_owned(),
        at: Some(at(5)),
        telephony_call_sid: Some("CA7".to_owned()),
    }
}

/// What a call becomes: status, reason, and the second at which it was over.
type Outcome<'a> = (CallStatus, Option<&'a str>, Option<i64>);

fn assert_outcome(settled: &Settled, (status, reason, second): Outcome<'_>) {
    let ended_at = second.map(|second| StoredTime::from(at(second)));
    assert_eq!(
        (
            settled.status,
            &settled.failure_reason,
            &settled.call_end_time
        ),
        (status, &reason.map(FailureReason::parse), &ended_at)
    );
}

#[test]
fn status_and_reason_on_record_and_the_evidence_decide_the_outcome() {
    use CallStatus::{Completed, Failed, InProgress};
    let (running, done, failed) = (
        report("in-progress", ""),
        report("done", "ended"),
        report("failed", ""),
    );
    let busy = failure();
    let event = Evidence::Failure("conv_7", &busy);
    let (running, done, failed) = (
        Evidence::Report(&running),
        Evidence::Report(&done),
        Evidence::Report(&failed),
    );
    // On record, evidence, outcome.
    let table = [
        ((InProgress, None), running, (InProgress, None, None)),
        ((InProgress, None), done, (Completed, None, Some(60))),
        (
            (InProgress, None),
            failed,
            (Failed, Some("unknown"), Some(60)),
        ),
        ((InProgress, None), event, (Failed, Some("busy"), Some(5))),
        // A supposition gives way to any evidence.
        (
            (Failed, Some("outcome_unknown")),
            running,
            (InProgress, None, None),
        ),
        (
            (Failed, Some("never_started")),
            done,
            (Completed, None, Some(60)),
        ),
        (
            (Failed, Some("no_outcome")),
            failed,
            (Failed, Some("unknown"), Some(60)),
        ),
        (
            (Failed, Some("no_outcome")),
            event,
            (Failed, Some("busy"), Some(5)),
        ),
        // What ElevenLabs said itself stays until it says more.
        (
            (Failed, Some("busy")),
            running,
            (Failed, Some("busy"), None),
        ),
        (
            (Failed, Some("busy")),
            failed,
            (Failed, Some("busy"), Some(60)),
        ),
        ((Failed, Some("busy")), done, (Completed, None, Some(60))),
        (
            (Failed, Some("no-answer")),
            event,
            (Failed, Some("busy"), Some(5)),
        ),
        ((Completed, None), running, (Completed, None, None)),
        ((Completed, None), event, (Completed, None, None)),
    ];
    for ((status, reason), evidence, outcome) in table {
        let before = call(status, reason);
        assert_outcome(&judge(&before, evidence, at(NOW)), outcome);
    }
}

#[test]
fn a_failure_event_changes_no_call_whose_transcript_is_stored() {
    let mut before = call(CallStatus::Failed, Some("no-answer"));
    before.call.transcript_revision = 1;
    let busy = failure();
    let settled = judge(&before, Evidence::Failure("conv_7", &busy), at(NOW));
    assert_eq!(settled, before.call.unchanged("conv_7"));
}

#[test]
fn times_and_ids_that_elevenlabs_leaves_out_come_from_elsewhere() {
    let before = call(CallStatus::InProgress, None);
    let untimed = InitiationFailure {
        at: None,
        ..failure()
    };
    let settled = judge(&before, Evidence::Failure("conv_7", &untimed), at(NOW));
    assert_outcome(&settled, (CallStatus::Failed, Some("busy"), Some(NOW)));
    assert_eq!(settled.telephony_call_sid.as_deref(), Some("CA7"));

    let untimed = Report {
        ended_at: None,
        ..report("done", "ended")
    };
    let mut before = before;
    before.call.telephony_call_sid = Some("CA1".to_owned());
    let settled = judge(&before, Evidence::Report(&untimed), at(NOW));
    assert_outcome(&settled, (CallStatus::Completed, None, Some(NOW)));
    assert_eq!(settled.telephony_call_sid.as_deref(), Some("CA1"));
    before.call.call_end_time = Some(at(7).into());
    let settled = judge(&before, Evidence::Report(&untimed), at(NOW));
    assert_outcome(&settled, (CallStatus::Completed, None, Some(7)));
}

#[test]
fn texts_that_retention_cleared_do_not_come_back() {
    let done = report("done", "ended");
    let mut before = call(CallStatus::Completed, None);
    let settled = judge(&before, Evidence::Report(&done), at(NOW));
    assert_eq!(settled.summary.as_deref(), Some("They spoke."));
    assert_eq!(
        settled.arrangement.map(|changes| changes.inserted.len()),
        Some(1)
    );
    before.turns.push(StoredTurn {
        id: 1,
        sequence_number: 1,
        speaker: Speaker::Agent,
        message: String::new(),
        original_text: None,
        timestamp: StoredTime::from(at(1)),
        origin: Origin::Posted,
    });
    let settled = judge(&before, Evidence::Report(&done), at(NOW));
    assert_eq!((settled.summary, settled.arrangement), (None, None));
}

#[test]
fn the_same_evidence_a_second_time_leaves_nothing_to_write() {
    let running = report("in-progress", "");
    let before = call(CallStatus::InProgress, None);
    let settled = judge(&before, Evidence::Report(&running), at(NOW));
    assert!(is_settled_so(&before, &settled));
    let mut unlinked = before;
    unlinked.call.conversation_id = None;
    assert!(!is_settled_so(&unlinked, &settled));

    // A transcript without changes is still to be marked as stored.
    let done = Report {
        transcript: Some(Vec::new()),
        ..report("done", "ended")
    };
    let mut before = call(CallStatus::Completed, None);
    before.call.call_end_time = Some(at(60).into());
    before.call.summary = Some("They spoke.".to_owned());
    let settled = judge(&before, Evidence::Report(&done), at(NOW));
    assert!(!is_settled_so(&before, &settled));
    before.call.transcript_revision = 1;
    assert!(is_settled_so(&before, &settled));
}

#[test]
fn evidence_is_for_another_call_if_it_names_that_or_nothing_of_this_one() {
    let named = |call_sid: Option<&str>| Report {
        call_sid: call_sid.map(str::to_owned),
        ..report("done", "ended")
    };
    let own = call(CallStatus::InProgress, None).call;
    let other = CallRow {
        conversation_id: Some("conv_8".to_owned()),
        ..own.clone()
    };
    for (call, call_sid, by) in [
        (&own, None, By::ElevenLabs),
        (&own, Some("EL_7_1"), By::ElevenLabs),
        (&own, Some("EL_8_1"), By::ElevenLabsForAnother),
        (&other, None, By::ElevenLabsForAnother),
        (&other, Some("EL_7_1"), By::ElevenLabs),
        (&other, Some("EL_8_1"), By::ElevenLabsForAnother),
    ] {
        let report = named(call_sid);
        assert_eq!(source(call, Evidence::Report(&report)), by, "{call_sid:?}");
    }
}
