//! The outbound call: what is sent, and what an answer means.

use core::fmt::Write;

use serde_json::{Value, json};

use super::lenient::Object;
use super::{ApiAnswer, Client, Telephony, Transport, TransportError};
use crate::model::{CallSid, Driver, Violation};

/// One call for ElevenLabs to place.
#[derive(Debug, Clone, Copy)]
pub struct OutboundCall<'a> {
    /// The ledger's name for it, by which turns and events come back.
    pub call_sid: &'a CallSid,
    /// Whom to phone and why.
    pub driver: &'a Driver,
    /// The agent that speaks.
    pub agent_id: &'a str,
    /// The imported number it calls from.
    pub phone_number_id: &'a str,
    /// The route.
    pub telephony: Telephony,
}

/// What became of a dial, as far as ElevenLabs' answer tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialOutcome {
    /// Accepted: the phone rings, or has been answered.
    Accepted {
        /// ElevenLabs' name for the conversation.
        conversation_id: String,
        /// Twilio's or the SIP trunk's name for the phone call.
        telephony_call_sid: Option<String>,
    },
    /// Refused: no phone rang. ElevenLabs' words say why.
    Rejected {
        /// The HTTP status.
        status: u16,
        /// ElevenLabs' words.
        message: String,
    },
    /// No answer that tells. The phone may have rung.
    Unknown {
        /// The HTTP status, if there was one.
        status: Option<u16>,
        /// What was seen instead of an answer.
        cause: String,
    },
}

impl<T: Transport> Client<T> {
    /// Has ElevenLabs place one call. Sent exactly once, whatever happens.
    pub async fn start_call(&self, call: OutboundCall<'_>) -> DialOutcome {
        let path = match call.telephony {
            Telephony::Twilio => "/v1/convai/twilio/outbound-call",
            Telephony::SipTrunk => "/v1/convai/sip-trunk/outbound-call",
        };
        let body = request_body(call).to_string();
        outcome(self.send("POST", path, Some(body)).await)
    }
}

/// The body of both routes. The six dynamic variables are always there: a variable that the
/// agent's prompt names and the request lacks fails the start of the conversation.
fn request_body(call: OutboundCall<'_>) -> Value {
    let driver = call.driver;
    json!({
        "agent_id": call.agent_id,
        "agent_phone_number_id": call.phone_number_id,
        "to_number": driver.phone_number.as_e164(),
        "conversation_initiation_client_data": {
            "user_id": call.call_sid,
            "dynamic_variables": {
                "call_sid": call.call_sid,
                "driver_id": driver.id,
                "driver_name": driver.name.as_deref().unwrap_or(""),
                "violations": violations_text(&driver.violations),
                "violation_count": driver.violations.len(),
                "custom_rules": driver.custom_rules.as_deref().unwrap_or(""),
            }
        }
    })
}

/// The violations as the agent can read them out: `1. kind: description (time)`, a line each.
fn violations_text(violations: &[Violation]) -> String {
    let mut text = String::new();
    for (index, violation) in violations.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        // Writing to a String cannot fail.
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
        200..=299 => match Object::parse(&answer.body) {
            Some(body) => accepted(answer.status, &body),
            None => unknown("the answer is not ElevenLabs' JSON"),
        },
        400..=499 => DialOutcome::Rejected {
            status: answer.status,
            message: error_message(&answer.body)
                .unwrap_or_else(|| format!("HTTP {}", answer.status)),
        },
        _ => unknown(&format!("HTTP {}", answer.status)),
    }
}

/// What a 200 says. The telephone call's name differs between the two routes.
fn accepted(status: u16, body: &Object<'_>) -> DialOutcome {
    match (body.raw("success"), body.text("conversation_id")) {
        ("true", Some(conversation_id)) => DialOutcome::Accepted {
            conversation_id,
            telephony_call_sid: body.text("callSid").or_else(|| body.text("sip_call_id")),
        },
        ("false", _) => DialOutcome::Rejected {
            status,
            message: body
                .text("message")
                .unwrap_or_else(|| "no reason given".to_owned()),
        },
        _ => DialOutcome::Unknown {
            status: Some(status),
            cause: "the answer names no conversation".to_owned(),
        },
    }
}

/// ElevenLabs' own words in an error body, whose `detail` has three shapes: an object with a
/// `message`, a list of validation faults, or a bare text.
fn error_message(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    match body.get("detail")? {
        Value::String(text) => Some(text.clone()),
        Value::Object(detail) => Some(detail.get("message")?.as_str()?.to_owned()),
        Value::Array(faults) => {
            let faults: Vec<_> = faults.iter().filter_map(fault_text).collect();
            (!faults.is_empty()).then(|| faults.join("; "))
        }
        _ => None,
    }
}

fn fault_text(fault: &Value) -> Option<String> {
    let message = fault.get("msg")?.as_str()?;
    let place: Vec<_> = fault
        .get("loc")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|part| {
            part.as_str()
                .map_or_else(|| part.to_string(), str::to_owned)
        })
        .collect();
    Some(format!("{}: {message}", place.join(".")))
}

#[cfg(test)]
mod tests {
    use super::{DialOutcome, OutboundCall, outcome, request_body};
    use crate::elevenlabs::{ApiAnswer, Telephony, TransportError};
    use crate::model::{CallSid, Driver, DriverId, PhoneNumber, UtcTime, Violation};

    fn answer(status: u16, body: &str) -> DialOutcome {
        outcome(Ok(ApiAnswer {
            status,
            body: body.to_owned(),
        }))
    }

    fn variables(driver: &Driver) -> serde_json::Value {
        let call_sid = CallSid::from_text("EL_7_2025-11-21T10:30:00Z");
        let mut body = request_body(OutboundCall {
            call_sid: &call_sid,
            driver,
            agent_id: "agent_1",
            phone_number_id: "phnum_1",
            telephony: Telephony::Twilio,
        });
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
