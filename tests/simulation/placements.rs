//! The promises about placing calls: who is dialled and when, and what the answers say of it.

use std::cell::RefCell;
use std::collections::HashSet;

use serde_json::{Value, json};

use super::instance::Instance;
use super::world::World;

/// What the simulation has seen of placements.
#[derive(Default)]
pub struct Placements {
    /// Calls whose dial has started.
    started: RefCell<HashSet<String>>,
    /// Calls that an answer called `not_dialled`.
    not_dialled: RefCell<HashSet<String>>,
    /// Calls whose conversation an answer told.
    linked: RefCell<HashSet<String>>,
}

impl Placements {
    /// A worker sends a dial.
    pub fn dial_starts(&self, world: &World, call_sid: &str, instance: &Instance) {
        let now = world.executor.now.get();
        self.started.borrow_mut().insert(call_sid.to_owned());
        let sender = instance.sender;
        if !sender.untold && sender.is_gone(now) {
            violated(
                world,
                format!("{call_sid} is dialled for a caller that has gone"),
            );
        }
        if sender.untold && now - instance.arrived_at >= 20_000 {
            let late = now - instance.arrived_at;
            violated(
                world,
                format!("{call_sid} is dialled {late} ms after the request arrived"),
            );
        }
        let sql = format!("SELECT status FROM calls WHERE call_sid = '{call_sid}'");
        if world.database.query(&sql) != [json!({ "status": "in_progress" })] {
            violated(world, format!("{call_sid} is dialled after it has failed"));
        }
        if self.not_dialled.borrow().contains(call_sid) {
            violated(
                world,
                format!("{call_sid} is dialled after an answer that it is not"),
            );
        }
    }

    /// The record says so little of dials that never were as the answers.
    pub fn after_commit(&self, world: &World, call_sid: &str, failure_reason: Option<&str>) {
        if failure_reason == Some("not_dialled") && self.started.borrow().contains(call_sid) {
            violated(
                world,
                format!("{call_sid} is on record as not dialled, but it was"),
            );
        }
    }

    /// A worker is through with a request to place calls, whether or not anybody waits for its
    /// answer; without an answer, its 30 seconds without a caller are over.
    pub fn worker_ends(&self, world: &World, instance: &Instance, answer: Option<(u16, &Value)>) {
        if let Some((_, body)) = answer {
            for item in body["calls"].as_array().into_iter().flatten() {
                self.answered(world, item);
            }
        }
        // What could be recorded while the database failed may be left to the reconciler.
        let excuses = if matches!(answer, Some((500, _))) {
            2
        } else {
            1
        };
        if instance.failed_operations.get() >= excuses {
            return;
        }
        let Some(token) = &*instance.dial_token.borrow() else {
            return;
        };
        let sql = format!(
            "SELECT call_sid FROM calls WHERE dial_token = '{token}' AND status = 'in_progress'"
        );
        for row in world.database.query(&sql) {
            let call_sid = row["call_sid"].as_str().unwrap();
            if !self.started.borrow().contains(call_sid) {
                violated(
                    world,
                    format!("{call_sid} is left in progress without a dial"),
                );
            }
        }
    }

    fn answered(&self, world: &World, item: &Value) {
        let call_sid = item["call_sid"].as_str().unwrap();
        let code = item["error"]["code"].as_str();
        if code == Some("not_dialled") {
            self.not_dialled.borrow_mut().insert(call_sid.to_owned());
            if self.started.borrow().contains(call_sid) {
                violated(
                    world,
                    format!("the answer says that {call_sid} was not dialled"),
                );
            }
        }
        let linked = item["conversation_id"].is_string();
        if linked {
            self.linked.borrow_mut().insert(call_sid.to_owned());
        }
        self.check_taken_back(world, call_sid, item);
        let unknown = code == Some("outcome_unknown")
            || item["status"] == "in_progress" && item["created"] == false;
        if unknown && !linked && item["pending"]["known_by"].is_null() {
            violated(
                world,
                format!("the answer does not say when it is known: {item}"),
            );
        }
    }

    /// A call that was given up while its dial was open is in progress again when ElevenLabs has
    /// accepted it.
    fn check_taken_back(&self, world: &World, call_sid: &str, item: &Value) {
        let conversation = world.elevenlabs.borrow().of_call(call_sid);
        let accepted =
            conversation.filter(|one| one.late && item["conversation_id"] == *one.id.as_str());
        let sql = format!("SELECT failure_reason FROM calls WHERE call_sid = '{call_sid}'");
        if accepted.is_some() && world.database.value(&sql) == "never_started" {
            violated(
                world,
                format!("{call_sid} stays given up though its phone rings"),
            );
        }
    }

    /// Whether an answer told the conversation of a call.
    pub fn is_linked(&self, call_sid: &str) -> bool {
        self.linked.borrow().contains(call_sid)
    }
}

fn violated(world: &World, what: String) {
    world.watch.violated(world, format!("promise 2: {what}"));
}
