//! The outbound call: the request, and the meaning of the answer.

use core::fmt::Write;

use serde::Serialize;

use super::lenient::{self, Object};
use super::{ApiAnswer, Client, Transport, TransportError};
use crate::json::Json;
use crate::model::{CallSid, Driver, DriverId, Telephony, Violation, reason};

/// One call for ElevenLabs to place.
#[derive(Debug, Clone, Copy)]
pub struct OutboundCall<'a> {
    /// Turns and events name the call by it.
    pub call_sid: &'a CallSid,
    /// The driver to phone, and why.
    pub driver: &'a Driver,
    /// The agent that speaks.
    pub agent_id: &'a str,
    /// ElevenLabs' id of the number that the call comes from.
    pub phone_number_id: &'a str,
    /// Decides the route of the API.
    pub telephony: Telephony,
}

/// The outcome of a dial, by ElevenLabs' answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialOutcome {
    /// ElevenLabs accepted: the phone rings, or the driver has answered.
    Accepted {
        /// ElevenLabs' name for the conversation.
        conversation_id: String,
        /// Twilio's or the SIP trunk's name for the phone call.
        telephony_call_sid: Option<String>,
    },
    /// ElevenLabs refused: no phone rang.
    Rejected {
        /// The HTTP status.
        status: u16,
        /// Why, in ElevenLabs' words.
        message: String,
    },
    /// There was no clear answer. The phone may have rung.
    Unknown {
        /// The HTTP status, if there was one.
        status: Option<u16>,
        /// What arrived instead of an answer.
        cause: String,
    },
}

impl<T: Transport> Client<T> {
    /// Asks ElevenLabs to place one call. **Invariant:** the request is never retried, because ElevenLabs
    /// has no idempotency key: a retry is a second phone call.
    pub async fn start_call(&self, call: OutboundCall<'_>) -> DialOutcome {
        let path = match call.telephony {
            Telephony::Twilio => "/v1/convai/twilio/outbound-call",
            Telephony::SipTrunk => "/v1/convai/sip-trunk/outbound-call",
        };
        // The body has only texts and numbers, so it always serialises.
        let body = serde_json::to_string(&request_body(call)).unwrap_or_default();
        outcome(self.send("POST", path, Some(body)).await)
    }
}

/// The body of both routes.
#[derive(Serialize)]
struct RequestBody<'a> {
    agent_id: &'a str,
    agent_phone_number_id: &'a str,
    to_number: &'a str,
    conversation_initiation_client_data: ClientData<'a>,
}

#[derive(Serialize)]
struct ClientData<'a> {
    user_id: &'a CallSid,
    dynamic_variables: DynamicVariables<'a>,
}

/// All six are always sent: if the agent's prompt names a variable that the request does not have, the
/// conversation fails to start.
#[derive(Serialize)]
struct DynamicVariables<'a> {
    call_sid: &'a CallSid,
    driver_id: DriverId,
    driver_name: &'a str,
    violations: String,
    violation_count: usize,
    custom_rules: &'a str,
}

fn request_body(call: OutboundCall<'_>) -> RequestBody<'_> {
    let driver = call.driver;
    RequestBody {
        agent_id: call.agent_id,
        agent_phone_number_id: call.phone_number_id,
        to_number: driver.phone_number.as_e164(),
        conversation_initiation_client_data: ClientData {
            user_id: call.call_sid,
            dynamic_variables: DynamicVariables {
                call_sid: call.call_sid,
                driver_id: driver.id,
                driver_name: driver.name.as_deref().unwrap_or(""),
                violations: violations_text(&driver.violations),
                violation_count: driver.violations.len(),
                custom_rules: driver.custom_rules.as_deref().unwrap_or(""),
            },
        },
    }
}

/// The violations as text that the agent can read out, one line for each:
/// `1. kind: description (time)`.
fn violations_text(violations: &[Violation]) -> String {
    let mut text = String::new();
    for (index, violation) in violations.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        // To write into a `String` cannot fail.
        let _ = write!(text, "{}. {}", index + 1, violation.kind);
        if let Some(description) = &violation.description {
            let _ = write!(text, ": {description}");
        }
        if let Some(time) = violation.occurred_at {
            let _ = write!(text, " ({time})");
        }
    }
    text
}

