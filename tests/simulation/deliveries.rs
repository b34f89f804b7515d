//! What ElevenLabs and its agent send to the worker: turns and events, late, twice, out of
//! order, or never.

use std::pin::Pin;
use std::rc::Rc;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::elevenlabs::{Conversation, Ending, Said, time};
use super::world::{SECRET, Shared, post};

/// Starts the deliveries of a conversation.
pub fn play(world: &Shared, conversation: Rc<Conversation>) {
    let executor = &world.executor;
    // One that names its conversation links the call, another is refused until it is linked.
    let names_conversation = executor.chance(700);
    let skew = i64::try_from(executor.below(800)).unwrap() - 400;
    for said in &conversation.said {
        if executor.chance(world.weather.get().turn_lost) {
            continue;
        }
        let said_after = u64::try_from(said.offset_ms).unwrap();
        let copies = 1 + executor.below(3) / 2;
        let timestamp = time(conversation.started_at + said.offset_ms + skew).to_string();
        // ElevenLabs' own clock (`system__time_utc`) counts microseconds.
        let timestamp = match executor.below(2) {
            0 => timestamp,
            _ => timestamp.replace('Z', &format!("{:03}Z", executor.below(1_000))),
        };
        for _ in 0..copies {
            let turn = Turn {
                conversation: conversation.clone(),
                said: said.clone(),
                timestamp: timestamp.clone(),
                names_conversation,
            };
            let wait = match executor.below(8) {
                0 => said_after + executor.below(3_600_000),
                1 => said_after + executor.below(20_000),
                2 | 3 => rush_hour(world, &conversation),
                // Several that were held up somewhere come together.
                4 | 5 => (said_after / 4_000 + 1) * 4_000 + executor.below(20),
                _ => said_after + executor.below(300),
            };
            executor.spawn(deliver_turn(world.clone(), turn, wait));
        }
    }
    deliver_events(world, &conversation);
}

/// A turn on its way.
pub struct Turn {
    pub conversation: Rc<Conversation>,
    pub said: Said,
    pub timestamp: String,
    pub names_conversation: bool,
}

async fn deliver_turn(world: Shared, turn: Turn, wait: u64) {
    world.executor.delay(wait).await;
    let mut body = json!({
        "call_sid": turn.conversation.call_sid,
        "speaker": if turn.said.agent { "agent" } else { "user" },
        "message": turn.said.posted,
        "timestamp": turn.timestamp,
    });
    if turn.names_conversation {
        body["conversation_id"] = json!(turn.conversation.id);
    }
    for attempt in 0..5_u64 {
        let path = "/webhooks/elevenlabs/transcription";
        let headers = world.settings.agent_headers();
        let answer = post(&world, path, headers, body.to_string()).await;
        check_token(&world, answer.as_ref(), false);
        match answer {
            Some((200 | 201, answer)) => {
                world.watch.turn_stored(&world, &turn, &answer);
                return;
            }
            Some((400, answer)) if answer["code"] == "conversation_not_linked" => {}
            // Somebody else's conversation stands there, until ElevenLabs names the right one.
            Some((400, answer))
                if answer["code"] == "invalid_request"
                    && world.watch.is_spoofed(&turn.conversation.call_sid) => {}
            Some((400..=499, answer)) => {
                world
                    .watch
                    .violated(&world, format!("a good turn was refused: {answer}"));
                return;
            }
            // However many turns come at once: without a fault of the database none is put off.
            Some((500, answer)) if world.weather.get().database_is_well() => {
                let what =
                    format!("a good turn was answered 500 by a database without faults: {answer}");
                world.watch.violated(&world, what);
                return;
            }
            _ => {}
        }
        world.executor.delay(1_000 << attempt).await;
    }
}

/// A turn route that has a token lets nobody through without it, whatever the token's type.
fn check_token(world: &Shared, answer: Option<&(u16, Value)>, stranger: bool) {
    if let Some((status, answer)) = answer
        && !world.settings.may_answer(*status, stranger)
    {
        let what = format!("a guarded turn route answered {status}: {answer}");
        world.watch.violated(world, what);
    }
}

/// A stranger posts some turns of a call whose name was guessed. Some name a conversation that does
/// not exist; there are few of those, so that calls get in each other's way.
pub fn spoof(world: &Shared, call_sid: &str) {
    let executor = &world.executor;
    for _ in 0..1 + executor.below(4) {
        let text = format!("spoof {}", executor.bits());
        let mut body = json!({
            "call_sid": call_sid, "speaker": "agent", "message": text,
            "timestamp": time(executor.now.get()).to_string(),
        });
        match executor.below(10) {
            0..=1 => body["conversation_id"] = json!("of another call"),
            2..=6 => {
                body["conversation_id"] = json!(format!("conv_spoof_{}", executor.below(3)));
            }
            _ => {}
        }
        let wait = match executor.below(4) {
            0 => executor.below(3_600_000),
            1 => executor.below(100),
            _ => executor.below(20_000),
        };
        world.watch.spoofed(call_sid);
        executor.spawn(deliver_spoof(world.clone(), body, wait));
    }
}

