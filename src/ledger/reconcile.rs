//! The reconciler: every 5 minutes it settles what no event has settled, and clears old texts.

use super::budget::Budget;
pub use super::budget::Piece;
use super::pieces::{LOOKUP_TIMEOUT, Stop, Work};
use crate::elevenlabs::Transport;
use crate::platform::config::{self, Settings};
use crate::platform::log::{Level, Line};
use crate::platform::never::never;
use crate::platform::plan::Cost;
use crate::platform::{Runtime, Traced};
use crate::store::{Database, Store};

/// Maximum duration of a run, in milliseconds. Cloudflare stops a run after 15 minutes.
const RUN_LASTS: i64 = 14 * 60 * 1_000;

/// One run. There are three queues of work:
///
/// 1. Events that wait for their call. A piece retries the events of one conversation.
/// 2. Calls that are unsettled for longer than configured. A piece asks ElevenLabs about one call. A
///    rate limit, a refusal or a failure closes this queue until the next run.
/// 3. Texts older than `RETENTION_DAYS`. A piece clears one page.
///
/// **Invariant:** no queue takes another queue's share of what the plan allows. Before any work the
/// run reserves the worst case of one piece for each queue. After that the queues take turns, while
/// the worst case of the next piece fits into the rest.
///
/// Every piece first goes to the end of its queue, so that one that always fails does not block the
/// others. A run never fails: a later run retries. It logs one line, and the run's id is on every line
/// that it causes, because the runtime is [`Traced`].
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

/// One kind of work in a run.
struct Queue {
    piece: Piece,
    /// The reservation for its next piece, if it has one yet.
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
                // The database has failed after its retries. More work would fail, too.
                work.fault = Some(fault);
                return;
            }
        }
    }
}

/// Does the next piece of a queue if its worst case fits into what is left.
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
    let spent = work.spent().since(before);
    never!(
        work.runtime,
        spent.statements > budget.statements(reserved),
        "a piece of work sent more statements than it was allowed"
    );
    budget.settle(reserved, spent);
    queue.open = match more {
        Ok(more) => more,
        // The piece needs more than its worst case, for example for a transcript of megabytes, and
        // that is not left. A later run has more.
        Err(Stop::Store(error)) if error.is_not_allowed() => false,
        Err(Stop::Store(error)) => return Err(Stop::Store(error)),
        Err(stop) => {
            work.fault.get_or_insert(stop);
            false
        }
    };
    Ok(())
}
