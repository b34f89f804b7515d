//! Whether an outbound-call body fits the schema, with every fault at once, in the shape FastAPI gives faults.

use serde_json::{Map, Value, json};

/// What a faultless body asks for.
pub(crate) struct OutboundCall {
    pub agent_id: String,
    pub agent_phone_number_id: String,
    pub to_number: String,
    pub user_id: Option<String>,
    pub dynamic_variables: Map<String, Value>,
}

/// Reads the body, or lists its faults.
pub(crate) fn outbound_call(
    content_type: Option<&str>,
    raw: &[u8],
) -> Result<OutboundCall, Vec<Value>> {
    let body = match parse(content_type, raw) {
        Ok(body) => body,
        Err(fault) => return Err(vec![fault]),
    };
    let mut faults = Faults::default();
    let agent_id = faults.required_string(&body, "agent_id");
    let agent_phone_number_id = faults.required_string(&body, "agent_phone_number_id");
    let to_number = faults.required_string(&body, "to_number");
    if let Some(number) = to_number.as_deref()
        && !is_e164(number)
    {
        faults.add(
            "string_pattern_mismatch",
            json!(["body", "to_number"]),
            "String should be a phone number in E.164",
            &json!(number),
        );
    }
    faults.optional_bool(&body, "call_recording_enabled");
    faults.telephony(body.get("telephony_call_config"));
    let (user_id, dynamic_variables) =
        faults.client_data(body.get("conversation_initiation_client_data"));
    match (agent_id, agent_phone_number_id, to_number) {
        (Some(agent_id), Some(agent_phone_number_id), Some(to_number)) if faults.0.is_empty() => {
            Ok(OutboundCall {
                agent_id,
                agent_phone_number_id,
                to_number,
                user_id,
                dynamic_variables,
            })
        }
        _ => Err(faults.0),
    }
}

/// FastAPI reads a body as JSON only when its content type says so, or says nothing; anything else has none of the fields.
fn parse(content_type: Option<&str>, raw: &[u8]) -> Result<Value, Value> {
    let is_json = content_type.is_none_or(|value| {
        let essence = value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        essence == "application/json"
            || (essence.starts_with("application/") && essence.ends_with("+json"))
    });
    if raw.is_empty() || !is_json {
        return Ok(Value::Null);
    }
    serde_json::from_slice(raw).map_err(|error| {
        json!({
            "type": "json_invalid", "loc": ["body", error.column()], "msg": "JSON decode error",
            "input": {}, "ctx": { "error": error.to_string() },
        })
    })
}

/// A plus sign, then 8 to 15 digits of which the first is not zero.
fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

#[derive(Default)]
struct Faults(Vec<Value>);

impl Faults {
    fn add(&mut self, kind: &str, loc: Value, msg: &str, input: &Value) {
        self.0
            .push(json!({ "type": kind, "loc": loc, "msg": msg, "input": input }));
    }

    fn required_string(&mut self, body: &Value, field: &str) -> Option<String> {
        let loc = json!(["body", field]);
        match body.get(field) {
            Some(Value::String(text)) => return Some(text.clone()),
            None => self.add("missing", loc, "Field required", &Value::Null),
            Some(other) => self.add("string_type", loc, "Input should be a valid string", other),
        }
        None
    }

    fn optional_bool(&mut self, body: &Value, field: &str) {
        match body.get(field) {
            None | Some(Value::Null | Value::Bool(_)) => {}
            Some(other) => self.add(
                "bool_type",
                json!(["body", field]),
                "Input should be a valid boolean",
                other,
            ),
        }
    }

    /// The call settings: may be left out, may not be null.
    fn telephony(&mut self, settings: Option<&Value>) {
        let Some(settings) = settings else { return };
        let Some(settings) = settings.as_object() else {
            let loc = json!(["body", "telephony_call_config"]);
            self.add("model_attributes_type", loc, NOT_AN_OBJECT, settings);
            return;
        };
        let Some(timeout) = settings.get("ringing_timeout_secs") else {
            return;
        };
        let loc = json!(["body", "telephony_call_config", "ringing_timeout_secs"]);
        match timeout.as_i64() {
            None => self.add("int_type", loc, "Input should be a valid integer", timeout),
            Some(secs) if secs < 1 => {
                self.add(
                    "greater_than_equal",
                    loc,
                    "Input should be greater than or equal to 1",
                    timeout,
                );
            }
            Some(secs) if secs > 999 => {
                self.add(
                    "less_than_equal",
                    loc,
                    "Input should be less than or equal to 999",
                    timeout,
                );
            }
            Some(_) => {}
        }
    }

    /// `user_id` and the dynamic variables.
    fn client_data(&mut self, data: Option<&Value>) -> (Option<String>, Map<String, Value>) {
        const FIELD: &str = "conversation_initiation_client_data";
        let mut user_id = None;
        let data = match data {
            None | Some(Value::Null) => return (None, Map::new()),
            Some(Value::Object(data)) => data,
            Some(other) => {
                self.add(
                    "model_attributes_type",
                    json!(["body", FIELD]),
                    NOT_AN_OBJECT,
                    other,
                );
                return (None, Map::new());
            }
        };
        match data.get("user_id") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => user_id = Some(text.clone()),
            Some(other) => self.add(
                "string_type",
                json!(["body", FIELD, "user_id"]),
                "Input should be a valid string",
                other,
            ),
        }
        let variables = match data.get("dynamic_variables") {
            None => Map::new(),
            Some(Value::Object(variables)) => variables.clone(),
            Some(other) => {
                let loc = json!(["body", FIELD, "dynamic_variables"]);
                self.add(
                    "dict_type",
                    loc,
                    "Input should be a valid dictionary",
                    other,
                );
                Map::new()
            }
        };
        for (name, value) in &variables {
            self.variable(&["body", FIELD, "dynamic_variables", name], name, value);
        }
        (user_id, variables)
    }

    fn variable(&mut self, loc: &[&str], name: &str, value: &Value) {
        if name.starts_with("system__") {
            let message = "Value error, names beginning with system__ are reserved";
            self.add("value_error", json!(loc), message, value);
        }
        if value.is_array() || value.is_object() {
            // One fault per type that would have been right, as a union is reported.
            for (kind, arm, noun) in [
                ("string_type", "str", "string"),
                ("float_type", "float", "number"),
                ("int_type", "int", "integer"),
                ("bool_type", "bool", "boolean"),
            ] {
                let loc = json!([loc, &[arm]].concat());
                self.add(kind, loc, &format!("Input should be a valid {noun}"), value);
            }
        }
    }
}

const NOT_AN_OBJECT: &str = "Input should be a valid dictionary or object to extract fields from";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers() {
        for good in ["+15550101234", "+4915112345678", "+12345678"] {
            assert!(is_e164(good), "{good}");
        }
        for bad in [
            "15550101234",
            "+0123456789",
            "+1 555 010 1234",
            "+1234567",
            "+1234567890123456",
            "",
            "+",
        ] {
            assert!(!is_e164(bad), "{bad}");
        }
    }

    #[test]
    fn a_body_that_does_not_call_itself_json_has_no_fields() {
        let raw = br#"{"agent_id":"a","agent_phone_number_id":"p","to_number":"+15550101234"}"#;
        assert!(outbound_call(None, raw).is_ok());
        assert!(outbound_call(Some("application/json; charset=utf-8"), raw).is_ok());
        let faults = outbound_call(Some("text/plain;charset=UTF-8"), raw)
            .err()
            .unwrap();
        assert_eq!(faults.len(), 3);
        assert_eq!(faults[0]["type"], "missing");
    }
}
