//! ElevenLabs' side of a call that is over: its conversations, its signed events, and its answers
//! when it is asked.

use std::cell::RefCell;
use std::rc::Rc;

use call_ledger::elevenlabs::{ApiAnswer, ApiRequest, TransportError};
use call_ledger::ledger::reconcile::reconcile;
use call_ledger::model::UtcTime;
use call_ledger::platform::Traced;
use call_ledger::store::Store;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::world::{
    PLACE, Reply, TURN, TestRequest, World, dynamic_variables, place_body, request, sid,
};

pub const POST_CALL: &str = "/webhooks/elevenlabs/post-call";
pub const SECRET: &str = "wsec_test_secret";
/// 2025-11-21T10:30:00Z, when every conversation here begins.
pub const STARTED: i64 = 1_763_721_000;
pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// The instant so many seconds after [`STARTED`].
pub fn at(second: i64) -> String {
    let time = UtcTime::from_millis((STARTED + second) * 1000);
    time.unwrap().to_string()
}

/// `A:` is the agent's, `D:` the driver's, in ElevenLabs' words.
pub fn spoken(text: &str) -> (&'static str, &str) {
    match text.split_at(2) {
        ("A:", message) => ("agent", message),
        ("D:", message) => ("user", message),
        _ => panic!("{text}"),
    }
}

/// The conversation `conv_{driver}` of the call that [`place_body`] places, over after a minute,
/// with these turns by second.
pub fn conversation(driver: u32, turns: &[(i64, &str)]) -> Value {
    let turn = |(second, text): &(i64, &str)| {
        let (role, message) = spoken(text);
        json!({ "role": role, "message": message, "time_in_call_secs": second })
    };
    let transcript: Vec<Value> = turns.iter().map(turn).collect();
    json!({
        "agent_id": "agent_test", "conversation_id": format!("conv_{driver}"), "status": "done",
        "user_id": sid(driver), "transcript": transcript,
        "metadata": {
            "start_time_unix_secs": STARTED, "call_duration_secs": 60, "error": null,
            "accepted_time_unix_secs": STARTED + 3, "termination_reason": "Call ended by remote party",
            "phone_call": { "type": "twilio", "direction": "outbound", "call_sid": format!("CA{driver}") },
        },
        "analysis": { "call_successful": "success", "transcript_summary": "They spoke." },
        "conversation_initiation_client_data": {
            "user_id": sid(driver), "conversation_config_override": null,
            "dynamic_variables": { "call_sid": sid(driver), "driver_id": driver, "system__agent_turns": 1 },
        },
    })
}

/// The event that such a conversation is over.
pub fn transcription(data: Value) -> Value {
    json!({ "type": "post_call_transcription", "event_timestamp": STARTED + 90, "data": data })
}

/// The event that the phone call of `conv_{driver}` did not come about.
pub fn failure(driver: u32, reason: &str) -> Value {
    json!({
        "type": "call_initiation_failure", "event_timestamp": STARTED + 30,
        "data": {
            "agent_id": "agent_test", "conversation_id": format!("conv_{driver}"), "failure_reason": reason,
            "metadata": { "type": "twilio", "body": { "CallSid": format!("CA{driver}"), "CallStatus": reason } },
        },
    })
}

