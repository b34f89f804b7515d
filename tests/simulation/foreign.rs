//! Events of the workspace's other agents, which belong to none of our calls.

use serde_json::{Value, json};

use super::deliveries::send_event;
use super::promises::{Watch, rows_of};
use super::world::{START, Shared, World};

/// The conversation of another agent; it may echo a `user_id` of its own.
fn event(world: &Shared, number: u64) -> Value {
    let executor = &world.executor;
    let conversation_id = format!("foreign_{number}");
    let seconds = executor.now.get() / 1000;
    if executor.chance(300) {
        let data = json!({ "agent_id": "agent_other", "conversation_id": conversation_id, "failure_reason": "busy" });
        return json!({ "type": "call_initiation_failure", "event_timestamp": seconds, "data": data });
    }
    let user_id = executor.chance(500).then(|| format!("customer {number}"));
    let data = json!({
        "agent_id": "agent_other", "conversation_id": conversation_id, "status": "done", "user_id": user_id,
        "transcript": [{ "role": "agent", "message": "Hello", "time_in_call_secs": 1 }],
    });
    json!({ "type": "post_call_transcription", "event_timestamp": seconds, "data": data })
}

/// Events that wait in the database from before other agents' events were ignored. Half of them
/// name no agent, and may be ours.
pub fn add_waiting(world: &Shared) {
    let count = [0, 0, 0, 30][usize::try_from(world.executor.below(4)).unwrap()];
    for number in 0..count {
        let mut event = event(world, 1_000_000 + number);
        if number % 2 == 0 {
            event["data"]["agent_id"] = Value::Null;
        }
        world.database.execute(&format!(
            "INSERT INTO elevenlabs_events \
               (type, conversation_id, event_timestamp, payload, received_at, tried_at, outcome) \
             VALUES ({}, {}, {number}, '{event}', '{START}', '{START}', 'kept')",
            event["type"].to_string().replace('"', "'"),
            event["data"]["conversation_id"]
                .to_string()
                .replace('"', "'"),
        ));
    }
}

/// Delivers other agents' events before, between and after our own.
pub fn deliver(world: &Shared) {
    let executor = &world.executor;
    let count = [0, 3, 20][usize::try_from(executor.below(3)).unwrap()];
    for number in 0..count {
        let event = event(world, number);
        let wait = executor.below(3_600_000);
        let here = world.clone();
        executor.spawn(async move {
            here.executor.delay(wait).await;
            if let Some(answer) = send_event(&here, &event, &[30, 0]).await {
                here.watch.foreign_event_received(&here, &event, &answer);
            }
        });
    }
}

impl Watch {
    /// An event of another agent leaves nothing.
    pub fn foreign_event_received(&self, world: &World, event: &Value, answer: &Value) {
        if answer["status"] != "ignored" || rows_of(world, event) != 0 {
            self.violated(world, format!("another agent's {event} is {answer}"));
        }
    }

    /// Promise 7 in time: hours after the storm every call is settled that ElevenLabs can tell of,
    /// whatever else waits.
    pub fn when_calm(&self, world: &World) {
        let open = world
            .database
            .query("SELECT call_sid FROM calls WHERE status = 'in_progress' OR failure_reason = 'outcome_unknown'");
        for row in open {
            let call_sid = row["call_sid"].as_str().unwrap();
            let conversation = world.elevenlabs.borrow().of_call(call_sid);
            if conversation.is_some_and(|one| one.is_over(world.executor.now.get())) {
                self.violated(world, format!("promise 7: {call_sid} is not asked about"));
            }
        }
    }
}
