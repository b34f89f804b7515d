//! The service where nothing is behind it: a database that listens and refuses, and an ElevenLabs
//! that says the same to everything.

use core::convert::Infallible;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::cell::RefCell;

use call_ledger::elevenlabs::{ApiAnswer, ApiRequest, Transport, TransportError};
use call_ledger::http::{Answer, BodyError, Incoming, Service};
use call_ledger::model::UtcTime;
use call_ledger::platform::config::{Setting, Settings};
use call_ledger::platform::log::Line;
use call_ledger::platform::{RandomUnavailable, Runtime};
use call_ledger::store::{Database, DatabaseError, Param, ResultSet, Statement};

/// Runs to the end what never really waits.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

/// Gives this answer to every request.
pub struct Parrot<'a> {
    pub status: u16,
    pub body: &'a str,
}

impl Transport for Parrot<'_> {
    async fn send(&self, _: ApiRequest) -> Result<ApiAnswer, TransportError> {
        let (status, body) = (self.status, self.body.to_owned());
        Ok(ApiAnswer { status, body })
    }
}

/// Remembers the texts that were to be stored, and stores nothing.
#[derive(Default)]
struct Listening(RefCell<Vec<String>>);

impl Database for &Listening {
    type Bucket = Infallible;

    fn bucket(&self) -> Option<&Infallible> {
        None
    }

    async fn run(&self, statements: &[Statement]) -> Result<Vec<ResultSet>, DatabaseError> {
        let params = statements.iter().flat_map(|statement| &statement.params);
        let texts = params.filter_map(|param| match param {
            Param::Text(text) => Some(text.clone()),
            _ => None,
        });
        self.0.borrow_mut().extend(texts);
        Err(DatabaseError::new("refused"))
    }
}

#[derive(Clone, Copy)]
struct Still;

impl Runtime for Still {
    fn now(&self) -> UtcTime {
        UtcTime::EPOCH
    }

    fn random(&self) -> Result<[u8; 16], RandomUnavailable> {
        Ok([7; 16])
    }

    async fn sleep(&self, _: u64) {}

    fn log(&self, line: &Line) {
        // Each line has to be JSON, whatever came.
        let line = line.to_json();
        assert!(
            serde_json::from_str::<serde_json::Value>(&line).is_ok(),
            "{line}"
        );
    }
}

struct Configured;

impl Settings for Configured {
    fn get(&self, name: &str) -> Setting {
        let needed = [
            "API_TOKEN",
            "ELEVENLABS_API_KEY",
            "ELEVENLABS_AGENT_ID",
            "ELEVENLABS_PHONE_NUMBER_ID",
        ];
        if needed.contains(&name) {
            Setting::Text("token".to_owned())
        } else {
            Setting::Unset
        }
    }

    async fn admits(&self, _: &'static str, _: &str) -> bool {
        true
    }
}

struct Posted<'a>(&'static str, &'a [u8]);

impl Incoming for Posted<'_> {
    fn method(&self) -> String {
        "POST".to_owned()
    }

    fn path(&self) -> String {
        self.0.to_owned()
    }

    fn query(&self) -> String {
        String::new()
    }

    fn header(&self, name: &str) -> Option<String> {
        (name == "authorization").then(|| "Bearer token".to_owned())
    }

    async fn body(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        if self.1.len() > limit {
            return Err(BodyError::TooLarge);
        }
        Ok(self.1.to_vec())
    }
}

/// What the service answers to a body, and the texts that it wanted to store.
pub fn post(path: &'static str, body: &[u8]) -> (Answer, Vec<String>) {
    let database = Listening::default();
    let nobody = Parrot {
        status: 500,
        body: "",
    };
    let service = Service::new(&database, Still, &nobody, Configured);
    let answer = wait(service.handle(&mut Posted(path, body)));
    (answer, database.0.take())
}
