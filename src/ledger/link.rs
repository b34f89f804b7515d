//! Gives a call its conversation, and corrects a claimed one. `model::decide` decides; each function
//! here does one of its steps by a compare-and-swap, and logs a correction.

use crate::model::{By, CallSid, Step, UtcTime, decide, unlinked};
use crate::platform::Runtime;
use crate::platform::log::{Level, Line};
use crate::store::{CallRow, Database, DatabaseError, Store};

/// ElevenLabs' answer to a dial that it accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accepted<'a> {
    pub call_sid: &'a CallSid,
    pub dial_token: &'a str,
    pub conversation_id: &'a str,
    pub telephony_call_sid: Option<&'a str>,
}

/// Writes down the conversation that ElevenLabs' answer to the dial names. Returns what is on record
/// then, and whether events of that conversation wait. If another conversation is on record, the
/// call is in conflict.
///
/// # Errors
/// [`DatabaseError`]; the first statement may have changed the call.
pub(super) async fn link_by_dial<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    dial: Accepted<'_>,
    now: UtcTime,
) -> Result<(CallRow, bool), DatabaseError> {
    let (call_sid, conversation_id) = (dial.call_sid, dial.conversation_id);
    let (mut state, events_wait) = store
        .update_conversation_id(
            call_sid,
            dial.dial_token,
            conversation_id,
            dial.telephony_call_sid,
            now,
        )
        .await?;
    // The statement has linked or confirmed the call if it could. A claim is left to replace: a turn
    // that names another conversation arrived before this answer.
    if let Step::Replace(claimed) = decide(state.link(), conversation_id, By::Dial)
        && replace(store, runtime, call_sid, claimed, conversation_id).await?
    {
        state.conversation_id = Some(conversation_id.to_owned());
        state.claimed = false;
    }
    Ok((state, events_wait))
}

/// Does [`Step::Replace`]. Returns whether the call has the conversation now. The log line is an
/// error, because the sender of a turn has invented a conversation.
///
/// # Errors
/// [`DatabaseError`]; then nothing changed, or everything did and the answer was lost.
pub(super) async fn replace<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    call_sid: &CallSid,
    claimed: &str,
    conversation_id: &str,
) -> Result<bool, DatabaseError> {
    let now = runtime.now();
    let replaced = store
        .relink(call_sid, claimed, conversation_id, now)
        .await?;
    if replaced {
        log_correction(runtime, call_sid, conversation_id, "conversation_claimed");
    }
    Ok(replaced)
}

/// Does [`Step::Disown`]. The turns stay with the call under a stand-in for its conversation, until
/// ElevenLabs names the right one.
///
/// # Errors
/// [`DatabaseError`]; then nothing changed, or everything did and the answer was lost.
pub(super) async fn disown<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    call_sid: &CallSid,
    claimed: &str,
) -> Result<(), DatabaseError> {
    let random = runtime
        .random()
        .map_err(|error| DatabaseError::new(error.to_string()))?;
    let stand_in = unlinked(random);
    let now = runtime.now();
    if store.disown(call_sid, claimed, &stand_in, now).await? {
        log_correction(runtime, call_sid, claimed, "claim_refuted");
    }
    Ok(())
}

fn log_correction(
    runtime: &impl Runtime,
    call_sid: &CallSid,
    conversation_id: &str,
    code: &'static str,
) {
    runtime.log(&Line {
        level: Level::Error,
        call_sid: Some(call_sid.to_string()),
        conversation_id: Some(conversation_id.to_owned()),
        code: Some(code.to_owned()),
        ..Line::new("call_relinked")
    });
}