fn outcome(answer: Result<ApiAnswer, TransportError>) -> DialOutcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            return DialOutcome::Unknown {
                status: None,
                cause: error.to_string(),
            };
        }
    };
    let unknown = |cause: &str| DialOutcome::Unknown {
        status: Some(answer.status),
        cause: cause.to_owned(),
    };
    match answer.status {
        200..=299 => match lenient::read(&answer.body).as_ref().and_then(Object::of) {
            Some(body) => accepted(answer.status, body),
            None => unknown("the answer is not ElevenLabs' JSON"),
        },
        400..=499 => DialOutcome::Rejected {
            status: answer.status,
            message: error_message(&answer.body).map_or_else(
                || format!("HTTP {}", answer.status),
                |words| reason::cut(&words),
            ),
        },
        _ => unknown(&format!("HTTP {}", answer.status)),
    }
}

/// The meaning of a 200. The field with the name of the phone call differs between the two routes.
fn accepted(status: u16, body: Object<'_>) -> DialOutcome {
    match (body.flag("success"), body.text("conversation_id")) {
        (Some(true), Some(conversation_id)) => DialOutcome::Accepted {
            conversation_id: conversation_id.to_owned(),
            telephony_call_sid: body
                .text("callSid")
                .or_else(|| body.text("sip_call_id"))
                .map(str::to_owned),
        },
        (Some(false), _) => DialOutcome::Rejected {
            status,
            message: reason::cut(body.text("message").unwrap_or("no reason given")),
        },
        _ => DialOutcome::Unknown {
            status: Some(status),
            cause: "the answer names no conversation".to_owned(),
        },
    }
}

/// ElevenLabs' own words in an error body. Its `detail` has three forms: an object with a `message`, a
/// list of validation errors, or a text.
fn error_message(body: &str) -> Option<String> {
    let body = lenient::read(body)?;
    let body = Object::of(&body)?;
    match body.get("detail")? {
        Json::Text(text) => Some(text.clone().into_owned()),
        Json::Object(detail) => Some(detail.get("message")?.as_text()?.to_owned()),
        Json::List(_) => {
            let faults = body.objects("detail")?;
            let faults: Vec<_> = faults.into_iter().filter_map(fault_text).collect();
            (!faults.is_empty()).then(|| faults.join("; "))
        }
        _ => None,
    }
}

