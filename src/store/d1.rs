//! The worker's database: Cloudflare D1.
//!
//! It speaks to the D1 binding by its JavaScript methods, because the wrapper around them
//! unwraps (`prepare`) and crosses into JavaScript once per column. Here a result crosses once,
//! as JSON text.

use worker::js_sys::{Array, JSON, Object, Reflect};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::worker_sys::types::{D1Database, D1PreparedStatement, D1Result};

use super::{Database, DatabaseError, Param, ResultSet, Statement};

/// D1 behind a binding of the worker's environment.
#[derive(Debug)]
pub struct D1 {
    binding: Option<D1Database>,
}

impl D1 {
    /// The database bound under this name. When there is none, every use of it says so.
    #[must_use]
    pub fn from_env(env: &worker::Env, name: &str) -> Self {
        let binding = Reflect::get(env, &JsValue::from_str(name)).ok();
        Self {
            binding: binding
                .filter(|value| value.is_object())
                .map(JsCast::unchecked_into),
        }
    }

    fn prepare(&self, statement: &Statement) -> Result<D1PreparedStatement, JsValue> {
        let binding = self
            .binding
            .as_ref()
            .ok_or_else(|| JsValue::from_str("the D1 binding is missing from the configuration"))?;
        let prepared = binding.prepare(&statement.sql)?;
        if statement.params.is_empty() {
            return Ok(prepared);
        }
        prepared.bind(statement.params.iter().map(js_value).collect::<Array>())
    }

    async fn call(&self, statements: &[Statement]) -> Result<Vec<ResultSet>, JsValue> {
        if let [statement] = statements {
            let result = JsFuture::from(self.prepare(statement)?.all()?).await?;
            return Ok(vec![result_set(&result.unchecked_into())?]);
        }
        let prepared = statements
            .iter()
            .map(|statement| self.prepare(statement).map(JsValue::from))
            .collect::<Result<Array, _>>()?;
        let promise = match &self.binding {
            Some(binding) => binding.batch(prepared)?,
            None => return Ok(Vec::new()),
        };
        let results: Array = JsFuture::from(promise).await?.unchecked_into();
        results
            .iter()
            .map(|result| result_set(&result.unchecked_into()))
            .collect()
    }
}

impl Database for D1 {
    async fn run(&self, statements: &[Statement]) -> Result<Vec<ResultSet>, DatabaseError> {
        self.call(statements)
            .await
            .map_err(|error| DatabaseError::new(message(&error)))
    }
}

fn js_value(param: &Param) -> JsValue {
    match param {
        Param::Null => JsValue::NULL,
        // D1 refuses BigInt, and a double holds every whole number up to 2^53.
        #[expect(
            clippy::cast_precision_loss,
            reason = "the ledger binds nothing above 2^53"
        )]
        Param::Integer(number) => JsValue::from_f64(*number as f64),
        Param::Text(text) => JsValue::from_str(text),
    }
}

fn result_set(result: &D1Result) -> Result<ResultSet, JsValue> {
    let rows = match result.results()? {
        Some(rows) if rows.length() > 0 => json(&rows)?,
        _ => String::new(),
    };
    let meta = result.meta()?;
    Ok(ResultSet {
        rows,
        rows_read: count(&meta, "rows_read"),
        rows_written: count(&meta, "rows_written"),
        operation: None,
    })
}

/// A number in a result's `meta`, by which it is billed; 0 where there is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of rows; a float cast saturates"
)]
fn count(meta: &Object, name: &str) -> u64 {
    let number = Reflect::get(meta, &JsValue::from_str(name)).ok();
    number.and_then(|number| number.as_f64()).unwrap_or(0.0) as u64
}

fn json(value: &Object) -> Result<String, JsValue> {
    JSON::stringify(value).map(String::from)
}

/// The text of whatever D1 threw, its cause included: which of the two carries the database's
/// own words differs between its methods.
fn message(error: &JsValue) -> String {
    let text = |value: &JsValue| {
        let message = Reflect::get(value, &JsValue::from_str("message")).ok();
        message.and_then(|message| message.as_string())
    };
    let Some(mut all) = text(error) else {
        return error
            .as_string()
            .unwrap_or_else(|| "the database failed without a message".to_owned());
    };
    let cause = Reflect::get(error, &JsValue::from_str("cause")).ok();
    if let Some(cause) = cause.as_ref().and_then(text)
        && !all.contains(&cause)
    {
        all.push_str(": ");
        all.push_str(&cause);
    }
    all
}
