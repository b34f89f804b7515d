//! The world of one seed: the worker's database and its way to ElevenLabs, both unreliable, and
//! workers that die at any await.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use call_ledger::elevenlabs::{ApiAnswer, ApiRequest, Transport, TransportError};
use call_ledger::http::{BodyError, Incoming, Service};
use call_ledger::ledger::place_calls::Caller;
use call_ledger::ledger::reconcile::reconcile;
use call_ledger::model::UtcTime;
use call_ledger::platform::log::Line;
use call_ledger::platform::{RandomUnavailable, Runtime, Traced};
use call_ledger::store::bucket::{Bucket, BucketError};
use call_ledger::store::{Database, DatabaseError, ResultSet, Statement, Store};
use futures_util::future::{Either, select};
use serde_json::Value;

use super::elevenlabs::{Model, call_sid_of};
use super::executor::{Executor, Mortal};
use super::instance::{GRACE_MS, Instance, Sender};
use super::promises::Watch;
use super::settings::SimSettings;
use super::smallest::Limits;
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
    /// That ElevenLabs does not know a conversation that it lists when it is asked to show it.
    pub reading_lags: u64,
    pub turn_lost: u64,
    /// That the bucket refuses an operation, and that its answer to one is lost.
    pub bucket_fails: u64,
    /// That somebody who guessed a call's name posts turns and names conversations.
    pub spoofed: u64,
    /// That a caller that places calls hangs up.
    pub hangs_up: u64,
    /// That the configured agent is not the one that placed a call.
    pub agent_changed: u64,
}

/// A kind of fault: its name, and its chance in the weather.
type FaultKind = (&'static str, fn(&mut Weather) -> &mut u64);

/// Every kind of fault, so that a world can leave one out.
pub const FAULTS: [FaultKind; 10] = [
    ("database_refuses", |weather| &mut weather.database_refuses),
    ("answer_lost", |weather| &mut weather.answer_lost),
    ("worker_dies", |weather| &mut weather.worker_dies),
    ("elevenlabs_fails", |weather| &mut weather.elevenlabs_fails),
    ("reading_lags", |weather| &mut weather.reading_lags),
    ("turn_lost", |weather| &mut weather.turn_lost),
    ("bucket_fails", |weather| &mut weather.bucket_fails),
    ("spoofed", |weather| &mut weather.spoofed),
    ("hangs_up", |weather| &mut weather.hangs_up),
    ("agent_changed", |weather| &mut weather.agent_changed),
];

impl Weather {
    /// The weather without faults of these kinds.
    fn without(mut self, is_off: impl Fn(&str) -> bool) -> Self {
        for (name, chance) in FAULTS {
            if is_off(name) {
                *chance(&mut self) = 0;
            }
        }
        self
    }

    pub fn database_is_well(&self) -> bool {
        self.database_refuses == 0 && self.answer_lost == 0
    }
}

/// When a bucket is bound: a deployment may bind one later, or unbind it again.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    Never,
    Always,
    /// From this time on, in milliseconds.
    From(i64),
    /// Up to this time.
    Until(i64),
}

pub struct World {
    pub executor: Executor,
    pub database: Sqlite,
    /// The bucket's objects by key.
    pub bucket: RefCell<BTreeMap<String, String>>,
    bound: Bound,
    pub elevenlabs: RefCell<Model>,
    pub watch: Watch,
    pub weather: Cell<Weather>,
    pub limits: Limits,
    pub trace: RefCell<Vec<String>>,
    pub settings: SimSettings,
    /// Whether the runtime keeps to itself that a caller has hung up.
    pub untold: bool,
    /// How long most dials take, in milliseconds: at least, and how much longer at most.
    pub dial_takes: (u64, u64),
}

pub type Shared = Rc<World>;

/// The start of every simulation.
pub const START: &str = "2025-11-21T10:30:00Z";