/// A validation error: its place, which is a path of names and indexes, and its message.
fn fault_text(fault: Object<'_>) -> Option<String> {
    let message = fault.get("msg")?.as_text()?;
    let mut text = String::new();
    if let Some(Json::List(place)) = fault.get("loc") {
        for part in place {
            if !text.is_empty() {
                text.push('.');
            }
            match part {
                Json::Text(name) => text.push_str(name),
                #[expect(clippy::cast_possible_truncation, reason = "an index is whole")]
                Json::Number(index) => text.push_str(&(*index as i64).to_string()),
                _ => {}
            }
        }
    }
    Some(format!("{text}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::{DialOutcome, OutboundCall, outcome, request_body};
    use crate::elevenlabs::{ApiAnswer, TransportError};
    use crate::model::{CallSid, Driver, DriverId, PhoneNumber, Telephony, UtcTime, Violation};

    fn answer(status: u16, body: &str) -> DialOutcome {
        outcome(Ok(ApiAnswer {
            status,
            body: body.to_owned(),
        }))
    }

    fn variables(driver: &Driver) -> serde_json::Value {
        let call_sid = CallSid::from_text("EL_7_2025-11-21T10:30:00Z");
        let body = request_body(OutboundCall {
            call_sid: &call_sid,
            driver,
            agent_id: "agent_1",
            phone_number_id: "phnum_1",
            telephony: Telephony::Twilio,
        });
        let mut body = serde_json::to_value(body).unwrap();
        assert_eq!(
            body["conversation_initiation_client_data"]["user_id"],
            call_sid.as_str()
        );
        body["conversation_initiation_client_data"]["dynamic_variables"].take()
    }

    #[test]
    fn all_six_variables_are_sent_even_when_there_is_nothing_to_say() {
        let driver = Driver {
            id: DriverId::new(7).unwrap(),
            name: None,
            phone_number: PhoneNumber::parse("5550101234").unwrap(),
            violations: Vec::new(),
            custom_rules: None,
        };
        assert_eq!(
            variables(&driver),
            serde_json::json!({
                "call_sid": "EL_7_2025-11-21T10:30:00Z", "driver_id": 7, "driver_name": "",
                "violations": "", "violation_count": 0, "custom_rules": ""
            })
        );
    }

    #[test]
    fn violations_are_sent_as_text_an_agent_can_read() {
        let violation = |kind: &str, description: Option<&str>, time: Option<&str>| Violation {
            kind: kind.to_owned(),
            description: description.map(str::to_owned),
            occurred_at: time.map(|time| UtcTime::parse(time).unwrap()),
        };
        let driver = Driver {
            id: DriverId::new(7).unwrap(),
            name: Some("Ada".to_owned()),
            phone_number: PhoneNumber::parse("5550101234").unwrap(),
            violations: vec![
                violation(
                    "hours_of_service",
                    Some("Drove 12 h"),
                    Some("2025-11-21T08:00:00Z"),
                ),
                violation("speeding", None, None),
            ],
            custom_rules: Some("Speak Spanish".to_owned()),
        };
        let variables = variables(&driver);
        assert_eq!(
            variables["violations"],
            "1. hours_of_service: Drove 12 h (2025-11-21T08:00:00.000Z)\n2. speeding"
        );
        assert_eq!(variables["violation_count"], 2);
    }

    #[test]
    fn both_routes_answers_are_understood() {
        for key in ["callSid", "sip_call_id"] {
            let body = format!(
                r#"{{"success":true,"message":"Success","conversation_id":"conv_1","{key}":"CA1","more":1}}"#
            );
            assert_eq!(
                answer(200, &body),
                DialOutcome::Accepted {
                    conversation_id: "conv_1".to_owned(),
                    telephony_call_sid: Some("CA1".to_owned())
                }
            );
        }
    }

    #[test]
    fn a_refusal_keeps_elevenlabs_words() {
        for (status, body, words) in [
            (
                200,
                r#"{"success":false,"message":"unverified","conversation_id":null,"callSid":null}"#,
                "unverified",
            ),
            (
                401,
                r#"{"detail":{"status":"x","message":"No API key"}}"#,
                "No API key",
            ),
            (404, r#"{"detail":"Not Found"}"#, "Not Found"),
            (
                422,
                r#"{"detail":[{"loc":["body","to_number"],"msg":"Field required","type":"missing"},{"loc":["body",0],"msg":"b"}]}"#,
                "body.to_number: Field required; body.0: b",
            ),
            (429, "<html>", "HTTP 429"),
            (400, r#"{"detail":{}}"#, "HTTP 400"),
        ] {
            assert_eq!(
                answer(status, body),
                DialOutcome::Rejected {
                    status,
                    message: words.to_owned()
                },
            );
        }
    }

    #[test]
    fn whatever_does_not_tell_is_unknown() {
        for (status, body) in [
            (200, "<html>"),
            (
                200,
                r#"{"success":true,"message":"ok","conversation_id":null,"callSid":null}"#,
            ),
            (
                200,
                r#"{"success":true,"message":"ok","conversation_id":"","callSid":null}"#,
            ),
            (200, r#"{"message":"ok","conversation_id":"conv_1"}"#),
            (307, ""),
            (500, r#"{"detail":"Internal"}"#),
            (503, ""),
        ] {
            assert!(
                matches!(answer(status, body), DialOutcome::Unknown { .. }),
                "{status} {body}"
            );
        }
        assert!(matches!(
            outcome(Err(TransportError::Timeout)),
            DialOutcome::Unknown { status: None, .. }
        ));
    }
}