/// Another call's conversation whose closing event says whose it is, and that call.
fn another_call(world: &Shared, spoof: &Value) -> Option<(String, String)> {
    let model = world.elevenlabs.borrow();
    let others: Vec<_> = model
        .conversations
        .iter()
        .filter(|other| spoof["call_sid"] != other.call_sid)
        .filter(|other| !matches!(other.ending, Ending::Busy | Ending::NoAnswer))
        .collect();
    let count = u64::try_from(others.len()).unwrap();
    let chosen = usize::try_from(world.executor.below(count.max(1))).unwrap();
    let chosen = others.get(chosen)?;
    Some((chosen.call_sid.clone(), chosen.id.clone()))
}

async fn deliver_spoof(world: Shared, mut body: Value, wait: u64) {
    world.executor.delay(wait).await;
    if body["conversation_id"] == "of another call" {
        let Some((owner, id)) = another_call(&world, &body) else {
            return;
        };
        world.watch.spoofed(&owner);
        body["conversation_id"] = json!(id);
    }
    for attempt in 0..3_u64 {
        let path = "/webhooks/elevenlabs/transcription";
        let answer = post(&world, path, Vec::new(), body.to_string()).await;
        check_token(&world, answer.as_ref(), true);
        match answer {
            Some((200 | 201, answer)) => return world.watch.spoof_stored(&world, &body, &answer),
            Some((400..=499, _)) => return,
            _ => world.executor.delay(1_000 << attempt).await,
        }
    }
}

/// One of a few moments after the end of a conversation, at which late turns and events meet.
fn rush_hour(world: &Shared, conversation: &Conversation) -> u64 {
    let over = u64::try_from(conversation.ended_at - conversation.started_at).unwrap();
    over + 1_000 * (1 + world.executor.below(2)) + world.executor.below(30)
}

fn deliver_events(world: &Shared, conversation: &Rc<Conversation>) {
    let executor = &world.executor;
    let over = u64::try_from(conversation.ended_at - conversation.started_at).unwrap();
    let data = match conversation.ending {
        Ending::Never => return,
        Ending::Busy | Ending::NoAnswer => {
            let (_, reason) = conversation.outcome();
            let body = json!({ "CallSid": "CA1", "CallStatus": reason });
            json!({ "agent_id": conversation.agent_id, "conversation_id": conversation.id, "failure_reason": reason,
                "metadata": { "type": "twilio", "body": body } })
        }
        _ => conversation.json(conversation.ended_at),
    };
    let mut data = data;
    // An event of this type means the end, also where it does not say so.
    if matches!(conversation.ending, Ending::Done | Ending::Voicemail) && executor.chance(200) {
        data["status"] = Value::Null;
    }
    let failure = matches!(conversation.ending, Ending::Busy | Ending::NoAnswer);
    let kind = if failure {
        "call_initiation_failure"
    } else {
        "post_call_transcription"
    };
    let event =
        json!({ "type": kind, "event_timestamp": conversation.ended_at / 1000, "data": data });
    for _ in 0..executor.below(4) {
        let wait = match executor.below(4) {
            0 => over + executor.below(3_600_000),
            1 => over + executor.below(5_000),
            _ => rush_hour(world, conversation),
        };
        executor.spawn(deliver_event(world.clone(), event.clone(), wait, !failure));
    }
    // And some come too early: the conversation still runs.
    if !failure && executor.chance(200) {
        let running = conversation.json(conversation.started_at);
        let event = json!({ "type": kind, "event_timestamp": conversation.started_at / 1000 - 1, "data": running });
        let wait = executor.below(2 * over);
        executor.spawn(deliver_event(world.clone(), event, wait, true));
    }
}

async fn deliver_event(world: Shared, event: Value, wait: u64, retried: bool) {
    world.executor.delay(wait).await;
    let pauses: &[u64] = if retried { &[30, 120, 480, 0] } else { &[0] };
    if let Some(answer) = send_event(&world, &event, pauses).await {
        world.watch.event_received(&world, &event, &answer);
        if retried && answer["status"] == "applied" && world.executor.chance(200) {
            deliver_second(&world, event);
        }
    }
}

/// Sends an event, again after each of these pauses in seconds; says how it was answered.
pub async fn send_event(world: &Shared, event: &Value, pauses: &[u64]) -> Option<Value> {
    let body = event.to_string();
    for pause in pauses {
        let seconds = world.executor.now.get() / 1000;
        let header = ("elevenlabs-signature", signature(seconds, &body));
        let path = "/webhooks/elevenlabs/post-call";
        match post(world, path, vec![header], body.clone()).await {
            Some((200, answer)) => return Some(answer),
            Some((400..=499, answer)) => {
                world
                    .watch
                    .violated(world, format!("a good event was refused: {answer}"));
                return None;
            }
            _ => world.executor.delay(pause * 1000).await,
        }
    }
    None
}

/// ElevenLabs has a second conversation for the same phone call, as it sometimes does. The call has
/// its own by now, so the ledger ignores this one's event.
fn deliver_second(world: &Shared, mut event: Value) {
    let id = event["data"]["conversation_id"].as_str().unwrap();
    event["data"]["conversation_id"] = json!(format!("{id}_second"));
    let wait = world.executor.below(10_000);
    // Boxed, because it is delivered by what delivered the first.
    let delivery: Pin<Box<dyn Future<Output = ()>>> =
        Box::pin(deliver_event(world.clone(), event, wait, false));
    world.executor.spawn(delivery);
}

fn signature(seconds: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    let tag = mac.finalize().into_bytes();
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v0={hex}")
}
