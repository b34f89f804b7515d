//! Settling what no event has settled, and clearing what is too old. Runs every few minutes.

use super::budget::Budget;
pub use super::budget::Piece;
use super::pieces::{LOOKUP_TIMEOUT, Stop, Work};
use crate::elevenlabs::Transport;
use crate::platform::config::{self, Settings};
use crate::platform::log::{Level, Line};
use crate::platform::plan::Cost;
use crate::platform::{Runtime, Traced};
use crate::store::{Database, Store};

/// How long a run works, in milliseconds. Cloudflare ends it after 15 minutes.
const RUN_LASTS: i64 = 14 * 60 * 1_000;

/// One run. Its work stands in three lines, and each line has its own share of what the plan
/// allows: the worst case of one piece is reserved for each line before any work begins. After
/// that the lines take turns, a piece each, for as long as the next piece's worst case fits.
///
/// 1. Events that wait for their call are tried again, a conversation at a time.
/// 2. ElevenLabs is asked about calls that are unsettled for longer than configured. A rate
///    limit, a refusal or a failure ends this line; a later run goes on.
/// 3. Texts older than `RETENTION_DAYS` are cleared.
///
/// Whatever is tried goes to the end of its line first, so that nothing blocks the others.
/// It writes one log line, and never fails: what it cannot do now, a later run does. Every line that
/// it causes carries the run's id, because the runtime is a [`Traced`] one.
pub async fn reconcile<D: Database, R: Runtime, T: Transport>(
    store: &Store<D, Traced<R>>,
    runtime: &Traced<R>,
    transport: T,
    settings: &impl Settings,
) {
    let started = runtime.now();
    let mut work = Work::new(store, runtime, transport, settings);
    match config::plan(settings) {
        Ok(plan) => {
            let budget = Budget::new(plan.limits(), started.plus_millis(RUN_LASTS));
            work_through(&mut work, budget).await;
        }
        Err(missing) => work.fault = Some(missing.into()),
    }
    let mut line = Line {
        duration_ms: Some(runtime.now().as_millis() - started.as_millis()),
        reconciled: Some(work.done),
        ..Line::new("reconcile")
    };
    match work.fault {
        None => {}
        Some(Stop::Store(error)) => {
            line.level = Level::Error;
            line.code = Some("store_unavailable".to_owned());
            line = error.log(line);
        }
        Some(Stop::ElevenLabs(failure)) => {
            line.level = Level::Error;
            line.code = Some(failure.code.to_owned());
            line.status = failure.status;
        }
        Some(Stop::NotConfigured(missing)) => {
            line.level = Level::Error;
            line.code = Some("not_configured".to_owned());
            line.cause = Some(missing.to_string());
        }
    }
    runtime.log(&line.with_usage(store.usage()));
}

/// One line of work in a run.
struct Queue {
    piece: Piece,
    /// What is reserved for its next piece.
    reserved: Option<Cost>,
    open: bool,
}

async fn work_through<D: Database, R: Runtime, T: Transport>(
    work: &mut Work<'_, D, R, T>,
    mut budget: Budget,
) {
    let mut queues = Piece::ALL.map(|piece| {
        let open = work.may_begin(piece);
        let reserved = open.then(|| budget.reserve(piece.worst())).flatten();
        Queue {
            piece,
            reserved,
            open,
        }
    });
    while queues.iter().any(|queue| queue.open) {
        for queue in &mut queues {
            if let Err(fault) = take_turn(work, queue, &mut budget).await {
                // A database that fails has no time for more.
                work.fault = Some(fault);
                return;
            }
        }
    }
}

/// Does the next piece of a line, if its worst case fits into what is left.
///
/// # Errors
/// [`Stop`] when the database failed.
async fn take_turn<D: Database, R: Runtime, T: Transport>(
    work: &mut Work<'_, D, R, T>,
    queue: &mut Queue,
    budget: &mut Budget,
) -> Result<(), Stop> {
    if !queue.open {
        return Ok(());
    }
    let worst = queue.piece.worst();
    let reserved = queue.reserved.take().or_else(|| budget.reserve(worst));
    let Some(reserved) = reserved else {
        queue.open = false;
        return Ok(());
    };
    let before = work.spent();
    work.store.allow(budget.statements(reserved));
    let more = if budget.has_time(worst, LOOKUP_TIMEOUT, work.runtime.now()) {
        match queue.piece {
            Piece::Event => work.try_events().await,
            Piece::Call => work.ask().await,
            Piece::Texts => work.clear().await,
        }
    } else {
        Ok(false)
    };
    budget.settle(reserved, work.spent().since(before));
    queue.open = match more {
        Ok(more) => more,
        // A transcript of megabytes needs more than is left. Its turn comes in a later run.
        Err(Stop::Store(error)) if error.is_not_allowed() => false,
        Err(Stop::Store(error)) => return Err(Stop::Store(error)),
        Err(stop) => {
            work.fault.get_or_insert(stop);
            false
        }
    };
    Ok(())
}
