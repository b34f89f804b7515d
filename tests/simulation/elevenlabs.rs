//! A model of ElevenLabs: it places calls, plays conversations, and tells of them when asked.

use std::collections::HashMap;
use std::rc::Rc;

use call_ledger::elevenlabs::{ApiAnswer, ApiRequest};
use call_ledger::model::UtcTime;
use serde_json::{Value, json};

use super::deliveries;
use super::world::{Shared, World};

/// How a conversation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Done,
    Voicemail,
    Busy,
    NoAnswer,
    BreaksOff,
    Never,
}

/// One turn, as it is posted and as ElevenLabs has it in the end.
#[derive(Debug, Clone)]
pub struct Said {
    pub agent: bool,
    pub posted: String,
    pub reported: String,
    pub original_message: Option<String>,
    pub interrupted: bool,
    pub offset_ms: i64,
    /// Posted by the agent's tool although ElevenLabs' transcript does not have it.
    pub ghost: bool,
}

#[derive(Debug)]
pub struct Conversation {
    pub id: String,
    pub call_sid: String,
    pub started_at: i64,
    pub said: Vec<Said>,
    pub ending: Ending,
    pub ended_at: i64,
    /// Begun a while after the dial arrived: ElevenLabs may have been asked about it before.
    pub late: bool,
    /// The agent that placed the call: the configured one, or one from before a change.
    pub agent_id: &'static str,
}

impl Conversation {
    pub fn is_over(&self, now: i64) -> bool {
        self.ending != Ending::Never && now >= self.ended_at
    }

    /// The status and reason a settled call has in the end.
    pub fn outcome(&self) -> (&'static str, Option<&'static str>) {
        match self.ending {
            Ending::Done => ("completed", None),
            Ending::Voicemail => ("failed", Some("voicemail")),
            Ending::Busy => ("failed", Some("busy")),
            Ending::NoAnswer => ("failed", Some("no-answer")),
            Ending::BreaksOff => ("failed", Some("LLM down")),
            Ending::Never => ("failed", Some("no_outcome")),
        }
    }

    pub fn reported(&self) -> impl Iterator<Item = &Said> {
        self.said.iter().filter(|said| !said.ghost)
    }

    /// The conversation as ElevenLabs tells it.
    pub fn json(&self, now: i64) -> Value {
        let over = self.is_over(now);
        let entries = self.reported().map(|said| {
            json!({
                "role": if said.agent { "agent" } else { "user" },
                "message": said.reported,
                "original_message": said.original_message,
                "interrupted": said.interrupted,
                "time_in_call_secs": said.offset_ms as f64 / 1000.0,
            })
        });
        // A tool call without text, as there are in every real transcript.
        let mut transcript: Vec<Value> = entries.collect();
        transcript.push(json!({ "role": "agent", "message": null, "time_in_call_secs": 1 }));
        let (status, result) = match self.ending {
            _ if !over => ("in-progress", None),
            Ending::Done | Ending::Never => ("done", None),
            Ending::Voicemail => ("done", Some("voicemail")),
            Ending::Busy => ("failed", Some("busy")),
            Ending::NoAnswer => ("failed", Some("no_answer")),
            Ending::BreaksOff => ("failed", None),
        };
        json!({
            "agent_id": self.agent_id, "conversation_id": self.id, "status": status,
            "user_id": self.call_sid,
            "transcript": transcript,
            "metadata": {
                "start_time_unix_secs": self.started_at as f64 / 1000.0,
                "accepted_time_unix_secs": self.started_at / 1000,
                "call_duration_secs": (self.ended_at - self.started_at) as f64 / 1000.0,
                "error": (self.ending == Ending::BreaksOff).then(|| json!({ "reason": "LLM down" })),
                "phone_call": { "type": "twilio", "call_sid": format!("CA{}", self.id), "call_result": result },
            },
            "analysis": { "transcript_summary": "They spoke." },
            "conversation_initiation_client_data": { "dynamic_variables": { "call_sid": self.call_sid } },
        })
    }
}

