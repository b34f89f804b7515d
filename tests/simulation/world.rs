//! The world of one seed: the worker's database and its way to ElevenLabs, both unreliable, and
//! workers that die at any await.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use call_ledger::elevenlabs::{ApiAnswer, ApiRequest, Transport, TransportError};
use call_ledger::http::{BodyError, Incoming, Service};
use call_ledger::ledger::reconcile::reconcile;
use call_ledger::model::UtcTime;
use call_ledger::platform::config::{Setting, Settings};
use call_ledger::platform::log::Line;
use call_ledger::platform::{RandomUnavailable, Runtime, Traced};
use call_ledger::store::{Database, DatabaseError, ResultSet, Statement, Store};
use futures_util::future::{Either, select};
use serde_json::Value;

use super::elevenlabs::Model;
use super::executor::{Executor, Mortal};
use super::promises::Watch;
use crate::support::sqlite::{Sqlite, TRANSIENT};

pub const API_TOKEN: &str = "sim-token";
pub const SECRET: &str = "wsec_sim";

/// How unreliable the world of a seed is, in chances of a thousand.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    pub database_refuses: u64,
    pub answer_lost: u64,
    pub worker_dies: u64,
    pub elevenlabs_fails: u64,
    pub turn_lost: u64,
    /// That somebody who guessed a call's name posts turns and names conversations.
    pub spoofed: u64,
}

pub struct World {
    pub executor: Executor,
    pub database: Sqlite,
    pub elevenlabs: RefCell<Model>,
    pub watch: Watch,
    pub weather: Cell<Weather>,
    pub trace: RefCell<Vec<String>>,
}

pub type Shared = Rc<World>;

/// The start of every simulation.
pub const START: &str = "2025-11-21T10:30:00Z";

impl World {
    pub fn new(seed: u64) -> Shared {
        let start = UtcTime::parse(START).unwrap().as_millis();
        let executor = Executor::new(seed, start);
        let bad = |choices: [u64; 4]| choices[usize::try_from(executor.below(4)).unwrap()];
        let weather = Weather {
            database_refuses: bad([0, 20, 100, 400]),
            answer_lost: bad([0, 20, 100, 300]),
            worker_dies: bad([0, 20, 100, 300]),
            elevenlabs_fails: bad([0, 20, 100, 400]),
            turn_lost: bad([0, 50, 200, 1000]),
            spoofed: bad([0, 0, 300, 1000]),
        };
        Rc::new(Self {
            executor,
            database: Sqlite::new(),
            elevenlabs: RefCell::default(),
            watch: Watch::default(),
            weather: Cell::new(weather),
            trace: RefCell::default(),
        })
    }

    pub fn now(&self) -> UtcTime {
        UtcTime::from_millis(self.executor.now.get()).unwrap()
    }

    /// From here on nothing fails any more.
    pub fn calm(&self) {
        self.weather.set(Weather {
            database_refuses: 0,
            answer_lost: 0,
            worker_dies: 0,
            elevenlabs_fails: 0,
            turn_lost: 0,
            spoofed: 0,
        });
    }

    pub fn note(&self, what: impl FnOnce() -> String) {
        let time = self.executor.now.get() - UtcTime::parse(START).unwrap().as_millis();
        self.trace
            .borrow_mut()
            .push(format!("{time:>9} ms  {}", what()));
    }

    fn lifetime(&self) -> Option<u64> {
        let dies = self.executor.chance(self.weather.get().worker_dies);
        dies.then(|| self.executor.below(40))
    }
}

/// A worker's runtime.
#[derive(Clone)]
pub struct SimRuntime(pub Shared);

impl Runtime for SimRuntime {
    fn now(&self) -> UtcTime {
        self.0.now()
    }

    fn random(&self) -> Result<[u8; 16], RandomUnavailable> {
        let bits = u128::from(self.0.executor.bits()) << 64 | u128::from(self.0.executor.bits());
        Ok(bits.to_be_bytes())
    }

    async fn sleep(&self, millis: u64) {
        self.0.executor.delay(millis).await;
    }

    fn log(&self, line: &Line) {
        self.0.note(|| format!("log {}", line.to_json()));
    }
}

/// D1: every round trip is one transaction, executed at some moment whether or not the worker
/// that asked for it still lives. It can be refused, and its answer can be lost.
#[derive(Clone)]
pub struct SimDatabase(pub Shared);

