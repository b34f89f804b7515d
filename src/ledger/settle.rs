//! Settles a call: writes the outcome, and the transcript, that ElevenLabs reports.

use super::judge::{Evidence, evidence, is_settled_so, judge, source};
use super::link::{disown, replace};
use crate::elevenlabs::event::Event;
use crate::model::{CallStatus, EventOutcome, Step, decide};
use crate::platform::Runtime;
use crate::platform::log::{Level, Line};
use crate::store::events::NewEvent;
use crate::store::settlement::{CallWithTurns, Settled};
use crate::store::{Database, DatabaseError, Store};

/// Maximum attempts. We retry when another request changed the call after we read it.
const MAX_ROUNDS: usize = 5;

/// The result of applying an event or an answer of ElevenLabs' to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Applied {
    /// The call was changed by it.
    Applied,
    /// It was applied before. Nothing changed.
    AlreadyApplied,
    /// Its call is not on record yet, or could not be changed now. The event waits.
    Kept,
    /// The ledger does not store this kind of event, or it is about another call.
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

/// Stores an event, and applies it if its call is on record.
///
/// 1. Store the event under its type, conversation and time, which identify a repeat. After that it
///    is not lost. If the event is another agent's (`ours` is false) and no call on record has its
///    conversation or `call_sid`, store nothing.
/// 2. If it is a repeat that was finished before, answer that.
/// 3. Settle the call and mark the event as applied, in one transaction. If the call is not on
///    record or the database fails, the event waits for the reconciler.
///
/// # Errors
/// [`DatabaseError`] if the event could not be stored.
pub async fn receive_event<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    event: &Event,
    payload: &str,
    ours: bool,
) -> Result<Applied, DatabaseError> {
    let evidence = evidence(event);
    let new = NewEvent {
        kind: &event.kind,
        conversation_id: &event.conversation_id,
        timestamp: event.timestamp,
        // The payload of an ignored event is not stored: it may be megabytes of audio.
        payload: evidence.is_some().then_some(payload),
        outcome: if evidence.is_some() {
            EventOutcome::Kept
        } else {
            EventOutcome::Ignored
        },
        ours,
    };
    // 1.
    let call_sid = evidence.as_ref().and_then(Evidence::call_sid);
    let (kept, found) = store.keep_event(new, call_sid, runtime.now()).await?;
    let (Some(evidence), Some(kept)) = (evidence, kept) else {
        return Ok(Applied::Ignored);
    };
    // 2.
    match kept.outcome {
        EventOutcome::Kept => {}
        EventOutcome::Applied => return Ok(Applied::AlreadyApplied),
        EventOutcome::Ignored | EventOutcome::Expired => return Ok(Applied::Ignored),
    }
    // 3.
    match settle(store, runtime, found, evidence, Some(kept.id)).await {
        Ok(applied) => Ok(applied),
        // The event is stored, so the sender need not retry.
        Err(error) => {
            log_event_waits(runtime, Some(&event.conversation_id), &error);
            Ok(Applied::Kept)
        }
    }
}

/// Settles the call that the evidence is about, and retries while other requests change the call.
/// `found` is the call as it was read; `None` if it is not on record.
///
/// # Errors
/// [`DatabaseError`]. Either nothing changed, or everything did and only the answer was lost.
pub async fn settle<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    found: Option<CallWithTurns>,
    evidence: Evidence<'_>,
    event_id: Option<i64>,
) -> Result<Applied, DatabaseError> {
    let mut found = found;
    for _ in 0..MAX_ROUNDS {
        let step = settle_once(store, runtime, found.as_ref(), evidence, event_id).await?;
        if let Some(applied) = step {
            return Ok(applied);
        }
        // Either another request changed the call, or another delivery has applied the event. A retry
        // after a lost answer looks like the latter: the first try may have committed.
        if let Some(event_id) = event_id
            && store.event_outcome(event_id).await? != Some(EventOutcome::Kept)
        {
            return Ok(Applied::AlreadyApplied);
        }
        // The call changed. Read it again, and decide again.
        found = store
            .get_by_conversation_id(evidence.conversation_id(), evidence.call_sid())
            .await?;
    }
    Err(DatabaseError::new(
        "the call changed on every try to settle it",
    ))
}