/// What ElevenLabs knows.
#[derive(Default)]
pub struct Model {
    pub conversations: Vec<Rc<Conversation>>,
    pub dials: HashMap<String, u32>,
}

/// What becomes of a dial.
#[derive(Clone, Copy)]
enum Dial {
    Accepted,
    Refused,
    NoSuccess,
    Fails {
        placed: bool,
    },
    Cut {
        placed: bool,
    },
    Slow,
    /// ElevenLabs answers, and begins the conversation, when the phone is picked up.
    Late,
    WithoutId,
}

impl Model {
    pub fn of_call(&self, call_sid: &str) -> Option<Rc<Conversation>> {
        let mut all = self.conversations.iter();
        all.find(|conversation| conversation.call_sid == call_sid)
            .cloned()
    }

    /// What ElevenLabs answers; `None` cuts the connection.
    pub async fn answer(world: &Shared, request: &ApiRequest) -> Option<ApiAnswer> {
        if request.method == "POST" {
            return Self::dial(world, request).await;
        }
        let executor = &world.executor;
        if executor.chance(world.weather.get().elevenlabs_fails) {
            let statuses = [429, 500, 503];
            let status = statuses[usize::try_from(executor.below(4)).unwrap().min(2)];
            return executor
                .chance(700)
                .then(|| answer(status, &json!({ "detail": "no" })));
        }
        let now = executor.now.get();
        let model = world.elevenlabs.borrow();
        let path = request
            .url
            .split_once("/v1/convai/conversations")
            .unwrap()
            .1;
        if let Some(id) = path.strip_prefix('/') {
            let found = model
                .conversations
                .iter()
                .find(|conversation| conversation.id == id)
                .filter(|_| !executor.chance(world.weather.get().reading_lags));
            return Some(match found {
                Some(conversation) => answer(200, &conversation.json(now)),
                None => answer(
                    404,
                    &json!({ "detail": { "message": "no such conversation" } }),
                ),
            });
        }
        let wanted = path.replace("%3A", ":");
        let found = model.conversations.iter().filter(|conversation| {
            wanted.contains(&format!("user_id={}", conversation.call_sid))
                || wanted.ends_with(&format!("call_sid:eq:{}", conversation.call_sid))
        });
        let found: Vec<_> = found
            .map(|conversation| json!({ "conversation_id": conversation.id, "status": "done" }))
            .collect();
        Some(answer(
            200,
            &json!({ "conversations": found, "has_more": false }),
        ))
    }

    async fn dial(world: &Shared, request: &ApiRequest) -> Option<ApiAnswer> {
        let call_sid = call_sid_of(request);
        world.note(|| format!("dial {call_sid}"));
        world.watch.dialled(world, &call_sid);
        if world.executor.chance(world.weather.get().spoofed) {
            deliveries::spoof(world, &call_sid);
        }
        let dial = choose(world);
        let placed = matches!(
            dial,
            Dial::Accepted
                | Dial::Slow
                | Dial::Late
                | Dial::WithoutId
                | Dial::Fails { placed: true }
                | Dial::Cut { placed: true }
        );
        let executor = &world.executor;
        let late = matches!(dial, Dial::Late);
        if late {
            // Until the phone is picked up ElevenLabs knows of nothing; but the worker waits.
            let longest = world.settings.timeout_ms() - 2_000;
            executor.delay(executor.below(longest)).await;
        }
        let mut id = None;
        if placed {
            let conversation = Rc::new(conversation(world, call_sid, late));
            id = Some(conversation.id.clone());
            world.note(|| format!("conversation {conversation:?}"));
            world
                .elevenlabs
                .borrow_mut()
                .conversations
                .push(conversation.clone());
            deliveries::play(world, conversation);
        }
        let takes = match dial {
            Dial::Late => 0,
            Dial::Slow => 40_000 + executor.below(15_000),
            _ => world.dial_takes.0 + executor.below(world.dial_takes.1),
        };
        // Often the first turns, and sometimes the whole conversation, are quicker.
        executor.delay(takes).await;
        let accepted = |id: Option<String>| json!({ "success": true, "message": "ok", "conversation_id": id, "callSid": "CA1" });
        match dial {
            Dial::Accepted | Dial::Slow | Dial::Late => Some(answer(200, &accepted(id))),
            Dial::WithoutId => Some(answer(200, &accepted(None))),
            Dial::Refused => Some(answer(422, &json!({ "detail": "bad number" }))),
            Dial::NoSuccess => Some(answer(200, &json!({ "success": false, "message": "no" }))),
            Dial::Fails { .. } => Some(answer(502, &json!({ "detail": "bad gateway" }))),
            Dial::Cut { .. } => None,
        }
    }
}