impl Database for SimDatabase {
    async fn run(&self, statements: &[Statement]) -> Result<Vec<ResultSet>, DatabaseError> {
        let world = self.0.clone();
        let statements = statements.to_vec();
        let round_trip = async move {
            let executor = &world.executor;
            executor.delay(executor.below(20)).await;
            let weather = world.weather.get();
            if executor.chance(weather.database_refuses) {
                return Err(DatabaseError::new(TRANSIENT));
            }
            let result = world.database.transaction(&statements);
            if let Err(error) = &result {
                // Two requests at once must not run into each other's constraints.
                let what = format!("promise 3: the database refused a statement: {error}");
                world.watch.violated(&world, what);
            }
            world.watch.after_commit(&world);
            let lost = executor.chance(weather.answer_lost);
            executor.delay(executor.below(20)).await;
            match result {
                Ok(_) if lost => Err(DatabaseError::new(TRANSIENT)),
                result => result.map_err(|error| DatabaseError::new(format!("D1_ERROR: {error}"))),
            }
        };
        self.0.executor.spawn(round_trip).await
    }
}

/// The way to ElevenLabs: what is sent arrives, whether or not the worker still lives.
#[derive(Clone)]
pub struct SimTransport(pub Shared);

impl Transport for SimTransport {
    async fn send(&self, request: ApiRequest) -> Result<ApiAnswer, TransportError> {
        let world = self.0.clone();
        let timeout = u64::try_from(request.timeout.as_millis()).unwrap();
        let exchange = async move {
            world.executor.delay(world.executor.below(200)).await;
            Model::answer(&world, &request).await
        };
        let exchange = self.0.executor.spawn(exchange);
        match select(exchange, self.0.executor.delay(timeout)).await {
            Either::Left((answer, _)) => {
                answer.ok_or_else(|| TransportError::Broken("cut".to_owned()))
            }
            Either::Right(_) => Err(TransportError::Timeout),
        }
    }
}

pub struct SimSettings;

impl Settings for SimSettings {
    fn get(&self, name: &str) -> Setting {
        let value = match name {
            "API_TOKEN" => API_TOKEN,
            "ELEVENLABS_API_KEY" => "key",
            "ELEVENLABS_AGENT_ID" => "agent",
            "ELEVENLABS_PHONE_NUMBER_ID" => "phnum",
            "ELEVENLABS_WEBHOOK_SECRET" => SECRET,
            "ELEVENLABS_BASE_URL" => "http://elevenlabs.sim",
            "ELEVENLABS_TIMEOUT_SECS" => "20",
            _ => return Setting::Unset,
        };
        Setting::Text(value.to_owned())
    }
}

struct SimRequest {
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Incoming for SimRequest {
    fn method(&self) -> String {
        "POST".to_owned()
    }

    fn path(&self) -> String {
        self.path.to_owned()
    }

    fn query(&self) -> String {
        String::new()
    }

    fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(given, _)| *given == name);
        found.map(|(_, value)| value.clone())
    }

    async fn body(&mut self, _limit: usize) -> Result<Vec<u8>, BodyError> {
        Ok(self.body.clone().into_bytes())
    }
}

/// Posts to a worker. `None` when the worker died before it answered.
pub async fn post(
    world: &Shared,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
) -> Option<(u16, Value)> {
    let mut request = SimRequest {
        path,
        headers,
        body,
    };
    let here = world.clone();
    let lifetime = world.lifetime();
    let worker = async move {
        let service = Service::new(
            SimDatabase(here.clone()),
            SimRuntime(here.clone()),
            SimTransport(here.clone()),
            SimSettings,
        );
        service.handle(&mut request).await
    };
    let answer = world.executor.spawn(Mortal::new(worker, lifetime)).await?;
    let body = serde_json::from_str(&answer.body).unwrap_or_default();
    world.note(|| format!("{path} answered {} {}", answer.status, answer.body));
    Some((answer.status, body))
}

/// Runs the reconciler once, as the cron trigger does.
pub async fn cron(world: &Shared) {
    let here = world.clone();
    let lifetime = world.lifetime();
    let worker = async move {
        let runtime = Traced::run(SimRuntime(here.clone()));
        let store = Store::new(SimDatabase(here.clone()), runtime.clone());
        reconcile(&store, &runtime, SimTransport(here.clone()), &SimSettings).await;
    };
    world.executor.spawn(Mortal::new(worker, lifetime)).await;
}
