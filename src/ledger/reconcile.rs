//! Settling what no event has settled, and clearing what is too old. Runs every few minutes.

use core::time::Duration;

use super::judge::Evidence;
use super::settle::{Applied, apply_waiting, settle};
use crate::elevenlabs::conversation::Report;
use crate::elevenlabs::lookup::{Asked, NoAnswer};
use crate::elevenlabs::{Client, Transport};
use crate::model::{CallSid, CallStatus, UtcTime, is_unlinked, reason};
use crate::platform::config::{self, NotConfigured, Settings};
use crate::platform::log::{Level, Line, Reconciled};
use crate::platform::{Runtime, Traced};
use crate::store::reconciling::UnsettledCall;
use crate::store::{Database, DatabaseError, Store};

/// How many waiting events one run tries.
const EVENTS_PER_RUN: i64 = 4;
/// How many events of one conversation are applied as one piece of work.
const WAITING_AT_ONCE: i64 = 2;
/// How many calls one run asks about.
const CALLS_PER_RUN: i64 = 8;
/// No new piece of work begins after so many statements: the free plan allows 50 for one run,
/// and no piece needs more than the rest. Clearing a page of texts needs ten.
const STATEMENTS_BEFORE_LAST_CALL: u32 = 24;
/// The same before clearing a page of texts.
const STATEMENTS_BEFORE_CLEARING: u32 = 40;
/// No new call is asked about after so many requests to ElevenLabs: the free plan allows 50, and
/// one call needs at most nine.
const REQUESTS_BEFORE_LAST_CALL: u32 = 41;
/// An event whose call never appears belongs to somebody else's call.
const EVENT_EXPIRES: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// When ElevenLabs answers, but names no outcome, for so long, there will be none.
const NO_OUTCOME_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// The same when ElevenLabs cannot be asked.
const NO_ANSWER_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Why a run ended before it was through.
enum Stop {
    Store(DatabaseError),
    ElevenLabs(NoAnswer),
    NotConfigured(NotConfigured),
}

impl From<DatabaseError> for Stop {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error)
    }
}

impl From<NotConfigured> for Stop {
    fn from(missing: NotConfigured) -> Self {
        Self::NotConfigured(missing)
    }
}

/// One run: bounded in its work, the longest waiting first. What is left over comes first next
/// time, because everything that was tried goes to the end of its line.
///
/// 1. Events that wait for their call are tried again.
/// 2. ElevenLabs is asked about calls that are unsettled for longer than configured. A rate
///    limit, a refusal or a failure ends the asking; a later run goes on.
/// 3. Texts older than `RETENTION_DAYS` are cleared.
///
/// It writes one log line, and fails never: what it cannot do now it does later. Every line that
/// it causes carries the run's id, because the runtime is a [`Traced`] one.
pub async fn reconcile<D: Database, R: Runtime, T: Transport>(
    store: &Store<D, Traced<R>>,
    runtime: &Traced<R>,
    transport: T,
    settings: &impl Settings,
) {
    let started = runtime.now();
    let mut run = Run {
        store,
        runtime,
        done: Reconciled::default(),
    };
    let settled = run.settle_all(transport, settings).await;
    let cleared = match &settled {
        // A database that fails has no time for housekeeping.
        Err(Stop::Store(_)) => Ok(()),
        _ => run.clear(settings).await,
    };
    let mut line = Line {
        duration_ms: Some(runtime.now().as_millis() - started.as_millis()),
        reconciled: Some(run.done),
        ..Line::new("reconcile")
    };
    match settled.and(cleared) {
        Ok(()) => {}
        Err(Stop::Store(error)) => {
            line.level = Level::Error;
            line.code = Some("store_unavailable".to_owned());
            line = error.log(line);
        }
        Err(Stop::ElevenLabs(no_answer)) => {
            line.level = Level::Error;
            line.code = Some(no_answer.code.to_owned());
            line.status = no_answer.status;
        }
        Err(Stop::NotConfigured(missing)) => {
            line.level = Level::Error;
            line.code = Some("not_configured".to_owned());
            line.cause = Some(missing.to_string());
        }
    }
    runtime.log(&line.with_usage(store.usage()));
}

