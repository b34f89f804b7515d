//! Variables and secrets of the worker's environment.

use worker::Env;
use worker::js_sys::Reflect;
use worker::wasm_bindgen::JsValue;

use super::config::Settings;

/// The worker's environment. Read directly, because the wrapper checks the constructor's name
/// in JavaScript for every value.
#[derive(Debug)]
pub struct WorkerSettings<'a>(pub &'a Env);

impl Settings for WorkerSettings<'_> {
    fn get(&self, name: &str) -> Option<String> {
        Reflect::get(self.0, &JsValue::from_str(name))
            .ok()?
            .as_string()
    }
}
