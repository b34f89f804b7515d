//! The pieces of work of a reconciler run. [`super::reconcile`] decides when each begins.

use core::time::Duration;
use std::collections::BTreeMap;

use super::budget::Piece;
use super::judge::{Evidence, evidence};
use super::settle::{Applied, log_event_waits, settle_once};
use super::verdict::{Verdict, verdict, verdict_without_conversation};
use crate::elevenlabs::conversation::Report;
use crate::elevenlabs::event::Event;
use crate::elevenlabs::lookup::{Lookup, LookupFailure};
use crate::elevenlabs::{Client, Transport};
use crate::model::{CallSid, EventOutcome, FailureReason, Link, UtcTime, is_unlinked};
use crate::platform::Runtime;
use crate::platform::config::{self, Agents, NotConfigured, Settings};
use crate::platform::log::{Line, Reconciled};
use crate::platform::never::never;
use crate::platform::plan::Cost;
use crate::store::events::WaitingEvent;
use crate::store::{CallRow, Database, DatabaseError, Store};

/// Maximum time for one lookup. `ELEVENLABS_TIMEOUT_SECS` is longer, because a dial may ring.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(20);
/// How long an event waits for its call. After a week the call belongs to another ledger.
const EVENT_EXPIRES: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The same for an event of another agent. Such an event is stored only if it arrived before an update
/// or before a change of `ELEVENLABS_AGENT_ID`. Within an hour the answer to a dial may still link it.
const FOREIGN_EVENT_EXPIRES: Duration = Duration::from_secs(60 * 60);

/// Why a queue was closed before it was empty.
#[derive(Debug)]
pub enum Stop {
    /// The database failed.
    Store(DatabaseError),
    /// ElevenLabs did not answer.
    ElevenLabs(LookupFailure),
    /// A setting is missing or unreadable.
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

/// What one run works on, and what it has done.
#[derive(Debug)]
pub struct Work<'a, D, R, T> {
    /// Counts what the run spends on the database.
    pub store: &'a Store<D, R>,
    /// The clock and the log.
    pub runtime: &'a R,
    started: UtcTime,
    agents: Agents,
    /// `None` if the access to ElevenLabs is not configured.
    elevenlabs: Option<Client<T>>,
    /// Calls that were recorded or asked about before this time are due. `None` if ElevenLabs cannot be
    /// asked.
    calls_before: Option<UtcTime>,
    /// Texts from before this time are cleared. `None` keeps them.
    texts_before: Option<UtcTime>,
    /// ElevenLabs' answers about conversations of events that still run, without their transcripts.
    /// They save a second request when the run asks about the calls of these conversations.
    looked_up: BTreeMap<String, Lookup<Report>>,
    /// What the run has done, for its log line.
    pub done: Reconciled,
    /// The first fault, or the fault that ended the run.
    pub fault: Option<Stop>,
}

impl<'a, D: Database, R: Runtime, T: Transport> Work<'a, D, R, T> {
    /// Starts a run. A missing setting closes the queues that need it.
    pub fn new(
        store: &'a Store<D, R>,
        runtime: &'a R,
        transport: T,
        settings: &impl Settings,
    ) -> Self {
        let started = runtime.now();
        let access = config::access(settings);
        let after = config::reconcile_after(settings);
        let age = config::retention(settings);
        let elevenlabs = access.as_ref().ok().map(|access| {
            let timeout = access.timeout.min(LOOKUP_TIMEOUT);
            let key = access.api_key.clone();
            Client::new(transport, &access.base_url, key, timeout)
        });
        let calls_before = after.as_ref().ok().map(|after| started.minus(*after));
        let texts_before = age.as_ref().ok().and_then(|age| *age);
        let missing = access.err().or(after.err()).or(age.err());
        Self {
            store,
            runtime,
            started,
            // If the setting is unreadable, every event counts as ours: another agent's would expire early.
            agents: config::agents(settings).unwrap_or_default(),
            calls_before: calls_before.filter(|_| elevenlabs.is_some()),
            elevenlabs,
            texts_before: texts_before.map(|age| started.minus(age)),
            looked_up: BTreeMap::new(),
            done: Reconciled::default(),
            fault: missing.map(Stop::from),
        }
    }

    /// Whether the settings allow this kind of work.
    pub const fn may_begin(&self, piece: Piece) -> bool {
        match piece {
            Piece::Event => true,
            Piece::Call => self.calls_before.is_some(),
            Piece::Texts => self.texts_before.is_some(),
        }
    }

    /// What the run has spent so far.
    pub fn spent(&self) -> Cost {
        let usage = self.store.usage();
        let asked = self.elevenlabs.as_ref().map_or(0, Client::requests);
        Cost {
            statements: usage.statements,
            // Cloudflare's limit counts requests to ElevenLabs and to the bucket.
            requests: asked.saturating_add(usage.bucket_requests),
        }
    }

