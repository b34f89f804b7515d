//! The service with everything around it under the test's control: a database in memory, a
//! clock that stands still, random numbers from a seed, and a scripted ElevenLabs.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use call_ledger::elevenlabs::{ApiAnswer, ApiRequest, Transport, TransportError};
use call_ledger::http::{Answer, BodyError, Incoming, Service};
use call_ledger::ledger::place_calls::Caller;
use call_ledger::model::UtcTime;
use call_ledger::platform::config::{RateLimit, Setting, Settings};
use call_ledger::platform::log::Line;
use call_ledger::platform::{RandomUnavailable, Runtime};
use serde_json::Value;

use super::contract;
use super::sqlite::Sqlite;

pub const API_TOKEN: &str = "test-api-token";
pub const PLACE: &str = "/driver_data/call-elevenlabs";
pub const TURN: &str = "/webhooks/elevenlabs/transcription";

/// A clock, random numbers and a log in memory.
#[derive(Clone)]
pub struct TestRuntime {
    now: Rc<Cell<i64>>,
    random: Rc<Cell<u64>>,
    pub lines: Rc<RefCell<Vec<Value>>>,
    pub slept: Rc<RefCell<Vec<u64>>>,
}

impl TestRuntime {
    pub fn new(seed: u64) -> Self {
        Self {
            now: Rc::new(Cell::new(
                UtcTime::parse("2025-11-21T10:30:01Z").unwrap().as_millis(),
            )),
            random: Rc::new(Cell::new(seed)),
            lines: Rc::default(),
            slept: Rc::default(),
        }
    }

    pub fn advance(&self, millis: i64) {
        self.now.set(self.now.get() + millis);
    }
}

impl Runtime for TestRuntime {
    fn now(&self) -> UtcTime {
        UtcTime::from_millis(self.now.get()).unwrap()
    }

    fn random(&self) -> Result<[u8; 16], RandomUnavailable> {
        let mut bytes = [0; 16];
        for half in bytes.chunks_mut(8) {
            // SplitMix64.
            let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            self.random.set(state);
            let mut bits = state;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            half.copy_from_slice(&(bits ^ (bits >> 31)).to_be_bytes());
        }
        Ok(bytes)
    }

    async fn sleep(&self, millis: u64) {
        self.slept.borrow_mut().push(millis);
        self.advance(i64::try_from(millis).unwrap());
        tokio::task::yield_now().await;
    }

    fn log(&self, line: &Line) {
        let line = serde_json::from_str(&line.to_json()).unwrap();
        self.lines.borrow_mut().push(line);
    }
}

/// How the scripted ElevenLabs answers.
pub type Script = Box<dyn Fn(&ApiRequest) -> Result<ApiAnswer, TransportError>>;

/// An ElevenLabs that answers by a script and remembers what it was asked.
#[derive(Clone)]
pub struct Scripted {
    script: Rc<RefCell<Script>>,
    pub requests: Rc<RefCell<Vec<ApiRequest>>>,
    open: Rc<Cell<usize>>,
    pub most_open: Rc<Cell<usize>>,
}

impl Transport for Scripted {
    async fn send(&self, request: ApiRequest) -> Result<ApiAnswer, TransportError> {
        self.requests.borrow_mut().push(request.clone());
        self.open.set(self.open.get() + 1);
        self.most_open
            .set(self.most_open.get().max(self.open.get()));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let answer = (self.script.borrow())(&request);
        self.open.set(self.open.get() - 1);
        answer
    }
}

#[derive(Clone, Default)]
pub struct TestSettings(Rc<RefCell<HashMap<String, Setting>>>);

impl TestSettings {
    pub fn set(&self, name: &str, value: &str) {
        self.set_to(name, Setting::Text(value.to_owned()));
    }

    pub fn set_to(&self, name: &str, value: Setting) {
        self.0.borrow_mut().insert(name.to_owned(), value);
    }

    pub fn unset(&self, name: &str) {
        self.0.borrow_mut().remove(name);
    }
}

impl TestSettings {
    /// A rate limit that admits no more of this key.
    pub fn deny(&self, limit: &str, key: &str) {
        self.set(&format!("{limit} {key}"), "denied");
    }
}

impl Settings for TestSettings {
    fn get(&self, name: &str) -> Setting {
        self.0.borrow().get(name).cloned().unwrap_or(Setting::Unset)
    }

    fn rate_limit(&self, name: &str) -> RateLimit {
        match self.get(name) {
            Setting::Unset => RateLimit::Bound,
            _ => RateLimit::Other,
        }
    }

    async fn admits(&self, limit: &'static str, key: &str) -> bool {
        self.get(&format!("{limit} {key}")) == Setting::Unset
    }
}

/// A request in memory.
pub struct TestRequest {
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the sender still waits. Shared, so that a test can hang up meanwhile.
    pub caller: Rc<Cell<Caller>>,
}

impl Incoming for TestRequest {
    fn method(&self) -> String {
        self.method.to_owned()
    }

    fn path(&self) -> String {
        self.target.split('?').next().unwrap().to_owned()
    }

    fn query(&self) -> String {
        self.target
            .split_once('?')
            .map_or("", |(_, query)| query)
            .to_owned()
    }

    fn header(&self, name: &str) -> Option<String> {
        let found = self
            .headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }

    fn caller(&self) -> Caller {
        self.caller.get()
    }

    async fn body(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        if self.body.len() > limit {
            return Err(BodyError::TooLarge);
        }
        Ok(self.body.clone())
    }
}

/// The service and the world around it.
pub struct World {
    /// Shared, so that a script can look at it while ElevenLabs is asked.
    pub database: Rc<Sqlite>,
    pub runtime: TestRuntime,
    pub elevenlabs: Scripted,
    pub settings: TestSettings,
}

