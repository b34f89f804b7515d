//! The Workers runtime's events. `src/entry.js` calls these functions. Each returns one step as a
//! text: `=` and the result, or `[task, [[effect, kind, payload], …]]`.

use core::cell::RefCell;
use core::future::Future;
use std::rc::Rc;

use wasm_bindgen::prelude::wasm_bindgen;
use worker::event;

use crate::elevenlabs::worker_transport::FetchTransport;
use crate::http::Service;
use crate::http::edge::EdgeRequest;
use crate::ledger::reconcile::reconcile;
use crate::platform::config;
use crate::platform::effects::{Effects, Outcome, Step, Task, Tasks};
use crate::platform::worker_runtime::WorkerRuntime;
use crate::platform::worker_settings::{Environment, WorkerSettings};
use crate::platform::{Runtime, Traced};
use crate::store::Store;
use crate::store::d1::D1;

thread_local! {
    // An instance runs several requests at the same time. Each has a task with its own number.
    static TASKS: RefCell<Tasks> = RefCell::default();
    // The same for all requests of an instance.
    static ENVIRONMENT: RefCell<Rc<Environment>> = RefCell::default();
}

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Stores the environment, as JSON. `src/entry.js` calls it before the first event of an instance.
#[wasm_bindgen]
pub fn configure(environment: &str) {
    ENVIRONMENT.set(Rc::new(Environment::new(environment)));
}

fn settings(effects: &Effects) -> WorkerSettings {
    WorkerSettings::new(ENVIRONMENT.with_borrow(Rc::clone), effects.clone())
}

/// Starts to answer a request. `head` has its method, URL and headers. `tells_hang_up` is true if
/// the runtime reports that the sender hung up.
#[wasm_bindgen]
#[must_use]
pub fn begin_request(head: &str, tells_hang_up: bool) -> String {
    let effects = Effects::default();
    let mut request = EdgeRequest::new(head, tells_hang_up, effects.clone());
    let runtime = WorkerRuntime::new(effects.clone());
    let settings = settings(&effects);
    let service = Service::new(
        D1::new(effects.clone(), settings.has_bucket(config::BUCKET)),
        runtime.clone(),
        FetchTransport::new(effects.clone()),
        settings,
    );
    begin(&runtime, effects, async move {
        service.handle(&mut request).await.into_text()
    })
}

/// Starts a run of the reconciler, by the cron.
#[wasm_bindgen]
#[must_use]
pub fn begin_scheduled() -> String {
    let effects = Effects::default();
    let runtime = Traced::run(WorkerRuntime::new(effects.clone()));
    let settings = settings(&effects);
    let store = Store::new(
        D1::new(effects.clone(), settings.has_bucket(config::BUCKET)),
        runtime.clone(),
    );
    let transport = FetchTransport::new(effects.clone());
    begin(&runtime.clone(), effects, async move {
        reconcile(&store, &runtime, transport, &settings).await;
        String::new()
    })
}

/// Continues a task whose effect returned a text.
#[wasm_bindgen]
#[must_use]
pub fn resume_text(task: u32, effect: u32, text: String, hung_up: bool) -> String {
    resume(task, effect, Outcome::Text(text), hung_up)
}

/// Continues a task whose effect returned bytes.
#[wasm_bindgen]
#[must_use]
pub fn resume_bytes(task: u32, effect: u32, bytes: Vec<u8>, hung_up: bool) -> String {
    resume(task, effect, Outcome::Bytes(bytes), hung_up)
}

/// Continues a task whose effect failed.
#[wasm_bindgen]
#[must_use]
pub fn resume_failed(task: u32, effect: u32, message: String, hung_up: bool) -> String {
    resume(task, effect, Outcome::Failed(message), hung_up)
}

fn begin(
    runtime: &impl Runtime,
    effects: Effects,
    future: impl Future<Output = String> + 'static,
) -> String {
    let now = runtime.now().as_millis();
    let number = TASKS.with_borrow_mut(|tasks| tasks.reserve(now));
    advance(number, now, Task::new(effects, future))
}

fn resume(number: u32, effect: u32, outcome: Outcome, hung_up: bool) -> String {
    let Some((begun, task)) = TASKS.with_borrow_mut(|tasks| tasks.take(number)) else {
        // The task ended before this effect did, and does not need its result.
        return format!("[{number},[]]");
    };
    task.answer(effect, outcome, hung_up);
    advance(number, begun, task)
}

fn advance(number: u32, begun: i64, mut task: Task) -> String {
    // The task is not in the table while it runs. So if it traps, no borrow of the table remains.
    match task.step() {
        Step::Done(result) => format!("={result}"),
        Step::Waits(asked) => {
            TASKS.with_borrow_mut(|tasks| tasks.put(number, begun, task));
            format!("[{number},[{asked}]]")
        }
    }
}
