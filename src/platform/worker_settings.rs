//! Variables, secrets and rate limits of the worker's environment.

use worker::Env;
use worker::js_sys::{Function, Object, Promise, Reflect};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;

use super::config::{RateLimit, Setting, Settings};

/// The worker's environment. Read directly, because the wrapper checks the constructor's name
/// in JavaScript for every value.
#[derive(Debug)]
pub struct WorkerSettings<'a>(pub &'a Env);

impl WorkerSettings<'_> {
    fn value(&self, name: &str) -> Result<JsValue, JsValue> {
        Reflect::get(self.0, &JsValue::from_str(name))
    }
}

impl Settings for WorkerSettings<'_> {
    fn get(&self, name: &str) -> Setting {
        let Ok(value) = self.value(name) else {
            return Setting::Unreadable;
        };
        if value.is_undefined() {
            return Setting::Unset;
        }
        match (value.as_string(), value.as_f64()) {
            (Some(text), _) => Setting::Text(text),
            (None, Some(number)) => Setting::from_number(number),
            (None, None) => Setting::Unreadable,
        }
    }

    fn rate_limit(&self, name: &str) -> RateLimit {
        match self.value(name) {
            Ok(value) if value.is_undefined() => RateLimit::Unbound,
            Ok(value) if method(&value).is_some() => RateLimit::Bound,
            _ => RateLimit::Other,
        }
    }

    async fn admits(&self, limit: &'static str, key: &str) -> bool {
        match self.value(limit) {
            Ok(limiter) => ask(&limiter, key).await.unwrap_or(true),
            Err(_) => true,
        }
    }
}

/// The method of a rate limit binding; `None` when the value is none.
fn method(limiter: &JsValue) -> Option<Function> {
    let method = Reflect::get(limiter, &JsValue::from_str("limit")).ok()?;
    method.dyn_into().ok()
}

/// Asks a rate limit binding: `limit({ key })` answers `{ success }`.
async fn ask(limiter: &JsValue, key: &str) -> Result<bool, JsValue> {
    let options = Object::new();
    Reflect::set(&options, &JsValue::from_str("key"), &JsValue::from_str(key))?;
    let limit = method(limiter).ok_or(JsValue::UNDEFINED)?;
    let answer: Promise = limit.call1(limiter, &options)?.dyn_into()?;
    let answer = JsFuture::from(answer).await?;
    let success = Reflect::get(&answer, &JsValue::from_str("success"))?;
    Ok(success != JsValue::FALSE)
}
