//! The promises, checked while a simulation runs and when it is over.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

use super::deliveries::Turn;
use super::elevenlabs::{Conversation, Ending, Said};
use super::placements::Placements;
use super::world::World;

/// What the simulation has seen so far.
#[derive(Default)]
pub struct Watch {
    pub placements: Placements,
    violation: RefCell<Option<String>>,
    calls: RefCell<HashMap<String, (String, Option<String>)>>,
    /// Ghost turns that were acknowledged: conversation and text.
    acknowledged: RefCell<HashSet<(String, String)>>,
    applied: RefCell<HashMap<String, u32>>,
    /// Calls to which a stranger posts turns.
    spoofed: RefCell<HashSet<String>>,
    /// Every id that a turn ever had, and the call of that turn.
    ids: RefCell<HashMap<i64, String>>,
    /// The ids of turns that are gone.
    gone: RefCell<HashSet<i64>>,
    /// The stranger's turns that were acknowledged: call, text and number in the ledger.
    acknowledged_spoofs: RefCell<Vec<(String, String, i64)>>,
}

impl Watch {
    /// Notes that a promise is broken. Only the first counts.
    pub fn violated(&self, world: &World, what: String) {
        world.note(|| format!("VIOLATION {what}"));
        self.violation.borrow_mut().get_or_insert(what);
    }

    pub fn violation(&self) -> Option<String> {
        self.violation.borrow().clone()
    }

    /// Promises 1 and 2, at the moment ElevenLabs is asked to dial.
    pub fn dialled(&self, world: &World, call_sid: &str) {
        let sql = format!("SELECT COUNT(*) FROM calls WHERE call_sid = '{call_sid}'");
        if world.database.value(&sql) != 1 {
            self.violated(
                world,
                format!("promise 1: {call_sid} is dialled without a committed row"),
            );
        }
        let mut model = world.elevenlabs.borrow_mut();
        let dials = model.dials.entry(call_sid.to_owned()).or_default();
        *dials += 1;
        if *dials > 1 {
            self.violated(
                world,
                format!("promise 2: {call_sid} is dialled {dials} times"),
            );
        }
    }

    /// Promises 3 and 4, at the moment a turn is acknowledged.
    pub fn turn_stored(&self, world: &World, turn: &Turn, answer: &Value) {
        let sql = format!(
            "SELECT c.call_sid, t.message_text, t.original_text FROM call_transcriptions t \
             JOIN calls c ON c.conversation_id = t.conversation_id WHERE t.id = {}",
            answer["transcription_id"]
        );
        let rows = world.database.query(&sql);
        let stored = rows.first().is_some_and(|row| {
            row["call_sid"] == turn.conversation.call_sid
                && [&row["message_text"], &row["original_text"]].contains(&&json!(turn.said.posted))
        });
        if !stored {
            self.violated(
                world,
                format!("promise 4: a turn is acknowledged that is not stored: {answer}"),
            );
        }
        if turn.said.ghost {
            let ghost = (turn.conversation.id.clone(), turn.said.posted.clone());
            self.acknowledged.borrow_mut().insert(ghost);
        }
    }

    pub fn spoofed(&self, call_sid: &str) {
        self.spoofed.borrow_mut().insert(call_sid.to_owned());
    }

    pub fn is_spoofed(&self, call_sid: &str) -> bool {
        self.spoofed.borrow().contains(call_sid)
    }

    /// Promises 3 and 4 hold for a stranger's turns as well.
    pub fn spoof_stored(&self, world: &World, turn: &Value, answer: &Value) {
        let text = |name: &str| turn[name].as_str().unwrap().to_owned();
        let id = answer["transcription_id"].as_i64().unwrap();
        let spoof = (text("call_sid"), text("message"), id);
        self.check_spoof(world, &spoof);
        self.acknowledged_spoofs.borrow_mut().push(spoof);
    }

    /// A stranger's turn that was acknowledged is stored once, under its number, in its call.
    fn check_spoof(&self, world: &World, (call_sid, text, id): &(String, String, i64)) {
        let rows = world.database.query(&format!(
            "SELECT c.call_sid, t.id FROM call_transcriptions t \
             JOIN calls c ON c.conversation_id = t.conversation_id WHERE t.message_text = '{text}'"
        ));
        let found = rows
            .first()
            .is_some_and(|row| row["call_sid"] == *call_sid && row["id"] == *id);
        if rows.len() != 1 || !found {
            let what = format!("promise 3: {text} of {call_sid} is stored as {rows:?}");
            self.violated(world, what);
        }
    }

