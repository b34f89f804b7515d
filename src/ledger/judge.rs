//! What a call becomes when ElevenLabs reports on it. Pure decisions; [`super::settle`] writes them.

use crate::elevenlabs::conversation::Report;
use crate::elevenlabs::event::{Content, Event, InitiationFailure};
use crate::ledger::transcript::arrange;
use crate::model::{By, CallStatus, FailureReason, StoredTime, UtcTime};
use crate::store::CallRow;
use crate::store::settlement::{CallWithTurns, Settled};

/// What ElevenLabs reports, in an event or in the answer to a lookup.
#[derive(Debug, Clone, Copy)]
pub enum Evidence<'a> {
    /// A report on a conversation that took place or still runs.
    Report(&'a Report),
    /// The phone call of this conversation failed to start.
    Failure(&'a str, &'a InitiationFailure),
}

impl Evidence<'_> {
    /// ElevenLabs always names a conversation.
    pub const fn conversation_id(&self) -> &str {
        match self {
            Self::Report(report) => report.conversation_id.as_str(),
            Self::Failure(conversation_id, _) => conversation_id,
        }
    }

    /// The `call_sid` that placing the call sent, if ElevenLabs repeats it.
    pub fn call_sid(&self) -> Option<&str> {
        match self {
            Self::Report(report) => report.call_sid.as_deref(),
            Self::Failure(..) => None,
        }
    }
}

/// The evidence in an event. `None` for a type that the ledger does not apply.
#[must_use]
pub fn evidence(event: &Event) -> Option<Evidence<'_>> {
    match &event.content {
        Content::Report(report) => Some(Evidence::Report(report)),
        Content::Failure(failure) => Some(Evidence::Failure(&event.conversation_id, failure)),
        Content::Other => None,
    }
}

/// Whether ElevenLabs names the conversation for this call or for another.
pub fn source(call: &CallRow, evidence: Evidence<'_>) -> By {
    let is_own = match evidence.call_sid() {
        Some(named) => named == call.call_sid.as_str(),
        // Evidence without a `call_sid` is about the call that has its conversation.
        None => call.conversation_id.as_deref() == Some(evidence.conversation_id()),
    };
    if is_own {
        By::ElevenLabs
    } else {
        By::ElevenLabsForAnother
    }
}

/// Decides what the call becomes by this evidence.
pub fn judge(before: &CallWithTurns, evidence: Evidence<'_>, now: UtcTime) -> Settled {
    let call = &before.call;
    let unchanged = call.unchanged(evidence.conversation_id());
    match evidence {
        // The conversation took place, so a failure to start it is outdated.
        Evidence::Failure(..) if call.transcript_revision > 0 => unchanged,
        Evidence::Failure(..) if call.status == CallStatus::Completed => unchanged,
        Evidence::Failure(_, failure) => Settled {
            status: CallStatus::Failed,
            failure_reason: Some(FailureReason::reported(&failure.reason)),
            call_end_time: Some(failure.at.unwrap_or(now).into()),
            telephony_call_sid: unchanged
                .telephony_call_sid
                .clone()
                .or_else(|| failure.telephony_call_sid.clone()),
            ..unchanged
        },
        Evidence::Report(report) if report.is_final() => {
            judge_report(before, report, unchanged, now)
        }
        // The conversation runs, so the phone rang. A failure that the ledger only supposed is undone.
        Evidence::Report(report) => Settled {
            telephony_call_sid: unchanged
                .telephony_call_sid
                .clone()
                .or_else(|| report.telephony_call_sid.clone()),
            ..if call.status == CallStatus::Failed && is_supposed(call) {
                Settled {
                    status: CallStatus::InProgress,
                    failure_reason: None,
                    call_end_time: None,
                    ..unchanged
                }
            } else {
                unchanged
            }
        },
    }
}

fn judge_report(
    before: &CallWithTurns,
    report: &Report,
    unchanged: Settled,
    now: UtcTime,
) -> Settled {
    let call = &before.call;
    let recorded_at = call.call_start_time.time();
    let started_at = report.started_at.or(recorded_at).unwrap_or(now);
    let (status, failure_reason) = match &report.failure_reason {
        None => (CallStatus::Completed, None),
        Some(reason) => {
            let reported = FailureReason::reported(reason);
            // An earlier event of ElevenLabs' named a reason. "unknown" does not replace it.
            let known = call.failure_reason.clone();
            let keeps_known = reason == "unknown" && !is_supposed(call);
            let reason = known.filter(|_| keeps_known).unwrap_or(reported);
            (CallStatus::Failed, Some(reason))
        }
    };
    // Retention has cleared the texts. The report must not bring them back.
    let cleared = before.turns.iter().any(|turn| turn.message.is_empty());
    let transcript = report.transcript.as_ref().filter(|_| !cleared);
    Settled {
        status,
        failure_reason,
        call_end_time: report
            .ended_at
            .map(StoredTime::from)
            .or(unchanged.call_end_time)
            .or_else(|| Some(now.into())),
        summary: report
            .summary
            .clone()
            .filter(|_| !cleared)
            .or(unchanged.summary),
        telephony_call_sid: unchanged
            .telephony_call_sid
            .or_else(|| report.telephony_call_sid.clone()),
        arrangement: transcript.map(|reported| arrange(&before.turns, reported, started_at)),
        ..unchanged
    }
}

fn is_supposed(call: &CallRow) -> bool {
    let reason = call.failure_reason.as_ref();
    reason.is_some_and(FailureReason::is_supposed)
}

/// Whether the call is already settled like this, so that there is nothing to write.
pub fn is_settled_so(before: &CallWithTurns, settled: &Settled) -> bool {
    let call = &before.call;
    let known_transcript = match &settled.arrangement {
        None => true,
        Some(arrangement) => arrangement.is_empty() && call.transcript_revision > 0,
    };
    known_transcript
        && call.conversation_id.as_deref() == Some(settled.conversation_id.as_str())
        && call.status == settled.status
        && call.failure_reason == settled.failure_reason
        && call.call_end_time == settled.call_end_time
        && call.summary == settled.summary
        && call.telephony_call_sid == settled.telephony_call_sid
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
