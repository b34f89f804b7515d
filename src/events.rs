//! The Workers runtime's events. `src/entry.js` calls these functions; each returns the text of a
//! step: `=` and the result, or `[task, [[effect, kind, payload], …]]`.

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
    // A task belongs to one request and is reached by its own number only.
    static TASKS: RefCell<Tasks> = RefCell::default();
    // The same for every request while the instance lives.
    static ENVIRONMENT: RefCell<Rc<Environment>> = RefCell::default();
}

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Takes over the environment as JSON, before the first event of an instance.
#[wasm_bindgen]
pub fn configure(environment: &str) {
    ENVIRONMENT.set(Rc::new(Environment::new(environment)));
}

fn settings(effects: &Effects) -> WorkerSettings {
    WorkerSettings::new(ENVIRONMENT.with_borrow(Rc::clone), effects.clone())
}

/// Begins to answer a request: its method, address and headers; whether the runtime tells when its
/// sender hangs up.
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

/// Begins a run of the cron.
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

/// Goes on with a task whose effect has succeeded with a text.
#[wasm_bindgen]
#[must_use]
pub fn resume_text(task: u32, effect: u32, text: String, hung_up: bool) -> String {
    resume(task, effect, Outcome::Text(text), hung_up)
}

/// Goes on with a task whose effect has succeeded with bytes.
#[wasm_bindgen]
#[must_use]
pub fn resume_bytes(task: u32, effect: u32, bytes: Vec<u8>, hung_up: bool) -> String {
    resume(task, effect, Outcome::Bytes(bytes), hung_up)
}

/// Goes on with a task whose effect has failed.
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
        // The result of an effect that the task no longer needed when it was done.
        return format!("[{number},[]]");
    };
    task.answer(effect, outcome, hung_up);
    advance(number, begun, task)
}

fn advance(number: u32, begun: i64, mut task: Task) -> String {
    // The task is not in the table while it runs: a trap in it leaves no borrow behind.
    match task.step() {
        Step::Done(result) => format!("={result}"),
        Step::Waits(asked) => {
            TASKS.with_borrow_mut(|tasks| tasks.put(number, begun, task));
            format!("[{number},[{asked}]]")
        }
    }
}
