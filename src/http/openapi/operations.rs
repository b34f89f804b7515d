//! The operation of each route: its security, request and answers.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::describe;
use super::problems::{
    call_not_recorded, invalid_field, no_cause, not_configured, store_unavailable,
};
use crate::elevenlabs::event;
use crate::http::Problem;
use crate::http::health::{DetailedHealth, Health};
use crate::http::place_calls::{self, CallsPlaced};
use crate::http::post_call::{self, EventReceived};
use crate::http::problem::ProblemBody;
use crate::http::read_calls::{self, CallPage, CallTranscription};
use crate::http::record_turn::{self, TurnSaved};
use crate::http::router::Route;
use crate::model::{Call, CallSid};

/// One media type of an answer.
pub struct Content {
    pub media_type: &'static str,
    pub schema: Value,
}

/// One operation of the document.
pub struct Operation {
    pub id: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    pub tag: &'static str,
    pub security: Value,
    pub parameters: Vec<Value>,
    pub body: Option<Value>,
    /// Each success: status, description, media types.
    pub answers: Vec<(u16, &'static str, Vec<Content>)>,
    /// Every problem except the wrong method, which each route has.
    pub problems: Vec<Problem>,
}

/// The security of the routes that require `API_TOKEN`.
fn api_token() -> Value {
    json!([{ "ApiToken": [] }])
}

/// How callers authenticate.
pub fn security_schemes() -> Value {
    json!({
        "ApiToken": {
            "type": "http", "scheme": "bearer",
            "description": "The secret API_TOKEN.",
        },
        "WebhookToken": {
            "type": "http", "scheme": "bearer",
            "description": "The secret WEBHOOK_TOKEN, if it is set.",
        },
        "Signature": {
            "type": "apiKey", "in": "header", "name": "ElevenLabs-Signature",
            "description": "t=<unix seconds>,v0=<hex>: HMAC-SHA256 of `<t>.<raw body>` under \
                            ELEVENLABS_WEBHOOK_SECRET. t is at most 45 minutes from now.",
        },
    })
}

/// The path parameter.
pub fn call_sid() -> Value {
    json!({
        "name": "call_sid", "in": "path", "required": true,
        "description": "The call_sid; it may be percent-encoded.",
        "schema": { "$ref": "#/components/schemas/CallSid" },
    })
}

fn in_path() -> Vec<Value> {
    vec![json!({ "$ref": "#/components/parameters/CallSid" })]
}

fn body(limit: usize, schema: &Value, example: &str) -> Value {
    let example: Value = serde_json::from_str(example).unwrap_or_default();
    json!({
        "required": true,
        "description": format!("At most {limit} bytes. Unknown fields are ignored."),
        "content": { "application/json": { "schema": schema, "example": example } },
    })
}

fn json_of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Content {
    Content {
        media_type: "application/json",
        schema: schemas.subschema_for::<T>().to_value(),
    }
}

fn text(media_type: &'static str) -> Content {
    Content {
        media_type,
        schema: json!({ "type": "string" }),
    }
}

const CALLS_EXAMPLE: &str = r#"{
  "timestamp": "2025-11-21T10:30:00Z",
  "drivers": [{
    "driverId": 12345, "driverName": "Ada Diaz", "phoneNumber": "(555) 010-1234",
    "violations": [{ "type": "hours_of_service", "description": "Drove 12 h without a break", "occurredAt": "2025-11-21T08:00:00Z" }],
    "customRules": "Speak Spanish if asked"
  }]
}"#;

const TURN_EXAMPLE: &str = r#"{
  "call_sid": "EL_12345_2025-11-21T10:30:00Z", "speaker": "agent",
  "message": "Hello Ada", "timestamp": "2025-11-21T10:30:05Z"
}"#;

const EVENT_EXAMPLE: &str = r#"{
  "type": "post_call_transcription", "event_timestamp": 1763721090,
  "data": {
    "conversation_id": "conv_12345", "status": "done",
    "transcript": [
      { "role": "agent", "message": "Hello Ada", "time_in_call_secs": 0 },
      { "role": "user", "message": "Hello", "time_in_call_secs": 4 }
    ],
    "metadata": { "start_time_unix_secs": 1763721000, "call_duration_secs": 60 },
    "analysis": { "transcript_summary": "Ada said hello." },
    "conversation_initiation_client_data": { "dynamic_variables": { "call_sid": "EL_12345_2025-11-21T10:30:00Z" } }
  }
}"#;