/// A response, read.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HashMap<&'static str, String>,
    pub text: String,
    /// `null` when the body is no JSON.
    pub body: Value,
}

impl World {
    pub fn new() -> Self {
        Self::over(Sqlite::new())
    }

    /// A world around a database that has a past.
    pub fn over(database: Sqlite) -> Self {
        let settings = TestSettings::default();
        for (name, value) in [
            ("API_TOKEN", API_TOKEN),
            ("ELEVENLABS_API_KEY", "test-key"),
            ("ELEVENLABS_AGENT_ID", "agent_test"),
            ("ELEVENLABS_PHONE_NUMBER_ID", "phnum_test"),
            ("ELEVENLABS_BASE_URL", "http://elevenlabs.test/"),
        ] {
            settings.set(name, value);
        }
        let world = Self {
            database: Rc::new(database),
            runtime: TestRuntime::new(1),
            elevenlabs: Scripted {
                script: Rc::new(RefCell::new(Box::new(|_| Err(TransportError::Timeout)))),
                requests: Rc::default(),
                open: Rc::default(),
                most_open: Rc::default(),
            },
            settings,
        };
        world.elevenlabs_accepts();
        world
    }

    /// ElevenLabs answers by this script from now on.
    pub fn script(
        &self,
        script: impl Fn(&ApiRequest) -> Result<ApiAnswer, TransportError> + 'static,
    ) {
        *self.elevenlabs.script.borrow_mut() = Box::new(script);
    }

    /// ElevenLabs accepts every call, each as the conversation `conv_{driver_id}`.
    pub fn elevenlabs_accepts(&self) {
        self.script(|request| {
            let driver = dynamic_variables(request)["driver_id"].clone();
            let body = serde_json::json!({
                "success": true, "message": "Success",
                "conversation_id": format!("conv_{driver}"), "callSid": format!("CA{driver}"),
            });
            Ok(ApiAnswer {
                status: 200,
                body: body.to_string(),
            })
        });
    }

    pub fn service(&self) -> Service<&Sqlite, TestRuntime, Scripted, TestSettings> {
        Service::new(
            &*self.database,
            self.runtime.clone(),
            self.elevenlabs.clone(),
            self.settings.clone(),
        )
    }

    /// Sends it, and holds the answer to what `openapi.json` says of it.
    pub async fn send(&self, mut request: TestRequest) -> Reply {
        let answer = self.service().handle(&mut request).await;
        contract::assert_described(&request, &answer);
        read(answer)
    }

    /// Posts with the API token.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(request("POST", path, body.to_string())).await
    }

    /// Gets with the API token.
    pub async fn get(&self, target: &str) -> Reply {
        self.send(request("GET", target, "")).await
    }

    /// The numbers ElevenLabs was asked to phone, in the order of the requests.
    pub fn dialled(&self) -> Vec<String> {
        let requests = self.elevenlabs.requests.borrow();
        let posts = requests.iter().filter(|request| request.method == "POST");
        posts
            .map(|request| body_of(request)["to_number"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The log lines of one event.
    pub fn lines(&self, event: &str) -> Vec<Value> {
        let lines = self.runtime.lines.borrow();
        lines
            .iter()
            .filter(|line| line["event"] == event)
            .cloned()
            .collect()
    }

    /// One column of the call's row.
    pub fn call(&self, call_sid: &str, column: &str) -> Value {
        self.database.value(&format!(
            "SELECT {column} FROM calls WHERE call_sid = '{call_sid}'"
        ))
    }
}

pub fn request(method: &'static str, target: &str, body: impl Into<Vec<u8>>) -> TestRequest {
    TestRequest {
        method,
        target: target.to_owned(),
        headers: vec![("authorization".to_owned(), format!("Bearer {API_TOKEN}"))],
        body: body.into(),
        caller: Rc::new(Cell::new(Caller::Connected)),
    }
}

pub fn read(answer: Answer) -> Reply {
    Reply {
        status: answer.status,
        headers: answer.headers.into_iter().collect(),
        body: serde_json::from_str(&answer.body).unwrap_or_default(),
        text: answer.body,
    }
}

pub fn body_of(request: &ApiRequest) -> Value {
    serde_json::from_str(request.body.as_deref().unwrap()).unwrap()
}

pub fn dynamic_variables(request: &ApiRequest) -> Value {
    body_of(request)["conversation_initiation_client_data"]["dynamic_variables"].clone()
}

/// A request to place calls at 10:30 to these drivers, whose numbers end in their id.
pub fn place_body(drivers: &[u32]) -> Value {
    let drivers: Vec<_> = drivers
        .iter()
        .map(|driver| {
            serde_json::json!({
                "driverId": driver, "driverName": "Ada Diaz",
                "phoneNumber": format!("+1555010{driver:04}"),
                "violations": [{ "type": "hours_of_service" }],
            })
        })
        .collect();
    serde_json::json!({ "timestamp": "2025-11-21T10:30:00Z", "drivers": drivers })
}

/// The name of the call that [`place_body`] places to this driver.
pub fn sid(driver: u32) -> String {
    format!("EL_{driver}_2025-11-21T10:30:00Z")
}

/// A turn of that call, said so many seconds after 10:30.
pub fn turn_body(driver: u32, second: u32, message: &str) -> Value {
    serde_json::json!({
        "call_sid": sid(driver), "speaker": if second.is_multiple_of(2) { "agent" } else { "user" },
        "message": message, "timestamp": format!("2025-11-21T10:30:{second:02}Z"),
    })
}