struct Run<'a, D, R> {
    store: &'a Store<D, R>,
    runtime: &'a R,
    done: Reconciled,
}

impl<D: Database, R: Runtime> Run<'_, D, R> {
    async fn settle_all<T: Transport>(
        &mut self,
        transport: T,
        settings: &impl Settings,
    ) -> Result<(), Stop> {
        let access = config::access(settings);
        let elevenlabs = access.as_ref().ok().map(|access| {
            let key = access.api_key.clone();
            Client::new(transport, &access.base_url, key, access.timeout)
        });
        let unanswered = self.try_events(elevenlabs.as_ref()).await?;
        access?;
        let Some(elevenlabs) = elevenlabs else {
            return Ok(());
        };
        let after = config::reconcile_after(settings)?;
        let before = earlier(self.runtime.now(), after);
        let calls = self.store.unsettled_calls(before, CALLS_PER_RUN).await?;
        for call in calls {
            if self.store.usage().statements > STATEMENTS_BEFORE_LAST_CALL
                || elevenlabs.requests() > REQUESTS_BEFORE_LAST_CALL
            {
                break;
            }
            self.ask(&elevenlabs, &call).await?;
        }
        unanswered.map_or(Ok(()), |no_answer| Err(Stop::ElevenLabs(no_answer)))
    }

    /// Tries the events that wait. One that was too large to keep whole is asked for; that
    /// ElevenLabs does not tell about it must not keep the calls from being asked about.
    async fn try_events<T: Transport>(
        &mut self,
        elevenlabs: Option<&Client<T>>,
    ) -> Result<Option<NoAnswer>, Stop> {
        let mut unanswered = None;
        let now = self.runtime.now();
        let waiting = self
            .store
            .oldest_waiting_events(now, EVENTS_PER_RUN)
            .await?;
        for event in waiting {
            if self.store.usage().statements > STATEMENTS_BEFORE_LAST_CALL {
                break;
            }
            self.done.events_tried += 1;
            if event.received_at < earlier(now, EVENT_EXPIRES) {
                self.store.finish_event(event.id, "expired", now).await?;
                continue;
            }
            // First to the end of the line: an event that breaks the run must not break the next.
            self.store.postpone_event(event.id, now).await?;
            match elevenlabs {
                Some(elevenlabs) if !event.has_payload => {
                    let asked = elevenlabs.conversation(&event.conversation_id).await;
                    match self.use_answer(asked, Some(event.id)).await {
                        Err(Stop::ElevenLabs(no_answer)) => unanswered = Some(no_answer),
                        used => {
                            used?;
                        }
                    }
                }
                _ => {
                    apply_waiting(
                        self.store,
                        self.runtime,
                        &event.conversation_id,
                        WAITING_AT_ONCE,
                    )
                    .await
                }
            }
        }
        Ok(unanswered)
    }

    async fn ask<T: Transport>(
        &mut self,
        elevenlabs: &Client<T>,
        call: &UnsettledCall,
    ) -> Result<(), Stop> {
        let now = self.runtime.now();
        self.store.mark_asked(call.id, now).await?;
        self.done.calls_asked += 1;
        let mut asked = match &call.conversation_id {
            Some(id) if !is_unlinked(id) => elevenlabs.conversation(id).await,
            _ => Asked::Unknown,
        };
        // A claimed conversation that is another call's is not this call's.
        if let Asked::Answer(report) = &asked
            && call.claimed
            && (report.call_sid.as_deref()).is_some_and(|named| named != call.call_sid.as_str())
        {
            asked = Asked::Unknown;
        }
        // One that was only claimed may be an invention, and the call's own has another name.
        if matches!(asked, Asked::Unknown) && (call.claimed || call.conversation_id.is_none()) {
            asked = elevenlabs.conversation_of(&call.call_sid).await;
        }
        let recorded_at = call.call_start_time.time().unwrap_or(UtcTime::EPOCH);
        let waited = |long: Duration| recorded_at < earlier(now, long);
        let give_up = match &asked {
            // ElevenLabs has no conversation with this call's name: nobody was phoned.
            Asked::Unknown if call.conversation_id.is_none() => Some(reason::NEVER_STARTED),
            Asked::Unknown => waited(NO_OUTCOME_AFTER).then_some(reason::NO_OUTCOME),
            Asked::Answer(report) if report.is_final() => None,
            Asked::Answer(_) => waited(NO_OUTCOME_AFTER).then_some(reason::NO_OUTCOME),
            Asked::NoAnswer(_) => waited(NO_ANSWER_AFTER).then_some(reason::NO_OUTCOME),
        };
        if let Some(failure_reason) = give_up {
            return self.give_up(call, failure_reason).await;
        }
        if let Asked::Answer(report) = &asked
            && !report.is_final()
            && call.status == CallStatus::InProgress
            && call.conversation_id.as_ref() == Some(&report.conversation_id)
        {
            // Still talking, as is on record.
            return Ok(());
        }
        let settled = self.use_answer(asked, None).await?;
        // The conversation that names this call is on record as another call's.
        if settled.is_some_and(|settled| settled != call.call_sid) && waited(NO_OUTCOME_AFTER) {
            return self.give_up(call, reason::NO_OUTCOME).await;
        }
        Ok(())
    }

    async fn give_up(
        &mut self,
        call: &UnsettledCall,
        failure_reason: &'static str,
    ) -> Result<(), Stop> {
        let now = self.runtime.now();
        if self.store.fail_unsettled(call, failure_reason, now).await? {
            self.done.calls_settled += 1;
            self.runtime.log(&Line {
                call_sid: Some(call.call_sid.to_string()),
                conversation_id: call.conversation_id.clone(),
                code: Some(failure_reason.to_owned()),
                ..Line::new("call_settled")
            });
        }
        Ok(())
    }

    /// Settles, or links, the call of a conversation by ElevenLabs' answer, and says which call
    /// that is.
    async fn use_answer(
        &mut self,
        asked: Asked<Report>,
        event_id: Option<i64>,
    ) -> Result<Option<CallSid>, Stop> {
        let report = match asked {
            Asked::Answer(report) => report,
            Asked::Unknown => return Ok(None),
            Asked::NoAnswer(no_answer) => return Err(Stop::ElevenLabs(no_answer)),
        };
        let event_id = event_id.filter(|_| report.is_final());
        let call_sid = report.call_sid.as_deref();
        let case = self
            .store
            .get_by_conversation_id(&report.conversation_id, call_sid)
            .await?;
        let settled = case.as_ref().map(|case| case.call.call_sid.clone());
        let evidence = Evidence::Report(&report);
        let applied = settle(self.store, self.runtime, case, evidence, event_id).await?;
        if applied == Applied::Applied && report.is_final() {
            self.done.calls_settled += 1;
        }
        // What waits for this conversation can be applied now that its call is linked.
        if !report.is_final() {
            apply_waiting(
                self.store,
                self.runtime,
                &report.conversation_id,
                WAITING_AT_ONCE,
            )
            .await;
        }
        Ok(settled)
    }

    async fn clear(&mut self, settings: &impl Settings) -> Result<(), Stop> {
        let Some(age) = config::retention(settings)? else {
            return Ok(());
        };
        let before = earlier(self.runtime.now(), age);
        // Page by page, for as long as there is more: that catches up when a rule is new.
        while self.store.usage().statements <= STATEMENTS_BEFORE_CLEARING {
            let cleared = self.store.clear_texts(before).await?;
            self.done.texts_cleared += cleared.rows;
            if !cleared.more {
                break;
            }
        }
        Ok(())
    }
}

fn earlier(time: UtcTime, by: Duration) -> UtcTime {
    time.plus_millis(i64::try_from(by.as_millis()).map_or(i64::MIN, |millis| -millis))
}