    /// Retries the events of the conversation that was not tried for the longest time. Returns whether
    /// there was one.
    ///
    /// 1. Take the conversation: all its events go to the end of the queue.
    /// 2. If an event was too large to store, ask ElevenLabs. Its answer is newer than a stored event.
    /// 3. If the conversation still runs, or was not asked about, apply the oldest stored event. If that
    ///    finishes nothing, apply the next one.
    ///
    /// A failure in step 2 or 3 does not end the run: an event that can never be applied must not block
    /// the other queues.
    ///
    /// # Errors
    /// [`Stop`] if the queue cannot be read.
    pub async fn try_events(&mut self) -> Result<bool, Stop> {
        // 1.
        let now = self.runtime.now();
        let expired = now.minus(EVENT_EXPIRES);
        let store = self.store;
        let taken = store
            .take_waiting_events(self.started, expired, now)
            .await?;
        self.done.events_tried += u32::try_from(taken.len()).unwrap_or(u32::MAX);
        let waiting: Vec<&WaitingEvent> = taken.iter().filter(|event| event.waits).collect();
        // 2. and 3.
        if let Err(error) = self.try_waiting(&waiting).await
            && !error.is_not_allowed()
        {
            let conversation_id = taken.first().map(|event| event.conversation_id.as_str());
            log_event_waits(self.runtime, conversation_id, &error);
        }
        Ok(!taken.is_empty())
    }

    async fn try_waiting(&mut self, waiting: &[&WaitingEvent]) -> Result<(), DatabaseError> {
        // 2.
        let lost = waiting.iter().filter(|event| !event.has_payload).count();
        if let Some(event) = waiting.iter().find(|event| !event.has_payload)
            && self.ask_about(event).await?
        {
            return Ok(());
        }
        // 3.
        let tries = if lost == 0 { 2 } else { 1 };
        match waiting.iter().find(|event| event.has_payload) {
            Some(oldest) => self.apply_kept(oldest, lost + tries, tries).await,
            None => Ok(()),
        }
    }

    /// Asks ElevenLabs about the conversation of an event whose payload is not stored. Returns whether
    /// that finished the conversation for this run. After a failure the run asks about no other event.
    async fn ask_about(&mut self, event: &WaitingEvent) -> Result<bool, DatabaseError> {
        let failed = |lookup: &Lookup<Report>| matches!(lookup, Lookup::Failed(_));
        let Some(elevenlabs) = &self.elevenlabs else {
            return Ok(false);
        };
        if self.looked_up.values().any(failed) {
            return Ok(false);
        }
        let lookup = elevenlabs.conversation(&event.conversation_id).await;
        let remembered = match lookup {
            Lookup::Found(report) => {
                let (_, applied) = self.apply(&report, Some(event.id)).await?;
                if report.is_final() || applied != Some(Applied::Kept) {
                    return Ok(applied != Some(Applied::Kept));
                }
                Lookup::Found(Report {
                    transcript: None,
                    ..report
                })
            }
            Lookup::NotFound | Lookup::Unconfirmed => Lookup::NotFound,
            Lookup::Failed(failure) => {
                self.fault.get_or_insert(Stop::ElevenLabs(failure));
                Lookup::Failed(failure)
            }
        };
        let conversation_id = event.conversation_id.clone();
        self.looked_up.insert(conversation_id, remembered);
        Ok(false)
    }

    /// Applies the oldest event of a conversation whose payload is stored. If that finishes nothing,
    /// applies the next one, up to `tries` events. They are among the first `rows` that wait.
    async fn apply_kept(
        &mut self,
        oldest: &WaitingEvent,
        rows: usize,
        tries: usize,
    ) -> Result<(), DatabaseError> {
        let conversation_id = oldest.conversation_id.as_str();
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let events = self.store.waiting_events(conversation_id, rows).await?;
        let mut tried = 0;
        for (id, payload) in events {
            if tried == tries {
                break;
            }
            // One payload at a time, because each may have megabytes. If the bucket fails, the event waits.
            let payload = self.store.read_payload(id, payload).await.ok().flatten();
            let Some(event) = payload.and_then(|payload| Event::parse(&payload).ok()) else {
                continue;
            };
            tried += 1;
            let Some(evidence) = evidence(&event) else {
                continue;
            };
            let call_sid = evidence.call_sid();
            let found = self.store.get_by_conversation_id(conversation_id, call_sid);
            let found = found.await?;
            let applied =
                settle_once(self.store, self.runtime, found.as_ref(), evidence, Some(id)).await?;
            if applied != Some(Applied::Kept) {
                break;
            }
            let now = self.runtime.now();
            let is_foreign = found.is_none() && !self.agents.may_own(event.agent_id.as_deref());
            if is_foreign && oldest.received_at < now.minus(FOREIGN_EVENT_EXPIRES) {
                self.store
                    .finish_event(id, EventOutcome::Ignored, now)
                    .await?;
            }
        }
        Ok(())
    }