/// One attempt to settle, with at most one transaction. Returns `None` if the caller has to read the
/// call again: another request changed it, or this attempt corrected its claimed conversation.
///
/// # Errors
/// [`DatabaseError`]. Either nothing changed, or everything did and only the answer was lost.
pub async fn settle_once<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    found: Option<&CallWithTurns>,
    evidence: Evidence<'_>,
    event_id: Option<i64>,
) -> Result<Option<Applied>, DatabaseError> {
    // No call has this conversation or this `call_sid`. A dial's answer or a turn may still link one.
    let Some(before) = found else {
        return Ok(Some(Applied::Kept));
    };
    let conversation_id = evidence.conversation_id();
    let call = &before.call;
    match decide(call.link(), conversation_id, source(call, evidence)) {
        // The evidence is about this call's conversation.
        Step::Keep | Step::Claim | Step::Confirm => {
            settle_own(store, runtime, before, evidence, event_id).await
        }
        // A turn claimed another conversation for this call. Correct that first. The turns move with
        // it, so the call is read again before it is settled.
        Step::Replace(claimed) => {
            replace(store, runtime, &call.call_sid, claimed, conversation_id).await?;
            Ok(None)
        }
        // A turn claimed another call's conversation for this call. Free it. Reading again finds the
        // call that the evidence names, if it is on record.
        Step::Disown => {
            disown(store, runtime, &call.call_sid, conversation_id).await?;
            Ok(None)
        }
        // The call has a confirmed conversation, and ElevenLabs names a second one. The event is
        // finished, because a retry would find the same.
        Step::Refuse => {
            runtime.log(&Line {
                level: Level::Error,
                call_sid: Some(call.call_sid.to_string()),
                conversation_id: Some(conversation_id.to_owned()),
                code: Some("conversation_conflict".to_owned()),
                ..Line::new("event_not_applied")
            });
            if let Some(event_id) = event_id {
                store
                    .finish_event(event_id, EventOutcome::Ignored, runtime.now())
                    .await?;
            }
            Ok(Some(Applied::Ignored))
        }
    }
}

/// Settles a call by evidence about its own conversation. Returns `None` if another request changed
/// the call since it was read.
async fn settle_own<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    before: &CallWithTurns,
    evidence: Evidence<'_>,
    event_id: Option<i64>,
) -> Result<Option<Applied>, DatabaseError> {
    let now = runtime.now();
    let settled = judge(before, evidence, now);
    // The report of a conversation that still runs does not finish an event. The event waits for the
    // report of its end.
    let over = settled.status != CallStatus::InProgress;
    let waits = event_id.is_some() && !over;
    let event_id = event_id.filter(|_| over);
    // Nothing to write, and no event to mark: this saves the transaction.
    if event_id.is_none() && is_settled_so(before, &settled) {
        return Ok(Some(if waits {
            Applied::Kept
        } else {
            Applied::AlreadyApplied
        }));
    }
    // Compare-and-swap: this writes only if the call and its turns are still as in `before`.
    if !store.settle(before, &settled, event_id, now).await? {
        return Ok(None);
    }
    log_settled(runtime, before, &settled);
    Ok(Some(if waits {
        Applied::Kept
    } else {
        Applied::Applied
    }))
}

fn log_settled(runtime: &impl Runtime, before: &CallWithTurns, settled: &Settled) {
    let changed = settled.arrangement.as_ref();
    let inserted = changed.map_or(0, |arrangement| arrangement.inserted.len());
    runtime.log(&Line {
        call_sid: Some(before.call.call_sid.to_string()),
        conversation_id: Some(settled.conversation_id.clone()),
        code: Some(settled.status.as_str().to_owned()),
        count: u64::try_from(inserted).ok(),
        ..Line::new("call_settled")
    });
}

/// Maximum number of waiting events that a request applies when it links their call.
pub const WAITING_PER_REQUEST: i64 = 5;

/// Applies up to `limit` events that wait for this conversation, after a call was linked to it. The
/// reconciler retries what fails here.
pub async fn apply_waiting<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    conversation_id: &str,
    limit: i64,
) {
    let waiting = store.waiting_events(conversation_id, limit).await;
    for (id, payload) in waiting.unwrap_or_default() {
        // One payload at a time, because each may have 32 MiB. If a payload is gone, the reconciler asks
        // ElevenLabs instead.
        let payload = store.read_payload(id, payload).await.ok().flatten();
        let Some(event) = payload.and_then(|payload| Event::parse(&payload).ok()) else {
            continue;
        };
        let Some(evidence) = evidence(&event) else {
            continue;
        };
        let found = store.get_by_conversation_id(conversation_id, evidence.call_sid());
        let applied = match found.await {
            Ok(found) => settle(store, runtime, found, evidence, Some(id)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = applied {
            log_event_waits(runtime, Some(conversation_id), &error);
        }
    }
}

/// Logs that an event was not applied. It waits for the reconciler.
pub(super) fn log_event_waits(
    runtime: &impl Runtime,
    conversation_id: Option<&str>,
    error: &DatabaseError,
) {
    runtime.log(&Line {
        level: Level::Error,
        conversation_id: conversation_id.map(str::to_owned),
        code: Some("event_waits".to_owned()),
        ..error.log(Line::new("event_not_applied"))
    });
}