    /// An event is durable when it is acknowledged, and applied once.
    pub fn event_received(&self, world: &World, event: &Value, answer: &Value) {
        let conversation_id = event["data"]["conversation_id"].as_str().unwrap();
        // An earlier agent's event that names no call may come before its conversation is linked.
        let unknown = event["data"]["agent_id"] == "agent_earlier"
            && event["type"] == "call_initiation_failure"
            && answer["status"] == "ignored";
        if !unknown && rows_of(world, event) != 1 {
            self.violated(
                world,
                format!("promise 4: the event of {conversation_id} is not kept once: {answer}"),
            );
        }
        self.payloads(world);
        if answer["status"] == "applied" {
            let name = format!("{conversation_id} {}", event["event_timestamp"]);
            let mut applied = self.applied.borrow_mut();
            let times = applied.entry(name).or_default();
            *times += 1;
            if *times > 1 {
                self.violated(
                    world,
                    format!("the event of {conversation_id} is applied twice"),
                );
            }
        }
    }

    /// A row that names an object has it, as long as the event may be applied or was; and no event
    /// waits without its payload.
    fn payloads(&self, world: &World) {
        let lost = world.database.query(
            "SELECT conversation_id FROM elevenlabs_events \
             WHERE outcome = 'kept' AND payload IS NULL AND payload_in_bucket = 0",
        );
        if !lost.is_empty() {
            self.violated(world, format!("promise 4: no payload of {lost:?}"));
        }
        let named = world.database.query(
            "SELECT 'events/' || conversation_id || '/' || type || '/' || event_timestamp AS key \
             FROM elevenlabs_events WHERE payload_in_bucket = 1 AND outcome IN ('kept', 'applied')",
        );
        let objects = world.bucket.borrow();
        for row in named {
            if !objects.contains_key(row["key"].as_str().unwrap()) {
                self.violated(
                    world,
                    format!("promise 4: the bucket has not {}", row["key"]),
                );
            }
        }
    }

    /// Promises 3 and 5, after every commit.
    pub fn after_commit(&self, world: &World) {
        self.payloads(world);
        let gaps = world.database.query(
            "SELECT conversation_id FROM call_transcriptions GROUP BY conversation_id \
             HAVING MIN(sequence_number) <> 1 OR MAX(sequence_number) <> COUNT(*)",
        );
        if !gaps.is_empty() {
            self.violated(world, format!("promise 3: numbers have gaps: {gaps:?}"));
        }
        self.ids_are_unique(world);
        let dropped = world.database.query(
            "SELECT c.call_sid FROM elevenlabs_events e JOIN calls c USING (conversation_id) \
             WHERE e.outcome = 'applied' AND c.status = 'in_progress'",
        );
        if !dropped.is_empty() {
            self.violated(
                world,
                format!("an event is applied, and its call goes on: {dropped:?}"),
            );
        }
        let rows = world
            .database
            .query("SELECT call_sid, status, failure_reason, settling FROM calls");
        let mut known = self.calls.borrow_mut();
        for row in rows {
            let call_sid = row["call_sid"].as_str().unwrap();
            let status = row["status"].as_str().unwrap().to_owned();
            let reason = row["failure_reason"].as_str().map(str::to_owned);
            if !row["settling"].is_null() {
                self.violated(world, format!("{call_sid}: a settlement stands half done"));
            }
            self.placements
                .after_commit(world, call_sid, reason.as_deref());
            let now = (status, reason);
            let before = known.insert(call_sid.to_owned(), now.clone());
            if let Some(before) = before
                && before.0 != "in_progress"
                && before != now
                && !is_evident(world, call_sid, &before, &now)
            {
                let change = format!("{before:?} became {now:?}");
                self.violated(
                    world,
                    format!("promise 5: {call_sid}: {change} without evidence"),
                );
            }
        }
    }