    /// Asks ElevenLabs about the unsettled call that waits longest. Returns whether there was one.
    ///
    /// 1. Take the call: it goes to the end of the queue.
    /// 2. Look up its conversation.
    /// 3. Decide, and do it. If another request changed the call meanwhile, a later run retries.
    ///
    /// # Errors
    /// [`Stop`] if the database failed, or ElevenLabs did not answer.
    pub async fn ask(&mut self) -> Result<bool, Stop> {
        // 1.
        never!(
            self.runtime,
            self.calls_before.is_none(),
            "a call is asked about without the settings for it"
        );
        let Some(before) = self.calls_before else {
            return Ok(false);
        };
        let now = self.runtime.now();
        let Some(call) = self.store.take_unsettled_call(before, now).await? else {
            return Ok(false);
        };
        self.done.calls_asked += 1;
        // 2.
        let lookup = self.look_up(&call).await;
        // 3.
        let now = self.runtime.now();
        let mut verdict = verdict(&call, &lookup, now);
        if let (Verdict::Apply, Lookup::Found(report)) = (&verdict, &lookup) {
            let (settled, applied) = self.apply(report, None).await?;
            // ElevenLabs' conversation for this call is on record as another call's.
            if applied.is_some() && settled.is_some_and(|settled| settled != call.call_sid) {
                verdict = verdict_without_conversation(&call, now);
            }
        }
        match (verdict, lookup) {
            (Verdict::GiveUp(reason), _) => self.give_up(&call, &reason).await?,
            (_, Lookup::Failed(failure)) => return Err(Stop::ElevenLabs(failure)),
            _ => {}
        }
        Ok(true)
    }

    /// Looks up the call's conversation by its id, or else by the `call_sid`.
    async fn look_up(&mut self, call: &CallRow) -> Lookup<Report> {
        // `NotFound` here would give the call up.
        never!(
            self.runtime,
            self.elevenlabs.is_none(),
            "a call is looked up without access to ElevenLabs"
        );
        let Some(elevenlabs) = &self.elevenlabs else {
            return Lookup::NotFound;
        };
        let by_id = match &call.conversation_id {
            Some(id) if !is_unlinked(id) => match self.looked_up.remove(id) {
                Some(known) => known,
                None => elevenlabs.conversation(id).await,
            },
            _ => Lookup::NotFound,
        };
        let is_sure = matches!(call.link(), Link::Confirmed(_));
        match by_id {
            // The sender of a turn may have invented a claimed conversation.
            Lookup::NotFound if !is_sure => elevenlabs.conversation_of(&call.call_sid).await,
            // A claimed conversation may be another call's.
            Lookup::Found(report)
                if !is_sure
                    && (report.call_sid.as_deref())
                        .is_some_and(|named| named != call.call_sid.as_str()) =>
            {
                elevenlabs.conversation_of(&call.call_sid).await
            }
            by_id => by_id,
        }
    }

    /// Settles or links the call of a conversation by ElevenLabs' answer, in one attempt. Returns which
    /// call that is.
    async fn apply(
        &mut self,
        report: &Report,
        event_id: Option<i64>,
    ) -> Result<(Option<CallSid>, Option<Applied>), DatabaseError> {
        let call_sid = report.call_sid.as_deref();
        let found = self
            .store
            .get_by_conversation_id(&report.conversation_id, call_sid)
            .await?;
        let evidence = Evidence::Report(report);
        let applied =
            settle_once(self.store, self.runtime, found.as_ref(), evidence, event_id).await?;
        if applied == Some(Applied::Applied) && report.is_final() {
            self.done.calls_settled += 1;
        }
        Ok((found.map(|found| found.call.call_sid), applied))
    }

    async fn give_up(
        &mut self,
        call: &CallRow,
        failure_reason: &FailureReason,
    ) -> Result<(), DatabaseError> {
        let now = self.runtime.now();
        if self.store.fail_unsettled(call, failure_reason, now).await? {
            self.done.calls_settled += 1;
            self.runtime.log(&Line {
                call_sid: Some(call.call_sid.to_string()),
                conversation_id: call.conversation_id.clone(),
                code: failure_reason.code().map(str::to_owned),
                ..Line::new("call_settled")
            });
        }
        Ok(())
    }

    /// Clears a page of texts. Returns whether there may be more. After `RETENTION_DAYS` was set for the
    /// first time there are many pages.
    ///
    /// # Errors
    /// [`Stop`] if the database failed.
    pub async fn clear(&mut self) -> Result<bool, Stop> {
        never!(
            self.runtime,
            self.texts_before.is_none(),
            "texts are cleared without a rule"
        );
        let Some(before) = self.texts_before else {
            return Ok(false);
        };
        let cleared = self.store.clear_texts(before).await?;
        self.done.texts_cleared += cleared.rows;
        Ok(cleared.more)
    }
}
