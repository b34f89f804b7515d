//! Settling a call by what ElevenLabs says of its conversation.

use crate::elevenlabs::conversation::Report;
use crate::elevenlabs::event::{Content, Event, InitiationFailure};
use crate::ledger::transcript::arrange;
use crate::model::{CallSid, CallStatus, StoredTime, UtcTime, reason};
use crate::platform::Runtime;
use crate::platform::log::{Level, Line};
use crate::store::settlement::{Case, NewEvent, Settled};
use crate::store::{Database, DatabaseError, Store};

/// How often a call is judged anew because it changed meanwhile.
const MAX_ROUNDS: usize = 5;

/// What ElevenLabs says, by event or because it was asked.
#[derive(Debug, Clone, Copy)]
pub enum Evidence<'a> {
    /// Its whole word about the conversation.
    Report(&'a Report),
    /// The phone call of this conversation did not come about.
    Failure(&'a str, &'a InitiationFailure),
}

/// What became of a piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(rename_all = "snake_case")
)]
pub enum Applied {
    /// The call is now what it says.
    Applied,
    /// It had been applied before.
    AlreadyApplied,
    /// Its call is not on record yet; it waits.
    Kept,
    /// It says nothing that the ledger keeps.
    Ignored,
}

impl Applied {
    /// The word in the API's answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::AlreadyApplied => "already_applied",
            Self::Kept => "kept",
            Self::Ignored => "ignored",
        }
    }
}

impl Evidence<'_> {
    const fn conversation_id(&self) -> &str {
        match self {
            Self::Report(report) => report.conversation_id.as_str(),
            Self::Failure(conversation_id, _) => conversation_id,
        }
    }

    fn call_sid(&self) -> Option<&str> {
        match self {
            Self::Report(report) => report.call_sid.as_deref(),
            Self::Failure(..) => None,
        }
    }
}

/// What an event says, as evidence; `None` for a type the ledger does not apply.
#[must_use]
pub fn evidence(event: &Event) -> Option<Evidence<'_>> {
    match &event.content {
        Content::Report(report) => Some(Evidence::Report(report)),
        Content::Failure(failure) => Some(Evidence::Failure(&event.conversation_id, failure)),
        Content::Other => None,
    }
}

/// Takes in an event: keeps it, and applies it when its call is on record.
///
/// 1. The event is kept in its own table, under its type, conversation and time, so that a
///    repeat is known as one. From here on it is never lost.
/// 2. When its call is on record the call is settled and the event marked as applied, in one
///    transaction. When that does not succeed the event waits for the reconciler.
///
/// # Errors
/// [`DatabaseError`] when the event could not be kept.
pub async fn receive_event<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    event: &Event,
    payload: &str,
) -> Result<Applied, DatabaseError> {
    let evidence = evidence(event);
    let new = NewEvent {
        kind: &event.kind,
        conversation_id: &event.conversation_id,
        timestamp: event.timestamp,
        // What is ignored is not kept: it may be audio.
        payload: evidence.is_some().then_some(payload),
        outcome: if evidence.is_some() {
            "kept"
        } else {
            "ignored"
        },
    };
    let call_sid = evidence.as_ref().and_then(Evidence::call_sid);
    let (kept, case) = store.keep_event(new, call_sid, runtime.now()).await?;
    let Some(evidence) = evidence else {
        return Ok(Applied::Ignored);
    };
    match kept.outcome.as_str() {
        "kept" => {}
        "applied" => return Ok(Applied::AlreadyApplied),
        _ => return Ok(Applied::Ignored),
    }
    match settle(store, runtime, case, evidence, Some(kept.id)).await {
        Ok(applied) => Ok(applied),
        Err(error) => {
            runtime.log(&Line {
                level: Level::Error,
                conversation_id: Some(event.conversation_id.clone()),
                code: Some("event_waits".to_owned()),
                ..error.log(Line::new("event_not_applied"))
            });
            Ok(Applied::Kept)
        }
    }
}

/// Settles the call that the evidence is about. `case` is what was read of it; it is read again
/// when it changed meanwhile.
///
/// # Errors
/// [`DatabaseError`]; then nothing changed, or everything did and the answer was lost.
pub async fn settle<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    case: Option<Case>,
    evidence: Evidence<'_>,
    event_id: Option<i64>,
) -> Result<Applied, DatabaseError> {
    let conversation_id = evidence.conversation_id();
    let mut case = case;
    for _ in 0..MAX_ROUNDS {
        let Some(current) = &case else {
            return Ok(Applied::Kept);
        };
        let other = current.call.conversation_id.as_deref();
        let other = other.filter(|other| *other != conversation_id);
        let call = &current.call;
        let named = evidence.call_sid() == Some(call.call_sid.as_str());
        if let Some(claimed) = other.filter(|_| call.claimed && named) {
            // Somebody claimed another one, and ElevenLabs names this call.
            relink(store, runtime, &call.call_sid, claimed, conversation_id).await?;
        } else if other.is_some() {
            // Two conversations for one call: the one on record stands.
            runtime.log(&Line {
                level: Level::Error,
                call_sid: Some(call.call_sid.to_string()),
                conversation_id: Some(conversation_id.to_owned()),
                code: Some("conversation_conflict".to_owned()),
                ..Line::new("event_not_applied")
            });
            if let Some(event_id) = event_id {
                store
                    .finish_event(event_id, "ignored", runtime.now())
                    .await?;
            }
            return Ok(Applied::Ignored);
        } else {
            let now = runtime.now();
            let settled = judge(current, evidence, now);
            if is_settled_so(current, &settled) && event_id.is_none() {
                return Ok(Applied::AlreadyApplied);
            }
            if store.settle(current, &settled, event_id, now).await? {
                log_settled(runtime, current, &settled);
                return Ok(Applied::Applied);
            }
            // It changed since it was read, or this is a repeat after a lost answer.
            if let Some(event_id) = event_id
                && store.event_outcome(event_id).await?.as_deref() != Some("kept")
            {
                return Ok(Applied::AlreadyApplied);
            }
        }
        case = store
            .get_by_conversation_id(conversation_id, evidence.call_sid())
            .await?;
    }
    Err(DatabaseError::new(
        "the call changed on every try to settle it",
    ))
}

