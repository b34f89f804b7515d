//! Settling a call by what ElevenLabs says of its conversation.

use super::judge::{Evidence, evidence, is_settled_so, judge, source};
use super::link::{disown, replace};
use crate::elevenlabs::event::Event;
use crate::model::{CallStatus, EventOutcome, Step, decide};
use crate::platform::Runtime;
use crate::platform::log::{Level, Line};
use crate::store::events::NewEvent;
use crate::store::settlement::{CallWithTurns, Settled};
use crate::store::{Database, DatabaseError, Store};

/// How often a call is judged anew because it changed meanwhile.
const MAX_ROUNDS: usize = 5;

/// What became of a piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
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

/// Takes in an event: keeps it, and applies it when its call is on record.
///
/// 1. Keep the event in its own table, under its type, conversation and time, so that a repeat is
///    known as one. From here on it is never lost. If it is not `ours` (another agent's) and no
///    call on record has its conversation or `call_sid`, ignore it and keep nothing.
/// 2. If its call is on record, settle the call and mark the event as applied, in one transaction.
///    If that fails, the event waits for the reconciler.
///
/// # Errors
/// [`DatabaseError`] when the event could not be kept.
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
        // What is ignored is not kept: it may be audio.
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
    match settle(store, runtime, found, evidence, Some(kept.id)).await {
        Ok(applied) => Ok(applied),
        Err(error) => {
            log_event_waits(runtime, Some(&event.conversation_id), &error);
            Ok(Applied::Kept)
        }
    }
}

/// Settles the call that the evidence is about. `found` is what was read of it; it is read again
/// when it changed meanwhile.
///
/// # Errors
/// [`DatabaseError`]; then nothing changed, or everything did and the answer was lost.
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
        // It changed since it was read, or this is a repeat after a lost answer.
        if let Some(event_id) = event_id
            && store.event_outcome(event_id).await? != Some(EventOutcome::Kept)
        {
            return Ok(Applied::AlreadyApplied);
        }
        found = store
            .get_by_conversation_id(evidence.conversation_id(), evidence.call_sid())
            .await?;
    }
    Err(DatabaseError::new(
        "the call changed on every try to settle it",
    ))
}

/// One step of settling, in one transaction at most. `None` when it has to be judged anew: another
/// request changed the call since it was read, or this step corrected a claimed conversation.
///
/// # Errors
/// [`DatabaseError`]; then nothing changed, or everything did and the answer was lost.
pub async fn settle_once<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    found: Option<&CallWithTurns>,
    evidence: Evidence<'_>,
    event_id: Option<i64>,
) -> Result<Option<Applied>, DatabaseError> {
    let Some(before) = found else {
        return Ok(Some(Applied::Kept));
    };
    let conversation_id = evidence.conversation_id();
    let call = &before.call;
    match decide(call.link(), conversation_id, source(call, evidence)) {
        Step::Keep | Step::Claim | Step::Confirm => {
            settle_own(store, runtime, before, evidence, event_id).await
        }
        Step::Replace(claimed) => {
            replace(store, runtime, &call.call_sid, claimed, conversation_id).await?;
            Ok(None)
        }
        Step::Disown => {
            disown(store, runtime, &call.call_sid, conversation_id).await?;
            Ok(None)
        }
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

/// Settles a call by evidence about its own conversation. `None` when another request changed the
/// call since it was read.
async fn settle_own<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    before: &CallWithTurns,
    evidence: Evidence<'_>,
    event_id: Option<i64>,
) -> Result<Option<Applied>, DatabaseError> {
    let now = runtime.now();
    let settled = judge(before, evidence, now);
    // The report of a conversation that still runs finishes no event: it waits for the end.
    let over = settled.status != CallStatus::InProgress;
    let waits = event_id.is_some() && !over;
    let event_id = event_id.filter(|_| over);
    if event_id.is_none() && is_settled_so(before, &settled) {
        return Ok(Some(if waits {
            Applied::Kept
        } else {
            Applied::AlreadyApplied
        }));
    }
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
        // Without its payload only ElevenLabs can tell; that is the reconciler's part. One at a time:
        // a payload may have 32 MiB.
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

/// Logs that an event was not applied and waits for the next run of the reconciler.
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
