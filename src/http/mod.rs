//! HTTP: from a request to a response, with one file for each resource.
//!
//! It is plain Rust over the small trait [`Incoming`]. So the tests on the host run the same
//! routes, checks and status codes as the worker.

mod accept;
mod address;
pub mod answer;
mod auth;
mod body;
mod csv;
mod cursor;
pub mod edge;
mod fields;
mod health;
mod incoming;
pub mod openapi;
mod place_calls;
mod post_call;
pub mod problem;
mod query;
mod read_calls;
mod record_turn;
mod router;
mod takes;

pub use answer::Answer;
pub use incoming::{BodyError, Incoming};
pub use problem::Problem;

use crate::elevenlabs::Transport;
use crate::platform::config::Settings;
use crate::platform::log::{Level, Line};
use crate::platform::{Runtime, Traced, random_id};
use crate::store::{Database, Store};

/// The service, for one request: the store, the connection to ElevenLabs, the runtime and the
/// settings that the routes use.
#[derive(Debug)]
pub struct Service<D, R, T, S> {
    pub(crate) store: Store<D, R>,
    pub(crate) runtime: R,
    pub(crate) transport: T,
    pub(crate) settings: S,
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    /// A service of these parts.
    pub fn new(database: D, runtime: R, transport: T, settings: S) -> Self {
        Self {
            store: Store::new(database, runtime.clone()),
            runtime,
            transport,
            settings,
        }
    }

    /// Answers one request and writes its log line. It never fails: each error becomes a problem
    /// response. Every log line of the request has the request's id.
    pub async fn handle(self, incoming: &mut impl Incoming) -> Answer {
        let request_id = incoming
            .header("cf-ray")
            .unwrap_or_else(|| random_id(&self.runtime));
        let runtime = Traced::request(self.runtime, &request_id);
        let service = Service {
            store: self.store.with_runtime(runtime.clone()),
            runtime,
            transport: self.transport,
            settings: self.settings,
        };
        let started = service.runtime.now();
        let (route, result) = service.route(incoming).await;
        let line = Line::new("request");
        let (mut answer, line) = match result {
            Ok(answer) => (answer, line),
            Err(problem) => (problem.to_answer(), problem.log(line)),
        };
        let usage = service.store.usage();
        let millis = service.runtime.now().as_millis() - started.as_millis();
        let line = Line {
            level: if answer.status >= 500 {
                Level::Error
            } else {
                Level::Info
            },
            route: Some(route),
            status: Some(answer.status),
            duration_ms: Some(millis),
            call_sid: answer.about.call_sid.take(),
            conversation_id: answer.about.conversation_id.take(),
            driver_id: answer.about.driver_id,
            code: answer.about.code.map(str::to_owned),
            ..line
        };
        service.runtime.log(&line.with_usage(usage));
        let timing = format!("db;dur={}, total;dur={millis}", usage.millis);
        answer.headers.push(("server-timing", timing));
        answer.headers.push(("x-request-id", request_id));
        if incoming.method() == "HEAD" {
            answer.body.clear();
        }
        answer
    }
}
