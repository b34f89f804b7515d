//! Placing calls: on record first, then dialled, at most once.

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

/// How many dials of one request are open at once: a worker has six connections.
pub const MAX_OPEN_DIALS: usize = 6;
/// No dial starts later than this after the request's arrival where the runtime does not tell
/// whether the caller is still there. A request ends 30 seconds after its caller has gone, and
/// the rest of them is for writing down what was not dialled.
pub const DIALS_START_WITHIN: Duration = Duration::from_secs(20);
/// How often a request looks whether its caller is still there while calls wait for a dial, in
/// milliseconds.
const LOOK_EVERY_MS: u64 = 1_000;

/// Whether the caller still waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The caller is connected. The request may take as long as it needs.
    Connected,
    /// The caller has hung up. The runtime ends the request within 30 seconds.
    Gone,
    /// The runtime does not tell.
    Unknown,
}

/// What is to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The time that the caller gave; it is a part of every `call_sid`.
    pub requested_at: ExactTime,
    /// Whom to phone; each driver once.
    pub drivers: &'a [Driver],
    /// When the request arrived.
    pub arrived_at: UtcTime,
    /// How long after it was recorded the reconciler asks about a call; `None` where it does not.
    pub reconcile_after: Option<Duration>,
}

/// Why nothing was dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceError {
    /// The calls that were to be placed. Whether they are on record is not known.
    pub call_sids: Vec<CallSid>,
    /// What went wrong.
    pub cause: PlaceErrorCause,
}

/// What went wrong before anything was dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceErrorCause {
    /// The rows could not be written, or no answer of the database said that they were.
    NotRecorded(DatabaseError),
    /// There were no random numbers for a dial token.
    NoToken(RandomUnavailable),
}

/// Places a call to each driver and tells, in their order, what became of it.
///
/// 1. All calls are recorded in one transaction. Until that is committed nothing is dialled. When
///    no answer says that it is, nothing will be dialled: then rows that were written
///    nevertheless become `not_dialled`, as far as the database takes that.
/// 2. Those that this request recorded are dialled, each once, at most [`MAX_OPEN_DIALS`] at a
///    time. The others are on record already and are only reported. One driver's failure touches
///    no other's call.
/// 3. No dial starts any more when the caller has gone (see [`Caller`]), or when the reconciler
///    may have given the call up. Calls without a dial become `not_dialled`, while the open dials
///    go on.
///
/// A worker that dies on the way leaves rows that no request dials again; the reconciler settles
/// them.
///
/// # Errors
/// [`PlaceError`] when the rows could not be written; then nothing was dialled, and nothing will
/// be.
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

/// One request's calls on their way.
struct Placement<'a, D, R, T, C> {
    dialer: Dialer<'a, D, R, T>,
    order: Order<'a>,
    /// When the calls were recorded, as the rows say.
    recorded_at: UtcTime,
    caller: C,
}

/// A call that this request recorded, with its place in the request.
type Own<'a> = (usize, &'a Driver, CallRow);

impl<D: Database, R: Runtime, T: Transport, C: Fn() -> Caller> Placement<'_, D, R, T, C> {
    /// Dials what this request recorded, for as long as dials may start, and reports the rest.
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
            // Looks at the clock and the caller instead of being told: a callback of the
            // runtime's could run in the middle of another request.
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

    /// Whether a dial may start now. Once it says no it goes on saying so.
    fn may_dial(&self) -> bool {
        let now = self.dialer.runtime.now();
        let within = |limit: Duration, since: UtcTime| now < since.plus(limit);
        let caller_waits = match (self.caller)() {
            Caller::Connected => true,
            Caller::Gone => false,
            Caller::Unknown => within(DIALS_START_WITHIN, self.order.arrived_at),
        };
        // A call that the reconciler gave up counts as never started: the caller may place it
        // again, so it must not be dialled later.
        let reconciler_waits = self
            .order
            .reconcile_after
            .is_none_or(|after| within(after, self.recorded_at));
        caller_waits && reconciler_waits
    }

    /// Fails the calls whose dial does not start.
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

    /// What a call is whose dial does not start. It is so even where that could not be written
    /// down: this request was the only one that could dial it.
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

    /// After a recording without an answer: tells what is on record of the calls, once those that
    /// this request recorded nevertheless are `not_dialled`. `None` when that is not known either,
    /// or some are not on record.
    async fn release(&self, calls: &[NewCall], error: &DatabaseError) -> Option<Vec<Placed>> {
        // Any other error says that nothing was committed.
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