    /// An id names one turn of one call for ever.
    fn ids_are_unique(&self, world: &World) {
        let rows = world.database.query(
            "SELECT t.id, c.call_sid FROM call_transcriptions t \
             JOIN calls c ON c.conversation_id = t.conversation_id",
        );
        let (mut ids, mut gone) = (self.ids.borrow_mut(), self.gone.borrow_mut());
        let mut here = HashSet::new();
        for row in rows {
            let id = row["id"].as_i64().unwrap();
            let call_sid = row["call_sid"].as_str().unwrap();
            let known = ids.entry(id).or_insert_with(|| call_sid.to_owned());
            if !here.insert(id) || gone.contains(&id) || known != call_sid || id >= 1 << 53 {
                self.violated(world, format!("{id} of {call_sid} is given twice"));
            }
        }
        gone.extend(ids.keys().filter(|id| !here.contains(id)));
    }

    /// Promises 3, 6 and 7, when everything is over.
    pub fn at_the_end(&self, world: &World) {
        let unsettled = world.database.query(
            "SELECT call_sid, status, failure_reason FROM calls \
             WHERE status = 'in_progress' OR failure_reason = 'outcome_unknown'",
        );
        if !unsettled.is_empty() {
            self.violated(world, format!("promise 7: never settled: {unsettled:?}"));
        }
        let forgotten = world.database.query(
            "SELECT type, conversation_id, outcome FROM elevenlabs_events \
             WHERE outcome <> 'applied' AND conversation_id NOT LIKE 'foreign_%' \
               AND conversation_id NOT LIKE '%_second' \
                OR outcome IN ('ignored', 'expired') AND payload IS NOT NULL",
        );
        let forgotten: Vec<_> = forgotten
            .into_iter()
            .filter(|event| !self.names_no_call_in_reach(world, event))
            .collect();
        if !forgotten.is_empty() {
            self.violated(world, format!("events were never applied: {forgotten:?}"));
        }
        for spoof in self.acknowledged_spoofs.borrow().iter() {
            self.check_spoof(world, spoof);
        }
        let conversations = world.elevenlabs.borrow().conversations.clone();
        for conversation in conversations {
            self.check_call(world, &conversation);
        }
    }

    /// Whether an event is the failure of a conversation out of reach: such an event names no call.
    fn names_no_call_in_reach(&self, world: &World, event: &Value) -> bool {
        let model = world.elevenlabs.borrow();
        let mut conversations = model.conversations.iter();
        event["type"] == "call_initiation_failure"
            && conversations.any(|conversation| {
                event["conversation_id"] == conversation.id.as_str()
                    && self.is_out_of_reach(world, conversation)
            })
    }

    /// Whether nothing told the ledger of a conversation: ElevenLabs was asked before it began, no
    /// answer of the dial arrived in time, and no event named its call.
    fn is_out_of_reach(&self, world: &World, conversation: &Conversation) -> bool {
        let sid = &conversation.call_sid;
        let sql = format!("SELECT failure_reason FROM calls WHERE call_sid = '{sid}'");
        conversation.late
            && world.database.value(&sql) == "never_started"
            && !self.placements.is_linked(sid)
    }

    fn check_call(&self, world: &World, conversation: &Conversation) {
        let sid = &conversation.call_sid;
        let call = world.database.query(&format!(
            "SELECT conversation_id, status, failure_reason FROM calls WHERE call_sid = '{sid}'"
        ));
        let Some(call) = call.first() else {
            return;
        };
        let outcome = (
            call["status"].as_str().unwrap(),
            call["failure_reason"].as_str(),
        );
        if self.is_out_of_reach(world, conversation) {
            return;
        }
        if outcome != conversation.outcome() || call["conversation_id"] != conversation.id {
            self.violated(
                world,
                format!("{sid} ended as {call}, not {:?}", conversation.outcome()),
            );
        }
        let mut turns = world.database.query(&format!(
            "SELECT speaker_type, message_text, original_text, origin FROM call_transcriptions \
             WHERE conversation_id = '{}' ORDER BY sequence_number",
            conversation.id
        ));
        // What a stranger posted is checked by itself; ElevenLabs' own must be there besides.
        turns.retain(|turn| !turn["message_text"].as_str().unwrap().starts_with("spoof "));
        if conversation.ending == Ending::Never {
            return self.check_posted(world, conversation, &turns);
        }
        let (extra, own): (Vec<&Value>, Vec<&Value>) = turns
            .iter()
            .partition(|turn| turn["origin"] == "unreported");
        let own: Vec<_> = own.into_iter().map(key).collect();
        let reported: Vec<_> = conversation
            .reported()
            .map(|said| (speaker(said).to_owned(), said.reported.clone()))
            .collect();
        if own != reported {
            self.violated(
                world,
                format!("promise 6: {sid}: stored {own:?}, ElevenLabs has {reported:?}"),
            );
        }
        let mut ghosts: BTreeMap<&str, u32> = BTreeMap::new();
        for turn in extra {
            *ghosts
                .entry(turn["message_text"].as_str().unwrap())
                .or_default() += 1;
        }
        for said in conversation.said.iter().filter(|said| said.ghost) {
            let times = ghosts.remove(said.posted.as_str()).unwrap_or(0);
            let acknowledged = self.was_acknowledged(conversation, said);
            if times > 1 || (times == 0 && acknowledged) {
                self.violated(
                    world,
                    format!("promise 3: {sid}: {said:?} is stored {times} times"),
                );
            }
        }
        if !ghosts.is_empty() {
            self.violated(
                world,
                format!("promise 6: {sid}: stored besides the transcript: {ghosts:?}"),
            );
        }
    }