/// An operation without request and answers. The caller adds those.
fn plain(
    (id, tag): (&'static str, &'static str),
    summary: &'static str,
    description: &'static str,
    security: Value,
) -> Operation {
    Operation {
        id,
        summary,
        description,
        tag,
        security,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        problems: Vec::new(),
    }
}

/// The operation of a route.
pub fn operation(route: Route, schemas: &mut SchemaGenerator) -> Operation {
    // Responses and parameters refer to these two by name.
    let _ = schemas.subschema_for::<ProblemBody>();
    let _ = schemas.subschema_for::<CallSid>();
    let sid = || "EL_12345_2025-11-21T10:30:00Z".to_owned();
    match route {
        Route::PlaceCalls => Operation {
            body: Some(body(
                place_calls::BODY_LIMIT,
                &describe::body(place_calls::request),
                CALLS_EXAMPLE,
            )),
            answers: [
                (201, "This request placed every call."),
                (200, "Every call was on record before."),
                (207, "The results differ. Look at each call."),
                (
                    502,
                    "No call could be placed. The error of each call says why.",
                ),
            ]
            .map(|(status, meaning)| (status, meaning, vec![json_of::<CallsPlaced>(schemas)]))
            .into(),
            problems: vec![
                invalid_field("drivers[0].phoneNumber", "is required"),
                Problem::Unauthorized,
                Problem::PayloadTooLarge(place_calls::BODY_LIMIT),
                call_not_recorded(),
                not_configured(),
            ],
            ..plain(
                ("placeCalls", "Calls"),
                "Place calls",
                "Records a call for each driver, then dials it. The request must not list a driver \
                 twice. The service checks the whole request before it records anything. \
                 The request is idempotent: a call is dialled at most once, however often the \
                 request is sent.\n\n\
                 **Your own timeout.** The answer comes when ElevenLabs has answered the last \
                 dial: over Twilio within seconds, over a SIP trunk at pick-up. Six dials are open \
                 at once, and each may take ELEVENLABS_TIMEOUT_SECS (90). So 20 drivers on a SIP \
                 trunk may take 4 × 90 seconds, six minutes. If you hang up earlier, no further \
                 dial starts. Open dials continue, and their answers are recorded for at most 30 \
                 seconds. A call without a dial fails with not_dialled: no phone rang, so place it \
                 with a new timestamp.\n\n\
                 **Retry.** Send the same request again to learn the result of each call. It dials \
                 none of them again. While an item has pending, it is unknown whether a phone \
                 rang: ask again after known_by. A new timestamp is safe after the call has failed \
                 with not_dialled, never_started or elevenlabs_rejected.",
                api_token(),
            )
        },
        Route::RecordTurn => Operation {
            body: Some(body(
                record_turn::BODY_LIMIT,
                &describe::body(record_turn::turn),
                TURN_EXAMPLE,
            )),
            answers: [
                (201, "The turn is stored."),
                (
                    200,
                    "The turn was stored before. The ids are those of the first time.",
                ),
            ]
            .map(|(status, meaning)| (status, meaning, vec![json_of::<TurnSaved<'_>>(schemas)]))
            .into(),
            problems: vec![
                invalid_field("speaker", "must be agent or user"),
                Problem::OtherConversation(sid()),
                Problem::UnknownCall(sid()),
                Problem::ConversationNotLinked(sid()),
                Problem::Unauthorized,
                Problem::PayloadTooLarge(record_turn::BODY_LIMIT),
                Problem::RateLimited,
                store_unavailable(),
                not_configured(),
            ],
            ..plain(
                ("recordTurn", "Webhooks"),
                "Record one spoken turn",
                "Stores a turn once, under the next number of its conversation. If the call has no \
                 conversation yet, conversation_id links it. The request is idempotent. It is \
                 unauthenticated unless WEBHOOK_TOKEN is set.",
                json!([{}, { "WebhookToken": [] }]),
            )
        },
        Route::PostCall => Operation {
            body: Some(body(post_call::BODY_LIMIT, &event_taken(), EVENT_EXAMPLE)),
            answers: vec![(
                200,
                "The event is durably stored.",
                vec![json_of::<EventReceived>(schemas)],
            )],
            problems: vec![
                Problem::invalid("The event's data has no conversation_id."),
                Problem::InvalidSignature,
                Problem::PayloadTooLarge(post_call::BODY_LIMIT),
                store_unavailable(),
                not_configured(),
            ],
            ..plain(
                ("receiveEvent", "Webhooks"),
                "Receive an event of ElevenLabs",
                "Settles the call by ElevenLabs' report of its conversation. The request is \
                 idempotent: an event that comes twice is applied once.",
                json!([{ "Signature": [] }]),
            )
        },
        Route::ListCalls => Operation {
            parameters: describe::query(read_calls::query),
            answers: vec![(
                200,
                "One page of calls, newest first.",
                vec![json_of::<CallPage>(schemas), text("text/csv")],
            )],
            problems: vec![
                Problem::faulty_query(Vec::new()),
                Problem::Unauthorized,
                store_unavailable(),
                not_configured(),
            ],
            ..plain(
                ("listCalls", "Calls"),
                "List calls",
                "Newest first, page by page. A call must match all parameters.",
                api_token(),
            )
        },
        Route::ReadCall => Operation {
            answers: vec![(200, "The call.", vec![json_of::<Call>(schemas)])],
            ..of_one_call(
                "readCall",
                "Read one call",
                "Returns the call as it is on record.",
            )
        },
        Route::ReadTranscription => Operation {
            answers: vec![(
                200,
                "The turns, in order.",
                vec![json_of::<CallTranscription>(schemas), text("text/plain")],
            )],
            ..of_one_call(
                "readTranscription",
                "Read the turns of a call",
                "Returns the turns that are stored so far.",
            )
        },
        Route::Health => Operation {
            answers: vec![(
                200,
                "The database answers.",
                vec![Content {
                    media_type: "application/json",
                    schema: json!({ "anyOf": [
                        json_of::<DetailedHealth>(schemas).schema,
                        json_of::<Health>(schemas).schema,
                    ] }),
                }],
            )],
            problems: vec![Problem::Unhealthy(no_cause())],
            ..plain(
                ("readHealth", "Service"),
                "Check that the service works",
                "With API_TOKEN the answer has details.",
                json!([{}, { "ApiToken": [] }]),
            )
        },
        Route::OpenApi => Operation {
            answers: vec![(
                200,
                "This document.",
                vec![Content {
                    media_type: "application/json",
                    schema: json!({ "type": "object" }),
                }],
            )],
            ..plain(
                ("readDescription", "Service"),
                "Read this document",
                "Returns the description of all routes, in OpenAPI 3.1.",
                json!([]),
            )
        },
    }
}

/// An event of any type. The types that the ledger uses must name their conversation.
fn event_taken() -> Value {
    let words = json!({ "type": "string", "pattern": r"\S" });
    json!({
        "description": "ElevenLabs defines the event.",
        "type": "object",
        "properties": { "type": words, "data": {} },
        "required": ["type"],
        "additionalProperties": true,
        "if": { "properties": { "type": { "enum": [event::TRANSCRIPTION, event::INITIATION_FAILURE] } } },
        "then": {
            "properties": { "data": {
                "type": "object",
                "properties": { "conversation_id": words },
                "required": ["conversation_id"],
                "additionalProperties": true,
            } },
            "required": ["data"],
            "additionalProperties": true,
        },
    })
}

fn of_one_call(id: &'static str, summary: &'static str, description: &'static str) -> Operation {
    Operation {
        parameters: in_path(),
        problems: vec![
            Problem::Unauthorized,
            Problem::CallNotFound("EL_1_2025-11-21T10:30:00Z".to_owned()),
            Problem::NotFound,
            store_unavailable(),
            not_configured(),
        ],
        ..plain((id, "Calls"), summary, description, api_token())
    }
}
