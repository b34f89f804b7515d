//! What the reconciler does with an unsettled call after it asked ElevenLabs. A pure decision.

use core::time::Duration;

use crate::elevenlabs::conversation::Report;
use crate::elevenlabs::lookup::Lookup;
use crate::model::{CallStatus, FailureReason, UtcTime};
use crate::store::CallRow;

/// If ElevenLabs answers but reports no outcome for a day, we give the call up.
const NO_OUTCOME_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// If ElevenLabs does not answer for a week, we give the call up.
const NO_ANSWER_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What to do with the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Apply the report: it settles the call, or links it.
    Apply,
    /// Change nothing. A later run asks again.
    Wait,
    /// Fail the call for this reason, because there is no evidence.
    GiveUp(FailureReason),
}

/// Decides what to do with the call by ElevenLabs' answer and the time since it was recorded.
#[must_use]
pub fn verdict(call: &CallRow, lookup: &Lookup<Report>, now: UtcTime) -> Verdict {
    let after = |patience: Duration, otherwise: Verdict| {
        if has_waited(call, patience, now) {
            Verdict::GiveUp(FailureReason::NoOutcome)
        } else {
            otherwise
        }
    };
    match lookup {
        Lookup::Found(report) if report.is_final() => Verdict::Apply,
        Lookup::Found(report) => {
            let as_on_record = call.status == CallStatus::InProgress
                && call.conversation_id.as_ref() == Some(&report.conversation_id);
            let otherwise = if as_on_record {
                Verdict::Wait
            } else {
                Verdict::Apply
            };
            after(NO_OUTCOME_AFTER, otherwise)
        }
        // ElevenLabs has no conversation with this `call_sid`, so no phone rang.
        Lookup::NotFound if call.conversation_id.is_none() => {
            Verdict::GiveUp(FailureReason::NeverStarted)
        }
        // There was a conversation, or one may be there: a phone may have rung.
        Lookup::NotFound | Lookup::Unconfirmed => after(NO_OUTCOME_AFTER, Verdict::Wait),
        Lookup::Failed(_) => after(NO_ANSWER_AFTER, Verdict::Wait),
    }
}

/// Decides when the conversation that ElevenLabs found is on record as another call's.
#[must_use]
pub fn verdict_without_conversation(call: &CallRow, now: UtcTime) -> Verdict {
    if has_waited(call, NO_OUTCOME_AFTER, now) {
        Verdict::GiveUp(FailureReason::NoOutcome)
    } else {
        Verdict::Wait
    }
}

fn has_waited(call: &CallRow, patience: Duration, now: UtcTime) -> bool {
    let recorded_at = call.call_start_time.time().unwrap_or(UtcTime::EPOCH);
    recorded_at < now.minus(patience)
}

#[cfg(test)]
mod tests {
    use super::{CallRow, Lookup, Report, UtcTime, Verdict, verdict, verdict_without_conversation};
    use crate::elevenlabs::lookup::LookupFailure;
    use crate::model::{CallSid, CallStatus, FailureReason, StoredTime};

    const HOUR: i64 = 60 * 60 * 1_000;

    fn call(status: CallStatus, conversation_id: Option<&str>) -> CallRow {
        CallRow {
            id: 1,
            call_sid: CallSid::from_text("EL_7".to_owned()),
            conversation_id: conversation_id.map(str::to_owned),
            claimed: false,
            status,
            failure_reason: None,
            call_start_time: StoredTime::from(UtcTime::EPOCH),
            call_end_time: None,
            asked_at: None,
            summary: None,
            telephony_call_sid: None,
            transcript_revision: 0,
            turns_removed: 0,
            dial_token: None,
        }
    }

    fn found(conversation_id: &str, status: &str) -> Lookup<Report> {
        let json = format!(r#"{{"conversation_id":"{conversation_id}","status":"{status}"}}"#);
        Lookup::Found(Report::parse(&json).unwrap())
    }

    #[test]
    fn the_verdict_follows_from_the_answer_the_link_and_the_time() {
        use CallStatus::{Failed, InProgress};
        use Verdict::{Apply, GiveUp, Wait};
        const APPLY: Verdict = Apply;
        const NEVER: Verdict = GiveUp(FailureReason::NeverStarted);
        const NONE: Verdict = GiveUp(FailureReason::NoOutcome);
        let failed = || {
            Lookup::Failed(LookupFailure {
                code: "unavailable",
                status: None,
            })
        };
        // Status, conversation on record, answer; the verdicts within a day, within a week, and later.
        let table = [
            (InProgress, Some("c"), found("c", "done"), [APPLY; 3]),
            (InProgress, None, found("c", "failed"), [APPLY; 3]),
            (Failed, Some("c"), found("c", "done"), [APPLY; 3]),
            (
                InProgress,
                Some("c"),
                found("c", "initiated"),
                [Wait, NONE, NONE],
            ),
            (
                InProgress,
                None,
                found("c", "in-progress"),
                [Apply, NONE, NONE],
            ),
            (
                InProgress,
                Some("x"),
                found("c", "processing"),
                [Apply, NONE, NONE],
            ),
            (
                Failed,
                Some("c"),
                found("c", "in-progress"),
                [Apply, NONE, NONE],
            ),
            (InProgress, None, Lookup::NotFound, [NEVER; 3]),
            (Failed, None, Lookup::NotFound, [NEVER; 3]),
            (InProgress, Some("c"), Lookup::NotFound, [Wait, NONE, NONE]),
            (Failed, Some("c"), Lookup::NotFound, [Wait, NONE, NONE]),
            (InProgress, None, Lookup::Unconfirmed, [Wait, NONE, NONE]),
            (Failed, None, Lookup::Unconfirmed, [Wait, NONE, NONE]),
            (InProgress, Some("c"), failed(), [Wait, Wait, NONE]),
            (InProgress, None, failed(), [Wait, Wait, NONE]),
        ];
        for (status, conversation_id, lookup, expected) in table {
            let call = call(status, conversation_id);
            // A limit is passed one millisecond after its time.
            for (hours, millis, expected) in [
                (0, 0, &expected[0]),
                (24, 0, &expected[0]),
                (24, 1, &expected[1]),
                (7 * 24, 0, &expected[1]),
                (7 * 24, 1, &expected[2]),
            ] {
                let now = UtcTime::EPOCH.plus_millis(hours * HOUR + millis);
                assert_eq!(
                    &verdict(&call, &lookup, now),
                    expected,
                    "{call:?} {lookup:?} {hours}"
                );
            }
        }
    }

    #[test]
    fn a_call_whose_conversation_is_another_calls_is_given_up_after_a_day() {
        let call = call(CallStatus::InProgress, None);
        let none = Verdict::GiveUp(FailureReason::NoOutcome);
        for (millis, expected) in [(0, Verdict::Wait), (1, none)] {
            let now = UtcTime::EPOCH.plus_millis(24 * HOUR + millis);
            assert_eq!(verdict_without_conversation(&call, now), expected);
        }
    }
}
