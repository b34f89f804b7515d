//! Variables, secrets and rate limits of the worker's environment.

use worker::Env;
use worker::js_sys::{Function, Object, Promise, Reflect};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;

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

    async fn admits(&self, limit: &'static str, key: &str) -> bool {
        let binding = Reflect::get(self.0, &JsValue::from_str(limit)).ok();
        match binding.filter(JsValue::is_object) {
            Some(limiter) => ask(&limiter, key).await.unwrap_or(true),
            None => true,
        }
    }
}

/// Asks a rate limit binding: `limit({ key })` answers `{ success }`.
async fn ask(limiter: &JsValue, key: &str) -> Result<bool, JsValue> {
    let options = Object::new();
    Reflect::set(&options, &JsValue::from_str("key"), &JsValue::from_str(key))?;
    let limit: Function = Reflect::get(limiter, &JsValue::from_str("limit"))?.dyn_into()?;
    let answer: Promise = limit.call1(limiter, &options)?.dyn_into()?;
    let answer = JsFuture::from(answer).await?;
    let success = Reflect::get(&answer, &JsValue::from_str("success"))?;
    Ok(success != JsValue::FALSE)
}
