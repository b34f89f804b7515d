//! The bodies of requests, read a second time out of serde_json's values.

use call_ledger::http::Answer;
use call_ledger::json::replace_lone_surrogates;
use serde_json::Value;

use super::service::post;
use super::{phone, time};

pub const PLACE: &str = "/driver_data/call-elevenlabs";
pub const TURN: &str = "/webhooks/elevenlabs/transcription";

/// The greatest driver id, 2^53 - 1.
const GREATEST: u64 = 9_007_199_254_740_991;

/// A posted turn as it is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub call_sid: String,
    pub speaker: &'static str,
    pub message: String,
    pub timestamp: String,
    pub conversation_id: Option<String>,
}

/// A call as it is to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub call_sid: String,
    pub driver_id: u64,
    pub phone_number: String,
    pub name: String,
    pub custom_rules: String,
    pub violations: usize,
}

/// A text that has to be there and to hold something.
fn words(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

/// A text that may be missing; nothing where it is no text.
fn optional(value: &Value) -> Option<&str> {
    if value.is_null() {
        Some("")
    } else {
        value.as_str()
    }
}

fn instant(value: &Value) -> Option<time::Instant> {
    let instant = time::read(value.as_str()?)?;
    (time::FIRST..time::END)
        .contains(&instant.0)
        .then_some(instant)
}

/// The turn of a body, where the contract takes it.
pub fn turn(body: &Value) -> Option<Turn> {
    let name = |name: &str| Some(optional(&body[name])?).filter(|text| text.len() <= 200);
    let conversation_id = name("conversation_id")?.trim();
    Some(Turn {
        call_sid: words(&body["call_sid"]).and(name("call_sid"))?.to_owned(),
        speaker: match body["speaker"].as_str()? {
            "agent" => "agent",
            "user" => "driver",
            _ => return None,
        },
        message: words(&body["message"])?.to_owned(),
        timestamp: time::canonical(instant(&body["timestamp"])?),
        conversation_id: (!conversation_id.is_empty()).then(|| conversation_id.to_owned()),
    })
}

fn driver_id(value: &Value) -> Option<u64> {
    let id = match value {
        Value::String(digits) => {
            let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u64>().ok().filter(|_| all)?
        }
        value => {
            let number = value.as_f64()?;
            (number.fract() == 0.0 && number >= 0.0).then_some(number as u64)?
        }
    };
    (1..=GREATEST).contains(&id).then_some(id)
}

/// The calls of a body, where the contract takes it.
pub fn calls(body: &Value) -> Option<Vec<Call>> {
    let requested = time::in_a_call_sid(instant(&body["timestamp"])?);
    let drivers = body["drivers"].as_array()?;
    let call = |driver: &Value| {
        let id = driver_id(&driver["driverId"])?;
        let violations = match &driver["violations"] {
            Value::Null => 0,
            violations => {
                let violations = violations.as_array()?;
                let right = |violation: &Value| {
                    let occurred = &violation["occurredAt"];
                    words(&violation["type"]).is_some()
                        && optional(&violation["description"]).is_some()
                        && (occurred.is_null() || instant(occurred).is_some())
                };
                violations.iter().all(right).then_some(violations.len())?
            }
        };
        Some(Call {
            call_sid: format!("EL_{id}_{requested}"),
            driver_id: id,
            phone_number: phone::e164(driver["phoneNumber"].as_str()?)?,
            name: optional(&driver["driverName"])?.to_owned(),
            custom_rules: optional(&driver["customRules"])?.to_owned(),
            violations,
        })
    };
    let calls: Vec<Call> = drivers.iter().map(call).collect::<Option<_>>()?;
    let mut ids: Vec<_> = calls.iter().map(|call| call.driver_id).collect();
    ids.sort_unstable();
    ids.dedup();
    ((1..=20).contains(&calls.len()) && ids.len() == calls.len()).then_some(calls)
}

/// The refusal of a body that is not what a route takes, in the documented form.
pub fn assert_refused(status: u16, body: &Value) {
    assert_eq!(
        (status, &body["code"]),
        (400, &Value::from("invalid_request")),
        "{body}"
    );
    assert_eq!(
        (&body["status"], &body["type"]),
        (&Value::from(400), &Value::from("about:blank"))
    );
    assert!(words(&body["title"]).is_some() && words(&body["detail"]).is_some());
    if !body["errors"].is_null() {
        let errors = body["errors"]
            .as_array()
            .filter(|errors| !errors.is_empty());
        let errors = errors.unwrap_or_else(|| panic!("{body}"));
        for error in errors {
            assert!(
                words(&error["field"]).is_some() && words(&error["message"]).is_some(),
                "{body}"
            );
        }
    }
}

/// What a body is where a route could take it at all.
fn value(data: &[u8]) -> Value {
    let mut body = data.to_vec();
    replace_lone_surrogates(&mut body);
    serde_json::from_slice(&body).unwrap_or_default()
}

/// Where nothing could be stored the answer says so; `500` shows that a body was good.
fn assert_answer(answer: &Answer, code: &str, texts: &[String], good: bool) {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    if good {
        assert_eq!(
            (answer.status, body["code"].as_str()),
            (500, Some(code)),
            "{body}"
        );
    } else {
        assert_refused(answer.status, &body);
        assert_eq!(texts, [""; 0]);
    }
}

/// A body is taken exactly where it should be, and what is to be stored is what it says.
pub fn check_turn(data: &[u8]) {
    let (answer, texts) = post(TURN, data);
    let turn = turn(&value(data));
    assert_answer(&answer, "store_unavailable", &texts, turn.is_some());
    if let Some(turn) = turn {
        assert_eq!(
            texts[..4],
            [
                turn.call_sid,
                turn.speaker.to_owned(),
                turn.message,
                turn.timestamp
            ]
        );
        assert_eq!(texts.get(5), turn.conversation_id.as_ref());
    }
}

/// A body is taken exactly where it should be, and the calls to be recorded are its calls.
pub fn check_place(data: &[u8]) {
    let (answer, texts) = post(PLACE, data);
    let calls = calls(&value(data));
    assert_answer(&answer, "call_not_recorded", &texts, calls.is_some());
    if let Some(calls) = calls {
        let list: Value = serde_json::from_str(&texts[0]).unwrap_or_default();
        let recorded: Vec<_> = calls
            .iter()
            .map(|call| serde_json::json!([call.call_sid, call.driver_id]))
            .collect();
        assert_eq!(list, Value::from(recorded));
    }
}