/// Puts the conversation that ElevenLabs named in the place of one that was only claimed. Says
/// whether it did, and tells whoever runs the service: somebody has invented a conversation.
///
/// # Errors
/// [`DatabaseError`]; then nothing changed, or everything did and the answer was lost.
pub async fn relink<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    call_sid: &CallSid,
    claimed: &str,
    conversation_id: &str,
) -> Result<bool, DatabaseError> {
    let now = runtime.now();
    let relinked = store
        .relink(call_sid, claimed, conversation_id, now)
        .await?;
    if relinked {
        runtime.log(&Line {
            level: Level::Error,
            call_sid: Some(call_sid.to_string()),
            conversation_id: Some(conversation_id.to_owned()),
            code: Some("conversation_claimed".to_owned()),
            ..Line::new("call_relinked")
        });
    }
    Ok(relinked)
}

/// What the call becomes by this evidence.
fn judge(case: &Case, evidence: Evidence<'_>, now: UtcTime) -> Settled {
    let call = &case.call;
    let unchanged = call.unchanged(evidence.conversation_id());
    match evidence {
        // The report of a conversation that took place says more than a failure to begin it.
        Evidence::Failure(..) if call.transcript_revision > 0 => unchanged,
        Evidence::Failure(..) if call.status == CallStatus::Completed => unchanged,
        Evidence::Failure(_, failure) => Settled {
            status: CallStatus::Failed,
            failure_reason: Some(failure.reason.clone()),
            call_end_time: Some(failure.at.unwrap_or(now).into()),
            telephony_call_sid: unchanged
                .telephony_call_sid
                .clone()
                .or_else(|| failure.telephony_call_sid.clone()),
            ..unchanged
        },
        Evidence::Report(report) if report.is_final() => judge_report(case, report, unchanged, now),
        // The conversation runs: whatever the ledger supposed of the call, the phone did ring.
        Evidence::Report(report) => Settled {
            telephony_call_sid: unchanged
                .telephony_call_sid
                .clone()
                .or_else(|| report.telephony_call_sid.clone()),
            ..if call.status == CallStatus::Failed && is_supposed(call.failure_reason.as_deref()) {
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

fn judge_report(case: &Case, report: &Report, unchanged: Settled, now: UtcTime) -> Settled {
    let call = &case.call;
    let recorded_at = call.call_start_time.time();
    let started_at = report.started_at.or(recorded_at).unwrap_or(now);
    let (status, failure_reason) = match &report.failure_reason {
        None => (CallStatus::Completed, None),
        // ElevenLabs' event said more.
        Some(reason) if reason == "unknown" && !is_supposed(call.failure_reason.as_deref()) => {
            let known = call.failure_reason.clone();
            (
                CallStatus::Failed,
                Some(known.unwrap_or_else(|| reason.clone())),
            )
        }
        Some(reason) => (CallStatus::Failed, Some(reason.clone())),
    };
    // Texts that were cleared because of their age stay so.
    let cleared = case.turns.iter().any(|turn| turn.message.is_empty());
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
        arrangement: transcript.map(|reported| arrange(&case.turns, reported, started_at)),
        ..unchanged
    }
}

/// Whether a reason is only what the ledger supposed, for lack of ElevenLabs' word.
fn is_supposed(failure_reason: Option<&str>) -> bool {
    matches!(
        failure_reason,
        Some(reason::OUTCOME_UNKNOWN | reason::NEVER_STARTED | reason::NO_OUTCOME)
    )
}

/// Whether there is nothing to write.
fn is_settled_so(case: &Case, settled: &Settled) -> bool {
    let call = &case.call;
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

fn log_settled(runtime: &impl Runtime, case: &Case, settled: &Settled) {
    let changed = settled.arrangement.as_ref();
    let inserted = changed.map_or(0, |arrangement| arrangement.inserted.len());
    runtime.log(&Line {
        call_sid: Some(case.call.call_sid.to_string()),
        conversation_id: Some(settled.conversation_id.clone()),
        code: Some(settled.status.as_str().to_owned()),
        count: u64::try_from(inserted).ok(),
        ..Line::new("call_settled")
    });
}

/// How many waiting events a request applies when it links their call.
pub const WAITING_PER_REQUEST: i64 = 5;

/// Applies so many of the events that wait for this conversation, now that its call is on record. What does
/// not succeed is left to the reconciler.
pub async fn apply_waiting<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    conversation_id: &str,
    limit: i64,
) {
    let waiting = store.waiting_events(conversation_id, limit).await;
    for (id, payload) in waiting.unwrap_or_default() {
        // Without its payload only ElevenLabs can tell; that is the reconciler's part.
        let Some(event) = payload.and_then(|payload| Event::parse(&payload).ok()) else {
            continue;
        };
        let Some(evidence) = evidence(&event) else {
            continue;
        };
        let case = store.get_by_conversation_id(conversation_id, evidence.call_sid());
        let applied = match case.await {
            Ok(case) => settle(store, runtime, case, evidence, Some(id)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = applied {
            runtime.log(&Line {
                level: Level::Error,
                conversation_id: Some(conversation_id.to_owned()),
                code: Some("event_waits".to_owned()),
                ..error.log(Line::new("event_not_applied"))
            });
        }
    }
}