fn choose(world: &World) -> Dial {
    match world.executor.below(16) {
        0 => Dial::Refused,
        1 => Dial::NoSuccess,
        2 => Dial::Fails { placed: false },
        3 => Dial::Fails { placed: true },
        4 => Dial::Cut { placed: false },
        5 => Dial::Cut { placed: true },
        6 => Dial::Slow,
        7 => Dial::WithoutId,
        8 | 9 => Dial::Late,
        _ => Dial::Accepted,
    }
}

fn conversation(world: &World, call_sid: String, late: bool) -> Conversation {
    let executor = &world.executor;
    let started_at = executor.now.get();
    let ending = match executor.below(12) {
        0 => Ending::Voicemail,
        1 => Ending::Busy,
        2 => Ending::NoAnswer,
        3 => Ending::BreaksOff,
        4 => Ending::Never,
        _ => Ending::Done,
    };
    let turns = match ending {
        Ending::Busy | Ending::NoAnswer => 0,
        _ => executor.below(8),
    };
    let mut said = Vec::new();
    let mut offset = 0;
    for number in 0..turns {
        offset += 1 + i64::try_from(executor.below(6_000)).unwrap();
        said.push(turn(world, number, offset));
    }
    let number = world.elevenlabs.borrow().conversations.len();
    Conversation {
        id: format!("conv_{number}"),
        call_sid,
        started_at,
        said,
        ending,
        agent_id: if executor.chance(world.weather.get().agent_changed) {
            "agent_earlier"
        } else {
            "agent"
        },
        ended_at: started_at + offset + 1 + i64::try_from(executor.below(30_000)).unwrap(),
        late,
    }
}

fn turn(world: &World, number: u64, offset_ms: i64) -> Said {
    let executor = &world.executor;
    let agent = number.is_multiple_of(2);
    let mut said = Said {
        agent,
        posted: String::new(),
        reported: String::new(),
        original_message: None,
        interrupted: false,
        offset_ms,
        ghost: false,
    };
    let words = format!("turn {number} is a sentence of its own");
    (said.posted, said.reported) = match executor.below(10) {
        // The same words again and again.
        0..=2 => ("Yes.".to_owned(), "Yes.".to_owned()),
        3 => (format!(" {words}\n"), words.replace(' ', "  ")),
        4 if agent => {
            said.interrupted = true;
            if executor.chance(500) {
                said.original_message = Some(words.clone());
            }
            (words.clone(), format!("turn {number} is a"))
        }
        5 => {
            said.ghost = true;
            (format!("ghost {number}"), String::new())
        }
        _ => (words.clone(), words),
    };
    said
}

/// The call that a dial is for.
pub fn call_sid_of(dial: &ApiRequest) -> String {
    let body: Value = serde_json::from_str(dial.body.as_deref().unwrap()).unwrap();
    let client = &body["conversation_initiation_client_data"];
    let call_sid = client["dynamic_variables"]["call_sid"].as_str();
    call_sid.unwrap().to_owned()
}

pub fn time(millis: i64) -> UtcTime {
    UtcTime::from_millis(millis).unwrap()
}

fn answer(status: u16, body: &Value) -> ApiAnswer {
    ApiAnswer {
        status,
        body: body.to_string(),
    }
}
