//! The Workers runtime's events.

use worker::js_sys::{Reflect, global};
use worker::wasm_bindgen::JsValue;
use worker::web_sys::{Request, Response};
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event};

use crate::elevenlabs::worker_transport::FetchTransport;
use crate::http::Service;
use crate::http::edge::{EdgeRequest, Refused};
use crate::ledger::reconcile::reconcile;
use crate::platform::worker_runtime::WorkerRuntime;
use crate::platform::worker_settings::WorkerSettings;
use crate::platform::{Traced, config};
use crate::store::Store;
use crate::store::d1::D1;

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
    // Futures are woken by a promise where there is no `queueMicrotask`, and the runtime's takes
    // ten times as long (docs/performance.md).
    let _ = Reflect::set(
        &global(),
        &JsValue::from_str("queueMicrotask"),
        &JsValue::NULL,
    );
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response, Refused> {
    service(&env)
        .handle(&mut EdgeRequest::new(request))
        .await
        .into_response()
}

fn service(env: &Env) -> Service<D1, WorkerRuntime, FetchTransport, WorkerSettings<'_>> {
    Service::new(
        D1::from_env(env, config::DATABASE),
        WorkerRuntime,
        FetchTransport,
        WorkerSettings(env),
    )
}

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let runtime = Traced::run(WorkerRuntime);
    let store = Store::new(D1::from_env(&env, config::DATABASE), runtime.clone());
    reconcile(&store, &runtime, FetchTransport, &WorkerSettings(&env)).await;
}