impl World {
    /// The world of a seed without what the limits leave out. The dice fall as in the whole world
    /// until something else happens for the first time.
    pub fn new(seed: u64, limits: Limits) -> Shared {
        let start = UtcTime::parse(START).unwrap().as_millis();
        let executor = Executor::new(seed, start);
        let bad = |choices: [u64; 4]| choices[usize::try_from(executor.below(4)).unwrap()];
        let weather = Weather {
            database_refuses: bad([0, 20, 100, 400]),
            answer_lost: bad([0, 20, 100, 300]),
            worker_dies: bad([0, 20, 100, 300]),
            elevenlabs_fails: bad([0, 20, 100, 400]),
            reading_lags: bad([0, 0, 200, 700]),
            turn_lost: bad([0, 50, 200, 1000]),
            bucket_fails: bad([0, 20, 200, 700]),
            spoofed: bad([0, 0, 300, 1000]),
            hangs_up: bad([0, 0, 300, 1000]),
            agent_changed: bad([0, 0, 300, 1000]),
        };
        let settings = SimSettings::new(&executor);
        let untold = executor.chance(300);
        let dial_takes = [(0, 1_000), (0, 15_000), (0, 15_000), (40_000, 40_000)];
        let dial_takes = dial_takes[usize::try_from(executor.below(4)).unwrap()];
        // Somewhere in the storm, which takes an hour and a half.
        let moment = start + i64::try_from(executor.below(90 * 60_000)).unwrap();
        let bound = match executor.below(4) {
            0 => Bound::Never,
            1 => Bound::Always,
            2 => Bound::From(moment),
            _ => Bound::Until(moment),
        };
        Rc::new(Self {
            executor,
            database: Sqlite::new(),
            bucket: RefCell::default(),
            bound,
            elevenlabs: RefCell::default(),
            watch: Watch::default(),
            weather: Cell::new(weather.without(|name| limits.without.contains(name))),
            limits,
            trace: RefCell::default(),
            settings,
            untold,
            dial_takes,
        })
    }

    fn bucket_is_bound(&self) -> bool {
        let now = self.executor.now.get();
        match self.bound {
            Bound::Never => false,
            Bound::Always => true,
            Bound::From(moment) => now >= moment,
            Bound::Until(moment) => now < moment,
        }
    }

    pub fn now(&self) -> UtcTime {
        UtcTime::from_millis(self.executor.now.get()).unwrap()
    }

    /// From here on nothing fails any more.
    pub fn calm(&self) {
        self.weather.set(self.weather.get().without(|_| true));
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
        // A release build logs what a debug build panics at.
        if line.event == "invariant_broken" {
            let what = format!("an invariant is broken: {:?}", line.cause);
            self.0.watch.violated(&self.0, what);
        }
        self.0.note(|| format!("log {}", line.to_json()));
    }
}

/// D1: every round trip is one transaction, executed at some moment whether or not the worker
/// that asked for it still lives. It can be refused, and its answer can be lost.
#[derive(Clone)]
pub struct SimDatabase(pub Shared, pub Rc<Instance>);

impl Database for SimDatabase {
    type Bucket = Self;

    fn bucket(&self) -> Option<&Self> {
        self.0.bucket_is_bound().then_some(self)
    }

    async fn run(&self, statements: &[Statement]) -> Result<Vec<ResultSet>, DatabaseError> {
        let world = self.0.clone();
        self.1.asks(statements);
        let asked = statements.to_vec();
        let round_trip = async move {
            let executor = &world.executor;
            executor.delay(executor.below(20)).await;
            let weather = world.weather.get();
            if executor.chance(weather.database_refuses) {
                return Err(DatabaseError::new(TRANSIENT));
            }
            let result = world.database.transaction(&asked);
            if let Err(error) = &result {
                // Two requests at once must not run into each other's constraints.
                let what = format!("promise 3: the database refused a statement: {error}");
                world.watch.violated(&world, what);
            }
            // Most round trips only read, and then there is nothing new to check.
            if result
                .iter()
                .flatten()
                .any(|result| result.rows_written > 0)
            {
                world.watch.after_commit(&world);
            }
            let lost = executor.chance(weather.answer_lost);
            executor.delay(executor.below(20)).await;
            match result {
                Ok(_) if lost => Err(DatabaseError::new(TRANSIENT)),
                result => result.map_err(|error| DatabaseError::new(format!("D1_ERROR: {error}"))),
            }
        };
        let result = self.0.executor.spawn(round_trip).await;
        if result.is_err() {
            self.1.failed(statements);
        }
        result
    }
}

impl SimDatabase {
    /// One operation of the bucket, which happens whether or not the worker still lives. It can be
    /// refused, and its answer can be lost.
    async fn ask<T: 'static>(
        &self,
        act: impl FnOnce(&mut BTreeMap<String, String>) -> T + 'static,
    ) -> Result<T, BucketError> {
        let world = self.0.clone();
        let operation = async move {
            let executor = &world.executor;
            executor.delay(executor.below(20)).await;
            let failed = || BucketError::new("We encountered an internal error. (10001)");
            let fails = world.weather.get().bucket_fails;
            if executor.chance(fails / 2) {
                return Err(failed());
            }
            let answer = act(&mut world.bucket.borrow_mut());
            let lost = executor.chance(fails / 2);
            executor.delay(executor.below(20)).await;
            if lost { Err(failed()) } else { Ok(answer) }
        };
        self.0.executor.spawn(operation).await
    }
}