/// The `v0` of a signature, in hexadecimal.
pub fn tag(secret: &str, time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    let tag = mac.finalize().into_bytes();
    tag.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A delivery with this signature header; it carries no other authorization.
pub fn delivery(header: &str, body: impl Into<Vec<u8>>) -> TestRequest {
    TestRequest {
        headers: vec![("ElevenLabs-Signature".to_owned(), header.to_owned())],
        ..request("POST", POST_CALL, body)
    }
}

/// A placed call for each driver, with the conversation `conv_{driver}`, in a world that knows
/// the webhook's secret.
pub async fn world_with_calls(drivers: &[u32]) -> World {
    let world = empty_world();
    let reply = world.post(PLACE, &place_body(drivers)).await;
    assert_eq!(reply.status, 201);
    world
}

/// A world without calls that knows the webhook's secret.
pub fn empty_world() -> World {
    let world = World::new();
    world.settings.set("ELEVENLABS_WEBHOOK_SECRET", SECRET);
    world
}

impl World {
    /// Delivers these bytes, signed now.
    pub async fn deliver_bytes(&self, body: impl Into<Vec<u8>>) -> Reply {
        let body = body.into();
        let time = self.seconds().to_string();
        let header = format!("t={time},v0={}", tag(SECRET, &time, &body));
        self.send(delivery(&header, body)).await
    }

    /// Delivers an event, signed now, and says what became of it.
    pub async fn deliver(&self, event: &Value) -> String {
        let reply = self.deliver_bytes(event.to_string()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let status = reply.body["status"].as_str().unwrap().to_owned();
        assert_eq!(reply.body, json!({ "status": status }));
        status
    }

    /// Posts a turn, said so many seconds after [`STARTED`].
    pub async fn say(&self, driver: u32, second: i64, text: &str) -> Reply {
        let (speaker, message) = spoken(text);
        let turn = json!({
            "call_sid": sid(driver), "speaker": speaker, "message": message, "timestamp": at(second),
        });
        self.post(TURN, &turn).await
    }

    pub async fn say_all(&self, driver: u32, turns: &[(i64, &str)]) {
        for (second, text) in turns {
            assert_eq!(self.say(driver, *second, text).await.status, 201, "{text}");
        }
    }

    /// The turns of a call as a reader gets them; their numbers must run 1…n.
    pub async fn turns(&self, driver: u32) -> Vec<Value> {
        let path = format!("/calls/{}/transcription", sid(driver));
        let mut reply = self.get(&path).await;
        assert_eq!(reply.status, 200);
        let turns = reply.body["turns"].as_array_mut().map(std::mem::take);
        let turns = turns.unwrap();
        for (number, turn) in (1..).zip(&turns) {
            assert_eq!(turn["sequence_number"], number, "{turns:#?}");
        }
        turns
    }

    /// The words of a call as `A:…` and `D:…`, in order.
    pub async fn words(&self, driver: u32) -> Vec<String> {
        let turns = self.turns(driver).await;
        let words = |turn: &Value| {
            let speaker = if turn["speaker"] == "agent" { "A" } else { "D" };
            format!("{speaker}:{}", turn["message"].as_str().unwrap())
        };
        turns.iter().map(words).collect()
    }

    /// These columns of a call's row.
    pub fn row(&self, driver: u32, columns: &str) -> Value {
        let sql = format!(
            "SELECT {columns} FROM calls WHERE call_sid = '{}'",
            sid(driver)
        );
        self.database.query(&sql).pop().unwrap()
    }

    /// What became of the kept events, in the order they came.
    pub fn outcomes(&self) -> Vec<String> {
        let sql = "SELECT outcome FROM elevenlabs_events ORDER BY id";
        let outcome = |row: &Value| row["outcome"].as_str().unwrap().to_owned();
        self.database.query(sql).iter().map(outcome).collect()
    }

    /// Now, in Unix seconds.
    pub fn seconds(&self) -> i64 {
        use call_ledger::platform::Runtime as _;
        self.runtime.now().as_millis() / 1000
    }

    /// One run of the reconciler.
    pub async fn reconcile(&self) -> Run {
        let asked_before = self.elevenlabs.requests.borrow().len();
        let runtime = Traced::run(self.runtime.clone());
        let store = Store::new(&*self.database, runtime.clone());
        let elevenlabs = self.elevenlabs.clone();
        reconcile(&store, &runtime, elevenlabs, &self.settings).await;
        let requests = self.elevenlabs.requests.borrow();
        let asked = requests.iter().skip(asked_before);
        let path = |request: &ApiRequest| {
            let path = request.url.strip_prefix("http://elevenlabs.test");
            path.unwrap().to_owned()
        };
        Run {
            line: self.lines("reconcile").pop().unwrap(),
            statements: store.usage().statements,
            asked: asked.map(path).collect(),
        }
    }
}

/// What one run of the reconciler did.
#[derive(Debug)]
pub struct Run {
    /// Its log line.
    pub line: Value,
    /// The statements it sent to the database.
    pub statements: u32,
    /// The paths it asked ElevenLabs for.
    pub asked: Vec<String>,
}

/// ElevenLabs' own books: conversations that can be listed and read.
#[derive(Clone, Default)]
pub struct Books(Rc<RefCell<Vec<Value>>>);

impl Books {
    /// Books with these conversations, by which ElevenLabs answers in this world from now on. It
    /// accepts every call, too.
    pub fn open(world: &World, conversations: impl IntoIterator<Item = Value>) -> Self {
        let books = Self::default();
        books.0.borrow_mut().extend(conversations);
        let answering = books.clone();
        world.script(move |request| answering.answer(request));
        books
    }

    pub fn add(&self, conversation: Value) {
        self.0.borrow_mut().push(conversation);
    }

    /// Puts another state in the place of the conversation of the same id.
    pub fn replace(&self, conversation: Value) {
        let id = conversation["conversation_id"].clone();
        self.0
            .borrow_mut()
            .retain(|known| known["conversation_id"] != id);
        self.add(conversation);
    }

    pub fn answer(&self, request: &ApiRequest) -> Result<ApiAnswer, TransportError> {
        let answer = |status, body: &Value| {
            let body = body.to_string();
            Ok(ApiAnswer { status, body })
        };
        if request.method == "POST" {
            let driver = dynamic_variables(request)["driver_id"].clone();
            let body = json!({
                "success": true, "message": "Success",
                "conversation_id": format!("conv_{driver}"), "callSid": format!("CA{driver}"),
            });
            return answer(200, &body);
        }
        let (_, asked) = request.url.split_once("/v1/convai/conversations").unwrap();
        let known = self.0.borrow();
        if let Some(id) = asked.strip_prefix('/') {
            let found = known.iter().find(|one| one["conversation_id"] == id);
            return match found {
                Some(conversation) => answer(200, conversation),
                None => answer(404, &json!({ "detail": "Not Found" })),
            };
        }
        let listed = known.iter().filter(|one| is_asked_for(one, asked));
        let listed: Vec<_> = listed
            .map(
                |one| json!({ "conversation_id": one["conversation_id"], "status": one["status"] }),
            )
            .collect();
        let page = json!({ "conversations": listed, "next_cursor": null, "has_more": false });
        answer(200, &page)
    }
}

/// Whether a conversation fits the filters of a list's query.
fn is_asked_for(conversation: &Value, query: &str) -> bool {
    let query = query.trim_start_matches('?');
    form_urlencoded::parse(query.as_bytes()).all(|(name, value)| match &*name {
        "user_id" => conversation["user_id"] == *value,
        "dynamic_variable_params" => {
            let wanted = value.strip_prefix("call_sid:eq:").unwrap();
            let client = &conversation["conversation_initiation_client_data"];
            client["dynamic_variables"]["call_sid"] == wanted
        }
        _ => true,
    })
}
