//! Places calls: records them first, then dials each at most once.

use core::pin::pin;
use core::time::Duration;
use std::collections::VecDeque;

use futures_util::StreamExt;
use futures_util::future::{Either, join, select};
use futures_util::stream::FuturesUnordered;

use super::dialer::Dialer;
pub use super::placed::Placed;
use super::placed::line;
use crate::elevenlabs::{Client, Transport};
use crate::model::{CallSid, CallStatus, Driver, ExactTime, FailureReason, UtcTime, reason};
use crate::platform::config::Placing;
use crate::platform::log::{Level, Line};
use crate::platform::{RandomUnavailable, Runtime};
use crate::store::calls::NewCall;
use crate::store::{CallRow, Database, DatabaseError, Store};

/// Maximum number of open dials of one request. Cloudflare allows a worker 6 open connections.
pub const MAX_OPEN_DIALS: usize = 6;
/// If the runtime does not tell whether the caller is connected, no dial starts later than this after
/// the request arrived. Cloudflare stops a request 30 seconds after its caller disconnected. The other
/// 10 seconds are for storing which calls were not dialled.
pub const DIALS_START_WITHIN: Duration = Duration::from_secs(20);
/// While calls wait for a dial, the request checks the caller's connection at this interval, in
/// milliseconds.
const LOOK_EVERY_MS: u64 = 1_000;

/// Whether the caller still waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The caller is connected. The request may take as long as it needs.
    Connected,
    /// The caller has disconnected. The runtime ends the request within 30 seconds.
    Gone,
    /// The runtime does not tell.
    Unknown,
}

/// What is to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The timestamp in the request. It is a part of every `call_sid`.
    pub requested_at: ExactTime,
    /// Whom to phone; each driver once.
    pub drivers: &'a [Driver],
    /// When the request arrived.
    pub arrived_at: UtcTime,
    /// How long after recording a call the reconciler asks about it. `None` if it never asks.
    pub reconcile_after: Option<Duration>,
}

/// Why nothing was dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceError {
    /// The calls of the request. It is unknown whether they are on record.
    pub call_sids: Vec<CallSid>,
    /// What went wrong.
    pub cause: PlaceErrorCause,
}

/// What went wrong before anything was dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceErrorCause {
    /// The database failed, or its answer was lost.
    NotRecorded(DatabaseError),
    /// There were no random numbers for a dial token.
    NoToken(RandomUnavailable),
}

/// Places a call to each driver. Returns the outcomes in the order of the drivers.
///
/// 1. Record all calls in one transaction. **Invariant:** nothing is dialled before that is committed.
///    If the answer is lost, nothing is dialled at all: rows that were committed nevertheless become
///    `not_dialled`, if the database accepts that.
/// 2. Dial each call that this request recorded, once, at most [`MAX_OPEN_DIALS`] at a time. Calls
///    that were on record before are only reported. A failed dial does not affect the other calls.
/// 3. Start no more dials when the caller has disconnected (see [`Caller`]), or when the reconciler
///    may have given the call up. Calls without a dial become `not_dialled`; open dials go on.
///
/// If the worker dies on the way, no request dials the rows again. The reconciler settles them.
///
/// # Errors
/// [`PlaceError`] if the calls could not be recorded. Then nothing was dialled, and nothing will be.
pub async fn place_calls<D: Database, R: Runtime, T: Transport>(
    store: &Store<D, R>,
    runtime: &R,
    elevenlabs: &Client<T>,
    settings: &Placing,
    order: Order<'_>,
    caller: impl Fn() -> Caller,
) -> Result<Vec<Placed>, PlaceError> {
    let calls: Vec<_> = order
        .drivers
        .iter()
        .map(|driver| NewCall {
            call_sid: CallSid::new(driver.id, order.requested_at),
            driver_id: driver.id,
        })
        .collect();
    let not_placed = |cause| PlaceError {
        call_sids: calls.iter().map(|call| call.call_sid.clone()).collect(),
        cause,
    };
    let dial_token =
        dial_token(runtime).map_err(|error| not_placed(PlaceErrorCause::NoToken(error)))?;
    let placement = Placement {
        dialer: Dialer {
            store,
            runtime,
            elevenlabs,
            settings,
            dial_token: &dial_token,
        },
        order,
        recorded_at: runtime.now(),
        caller,
    };

    // 1. Record.
    let recorded = store
        .create_call_with_call_sid(&calls, &dial_token, placement.recorded_at)
        .await;
    let recorded = match recorded {
        Ok(recorded) => recorded,
        Err(error) => {
            return match placement.release(&calls, &error).await {
                Some(placed) => Ok(placed),
                None => Err(not_placed(PlaceErrorCause::NotRecorded(error))),
            };
        }
    };

    // 2. and 3. Dial.
    let mut placed = placement.dial_all(recorded).await;
    placed.sort_unstable_by_key(|(index, _)| *index);
    Ok(placed.into_iter().map(|(_, placed)| placed).collect())
}

fn dial_token(runtime: &impl Runtime) -> Result<String, RandomUnavailable> {
    Ok(format!("{:032x}", u128::from_be_bytes(runtime.random()?)))
}

/// The state of one request while its calls are placed.
struct Placement<'a, D, R, T, C> {
    dialer: Dialer<'a, D, R, T>,
    order: Order<'a>,
    /// When the calls were recorded. The rows have the same time.
    recorded_at: UtcTime,
    caller: C,
}