    /// A conversation that never ended: what was posted is there, each once.
    fn check_posted(&self, world: &World, conversation: &Conversation, turns: &[Value]) {
        let mut stored: HashMap<(String, String), usize> = HashMap::new();
        for turn in turns {
            *stored.entry(key(turn)).or_default() += 1;
        }
        let mut posted: HashMap<(String, String), usize> = HashMap::new();
        for said in &conversation.said {
            let key = (speaker(said).to_owned(), said.posted.clone());
            *posted.entry(key).or_default() += 1;
        }
        for (turn, times) in stored {
            if times > posted.get(&turn).copied().unwrap_or(0) {
                self.violated(
                    world,
                    format!("promise 3: {turn:?} is stored {times} times"),
                );
            }
        }
    }

    fn was_acknowledged(&self, conversation: &Conversation, said: &Said) -> bool {
        let ghost = (conversation.id.clone(), said.posted.clone());
        self.acknowledged.borrow().contains(&ghost)
    }
}

pub fn rows_of(world: &World, event: &Value) -> Value {
    world.database.value(&format!(
        "SELECT COUNT(*) FROM elevenlabs_events WHERE conversation_id = '{}' AND event_timestamp = {}",
        event["data"]["conversation_id"].as_str().unwrap(),
        event["event_timestamp"]
    ))
}

fn speaker(said: &Said) -> &'static str {
    if said.agent { "agent" } else { "driver" }
}

fn key(turn: &Value) -> (String, String) {
    let text = |name: &str| turn[name].as_str().unwrap().to_owned();
    (text("speaker_type"), text("message_text"))
}

/// Whether a terminal status may become this one: only what ElevenLabs says of that very
/// conversation, or a better supposition in place of another.
fn is_evident(
    world: &World,
    call_sid: &str,
    before: &(String, Option<String>),
    now: &(String, Option<String>),
) -> bool {
    let supposed = |reason: &Option<String>| {
        matches!(
            reason.as_deref(),
            Some("outcome_unknown" | "never_started" | "no_outcome")
        )
    };
    if before.0 == now.0 && supposed(&before.1) && supposed(&now.1) {
        return true;
    }
    // Words that are too old are cleared; the status and our own code stay.
    let (words, code) = (before.1.as_deref(), now.1.as_deref());
    let only_words_go = words.unwrap_or_default().split(": ").next() == code || code.is_none();
    if before.0 == now.0 && only_words_go && world.settings.clears_at(world.now()) {
        return true;
    }
    let Some(conversation) = world.elevenlabs.borrow().of_call(call_sid) else {
        // The dial was still open, and ElevenLabs' answer is a refusal.
        let refused = |reason: &str| reason.starts_with("elevenlabs_rejected");
        return supposed(&before.1) && now.1.as_deref().is_some_and(refused);
    };
    if conversation.is_over(world.executor.now.get()) {
        let (status, reason) = conversation.outcome();
        // ElevenLabs was asked before the end, and its answer came after it.
        now.0 == "in_progress" && supposed(&before.1)
            || (now.0 == status && now.1.as_deref() == reason)
    } else {
        now.0 == "in_progress"
    }
}