impl Bucket for SimDatabase {
    async fn put(&self, key: &str, text: &str) -> Result<(), BucketError> {
        let (key, text) = (key.to_owned(), text.to_owned());
        self.ask(move |objects| {
            objects.insert(key, text);
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Option<String>, BucketError> {
        let key = key.to_owned();
        self.ask(move |objects| objects.get(&key).cloned()).await
    }

    async fn delete(&self, keys: &[String]) -> Result<(), BucketError> {
        let keys = keys.to_vec();
        self.ask(move |objects| objects.retain(|key, _| !keys.contains(key)))
            .await
    }
}

/// The way to ElevenLabs: what is sent arrives, whether or not the worker still lives.
#[derive(Clone)]
pub struct SimTransport(pub Shared, pub Rc<Instance>);

impl Transport for SimTransport {
    async fn send(&self, request: ApiRequest) -> Result<ApiAnswer, TransportError> {
        let world = self.0.clone();
        let timeout = u64::try_from(request.timeout.as_millis()).unwrap();
        if request.method == "POST" {
            let call_sid = call_sid_of(&request);
            world
                .watch
                .placements
                .dial_starts(&world, &call_sid, &self.1);
        }
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

struct SimRequest {
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
    world: Shared,
    sender: Sender,
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

    fn caller(&self) -> Caller {
        self.sender.caller(self.world.executor.now.get())
    }

    async fn body(&mut self, _limit: usize) -> Result<Vec<u8>, BodyError> {
        Ok(self.body.clone().into_bytes())
    }
}

/// Posts to a worker and waits for the answer. `None` when the worker died before it answered.
pub async fn post(
    world: &Shared,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
) -> Option<(u16, Value)> {
    post_as(world, Sender::default(), path, headers, body).await
}

/// The same for a sender that may hang up; then there is no answer either, but the worker goes on
/// for as long as the runtime lets it.
pub async fn post_as(
    world: &Shared,
    sender: Sender,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
) -> Option<(u16, Value)> {
    let mut request = SimRequest {
        path,
        headers,
        body,
        world: world.clone(),
        sender,
    };
    let instance = Rc::new(Instance::new(world, sender));
    let here = world.clone();
    let parts = (world.clone(), instance.clone());
    let lifetime = world.lifetime();
    let worker = async move {
        let service = Service::new(
            SimDatabase(parts.0.clone(), parts.1.clone()),
            SimRuntime(parts.0.clone()),
            SimTransport(parts.0.clone(), parts.1),
            parts.0.settings,
        );
        service.handle(&mut request).await
    };
    let invocation = async move {
        let worker = Mortal::new(worker, lifetime);
        let answer = match sender.gone_at {
            None => worker.await,
            Some(gone_at) => {
                let left = u64::try_from(gone_at - here.executor.now.get()).unwrap_or(0);
                match select(worker, here.executor.delay(left + GRACE_MS)).await {
                    Either::Left((answer, _)) => answer,
                    Either::Right(_) => {
                        here.note(|| format!("{path} has no time left"));
                        here.watch.placements.worker_ends(&here, &instance, None);
                        return None;
                    }
                }
            }
        }?;
        let body = serde_json::from_str(&answer.body).unwrap_or_default();
        here.note(|| format!("{path} answered {} {}", answer.status, answer.body));
        let told = (answer.status, &body);
        here.watch
            .placements
            .worker_ends(&here, &instance, Some(told));
        Some((answer.status, body))
    };
    let answer = world.executor.spawn(invocation);
    match sender.gone_at {
        None => answer.await,
        Some(gone_at) => {
            let left = u64::try_from(gone_at - world.executor.now.get()).unwrap_or(0);
            match select(answer, world.executor.delay(left)).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => None,
            }
        }
    }
}

/// Runs the reconciler once, as the cron trigger does.
pub async fn cron(world: &Shared) {
    let here = world.clone();
    let instance = Rc::new(Instance::new(world, Sender::default()));
    let lifetime = world.lifetime();
    let worker = async move {
        let runtime = Traced::run(SimRuntime(here.clone()));
        let database = SimDatabase(here.clone(), instance.clone());
        let store = Store::new(database, runtime.clone());
        let transport = SimTransport(here.clone(), instance);
        reconcile(&store, &runtime, transport, &here.settings).await;
    };
    world.executor.spawn(Mortal::new(worker, lifetime)).await;
}