/// A call that this request recorded, with its place in the request.
type Own<'a> = (usize, &'a Driver, CallRow);

impl<D: Database, R: Runtime, T: Transport, C: Fn() -> Caller> Placement<'_, D, R, T, C> {
    /// Dials the calls that this request recorded, while dials may start, and reports the others.
    async fn dial_all(&self, recorded: Vec<CallRow>) -> Vec<(usize, Placed)> {
        let runtime = self.dialer.runtime;
        let mut placed = Vec::with_capacity(recorded.len());
        let mut waiting = VecDeque::new();
        for (index, (driver, state)) in self.order.drivers.iter().zip(recorded).enumerate() {
            if state.is_recorded_by(self.dialer.dial_token) {
                runtime.log(&Line {
                    phone_last_four: Some(driver.phone_number.last_four().to_owned()),
                    ..line("call_recorded", driver.id.get(), &state)
                });
                waiting.push_back((index, driver, state));
            } else {
                placed.push((index, on_record(driver, state)));
            }
        }

        let mut open = FuturesUnordered::new();
        loop {
            while open.len() < MAX_OPEN_DIALS && self.may_dial() {
                let Some((index, driver, state)) = waiting.pop_front() else {
                    break;
                };
                open.push(async move { (index, self.dialer.place(driver, state).await) });
            }
            if waiting.is_empty() || !self.may_dial() {
                break;
            }
            // Poll the clock and the caller. A callback of the runtime could run in the middle of
            // another request.
            let look = pin!(runtime.sleep(LOOK_EVERY_MS));
            if let Either::Left((Some(done), _)) = select(open.next(), look).await {
                placed.push(done);
            }
        }

        // From here on no dial starts.
        let (rest, done) = join(self.give_back(waiting), open.collect::<Vec<_>>()).await;
        placed.extend(rest);
        placed.extend(done);
        placed
    }

    /// Whether a dial may start now. After the first `false` it stays `false`.
    fn may_dial(&self) -> bool {
        let now = self.dialer.runtime.now();
        let within = |limit: Duration, since: UtcTime| now < since.plus(limit);
        let caller_waits = match (self.caller)() {
            Caller::Connected => true,
            Caller::Gone => false,
            Caller::Unknown => within(DIALS_START_WITHIN, self.order.arrived_at),
        };
        // If the reconciler gives a call up, the caller may place it again. A dial after that would
        // phone the driver twice.
        let reconciler_waits = self
            .order
            .reconcile_after
            .is_none_or(|after| within(after, self.recorded_at));
        caller_waits && reconciler_waits
    }

    /// Marks the calls whose dial does not start as `not_dialled`.
    async fn give_back(&self, waiting: VecDeque<Own<'_>>) -> Vec<(usize, Placed)> {
        if waiting.is_empty() {
            return Vec::new();
        }
        let dialer = &self.dialer;
        let call_sids: Vec<_> = waiting
            .iter()
            .map(|(_, _, state)| &state.call_sid)
            .collect();
        let now = dialer.runtime.now();
        let failed = dialer
            .store
            .fail_undialled(&call_sids, dialer.dial_token, now)
            .await;
        let cause = failed.as_ref().err();
        let place = |(index, driver, state)| (index, self.not_dialled(driver, state, cause));
        waiting.into_iter().map(place).collect()
    }

    /// The outcome of a call whose dial does not start. It is true even if the database failed to store
    /// it: no other request can dial the call.
    fn not_dialled(
        &self,
        driver: &Driver,
        state: CallRow,
        cause: Option<&DatabaseError>,
    ) -> Placed {
        let driver_id = driver.id.get();
        let runtime = self.dialer.runtime;
        let line = Line {
            code: Some(reason::NOT_DIALLED.to_owned()),
            ..line("call_failed", driver_id, &state)
        };
        runtime.log(&match cause {
            None => line,
            Some(cause) => Line {
                level: Level::Error,
                ..cause.log(line)
            },
        });
        Placed {
            driver_id,
            state: CallRow {
                status: CallStatus::Failed,
                failure_reason: Some(FailureReason::NotDialled),
                ..state
            },
            created: true,
            failure: None,
        }
    }

    /// Marks the calls as `not_dialled` after the answer to their recording was lost, and returns the
    /// outcomes. `None` if the database fails again, or some of the calls are not on record.
    async fn release(&self, calls: &[NewCall], error: &DatabaseError) -> Option<Vec<Placed>> {
        // After a permanent error nothing was committed.
        if !error.is_transient() {
            return None;
        }
        let dialer = &self.dialer;
        let call_sids: Vec<_> = calls.iter().map(|call| &call.call_sid).collect();
        let now = dialer.runtime.now();
        let on_record_now = dialer
            .store
            .fail_undialled(&call_sids, dialer.dial_token, now)
            .await
            .ok()
            .filter(|states| states.len() == calls.len())?;
        let drivers = self.order.drivers.iter();
        let placed = drivers.zip(on_record_now).map(|(driver, state)| {
            if state.is_recorded_by(self.dialer.dial_token) {
                self.not_dialled(driver, state, Some(error))
            } else {
                on_record(driver, state)
            }
        });
        Some(placed.collect())
    }
}

/// A call that another request recorded.
fn on_record(driver: &Driver, state: CallRow) -> Placed {
    Placed {
        driver_id: driver.id.get(),
        state,
        created: false,
        failure: None,
    }
}
