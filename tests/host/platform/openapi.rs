//! `openapi.json`: up to date, complete, and true. That every answer of the service is one the
//! document tells of is checked in all other tests too, by `support/contract.rs`.

use std::collections::BTreeSet;

use call_ledger::http::openapi::{document, every_problem};
use call_ledger::model::{DriverId, PhoneNumber, UtcTime};
use serde_json::{Value, json};

use crate::support::contract::{escaped, faults_at};
use crate::support::events::{POST_CALL, empty_world};
use crate::support::sqlite::project;
use crate::support::world::{PLACE, TURN, World, request};

const BODY: &str = "post/requestBody/content/application~1json";

fn body_schema(path: &str) -> String {
    format!("/paths/{}/{BODY}/schema", escaped(path))
}

fn example(path: &str) -> Value {
    let pointer = format!("/paths/{}/{BODY}/example", escaped(path));
    document().pointer(&pointer).unwrap().clone()
}

#[test]
fn the_committed_document_is_what_the_code_says() {
    let file = project().join("openapi.json");
    let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).unwrap() == text,
        "openapi.json is out of date: UPDATE_OPENAPI=1 cargo test --test host openapi"
    );
}

#[tokio::test]
async fn it_is_served_to_everybody_without_the_database() {
    let world = World::new();
    for method in ["GET", "HEAD"] {
        let mut request = request(method, "/openapi.json", "");
        request.headers.clear();
        let reply = world.send(request).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.text.is_empty(), method == "HEAD");
    }
    assert_eq!(world.database.round_trips(), 0);
    let text = world.get("/openapi.json").await.text;
    // Without the space that the file has for its readers.
    assert_eq!(text, serde_json::to_string(&document()).unwrap());
}

#[tokio::test]
async fn every_route_is_in_it_with_the_methods_it_takes() {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 8);
    let world = World::new();
    for (pattern, methods) in paths {
        let path = pattern.replace("{call_sid}", "EL_1_1");
        let reply = world.send(request("DELETE", &path, "")).await;
        assert_eq!(reply.status, 405);
        let allowed: BTreeSet<_> = reply.headers["allow"].split(", ").collect();
        let methods = methods.as_object().unwrap().keys();
        let described: Vec<_> = methods.map(|method| method.to_uppercase()).collect();
        assert_eq!(allowed, described.iter().map(String::as_str).collect());
    }
}

#[test]
fn every_problem_is_in_it() {
    let responses = document()["components"]["responses"].clone();
    let examples = responses
        .as_object()
        .unwrap()
        .values()
        .flat_map(|response| {
            let problem = &response["content"]["application/problem+json"];
            let examples = problem["examples"].as_object();
            examples
                .into_iter()
                .flatten()
                .map(|(_, example)| &example["value"])
        });
    let described: BTreeSet<_> = examples
        .map(|body| (body["status"].as_u64(), body["code"].as_str()))
        .collect();
    for problem in every_problem() {
        let status = Some(u64::from(problem.to_answer().status));
        assert!(
            described.contains(&(status, Some(problem.code()))),
            "{problem:?}"
        );
    }
}

#[tokio::test]
async fn the_examples_are_accepted() {
    let world = empty_world();
    assert_eq!(world.post(PLACE, &example(PLACE)).await.status, 201);
    assert_eq!(world.post(TURN, &example(TURN)).await.status, 201);
    assert_eq!(world.deliver(&example(POST_CALL)).await, "applied");
    for path in [PLACE, TURN, POST_CALL] {
        assert_eq!(faults_at(&body_schema(path), &example(path)), [""; 0]);
    }
}

#[tokio::test]
async fn a_body_fits_its_schema_when_and_only_when_it_is_accepted() {
    let world = World::new();
    assert_eq!(world.post(PLACE, &example(PLACE)).await.status, 201);
    for (path, changes) in [(PLACE, PLACE_CHANGES), (TURN, TURN_CHANGES)] {
        for (pointer, value) in changes {
            let mut body = example(path);
            let value: Value = serde_json::from_str(value).unwrap();
            *body.pointer_mut(pointer).unwrap() = value;
            let accepted = world.post(path, &body).await.status < 300;
            let faults = faults_at(&body_schema(path), &body);
            assert_eq!(faults.is_empty(), accepted, "{body}: {faults:?}");
        }
    }
}

/// The greatest length, in characters, is that of texts whose every character is a byte.
#[tokio::test]
async fn a_name_may_have_so_many_bytes() {
    let world = World::new();
    assert_eq!(world.post(PLACE, &example(PLACE)).await.status, 201);
    for name in ["call_sid", "conversation_id"] {
        for (length, right) in [(200, true), (201, false)] {
            let mut body = example(TURN);
            body[name] = "x".repeat(length).into();
            let faults = faults_at(&body_schema(TURN), &body);
            assert_eq!(faults.is_empty(), right, "{name}: {length}");
            let refused = world.post(TURN, &body).await.body["errors"].is_array();
            assert_eq!(refused, !right, "{name}: {length}");
        }
    }
}

#[tokio::test]
async fn an_event_fits_its_schema_when_and_only_when_it_is_accepted() {
    let world = empty_world();
    for event in [
        r#"{}"#,
        r#"[]"#,
        r#"{"type":null}"#,
        r#"{"type":""}"#,
        r#"{"type":" "}"#,
        r#"{"type":"news"}"#,
        r#"{"type":"post_call_audio","data":7}"#,
        r#"{"type":"post_call_transcription"}"#,
        r#"{"type":"post_call_transcription","data":[]}"#,
        r#"{"type":"post_call_transcription","data":{}}"#,
        r#"{"type":"post_call_transcription","data":{"conversation_id":7}}"#,
        r#"{"type":"post_call_transcription","data":{"conversation_id":" "}}"#,
        r#"{"type":"post_call_transcription","data":{"conversation_id":"conv_1"}}"#,
        r#"{"type":"call_initiation_failure","data":{"conversation_id":null}}"#,
        r#"{"type":"call_initiation_failure","data":{"conversation_id":"conv_1"}}"#,
    ] {
        let accepted = world.deliver_bytes(event).await.status == 200;
        let body = serde_json::from_str(event).unwrap();
        let faults = faults_at(&body_schema(POST_CALL), &body);
        assert_eq!(faults.is_empty(), accepted, "{event}: {faults:?}");
    }
}

#[tokio::test]
async fn a_parameter_of_the_query_may_be_empty() {
    let world = World::new();
    let document = document();
    let parameters = document["paths"]["/calls"]["get"]["parameters"].as_array();
    for parameter in parameters.unwrap() {
        assert_eq!(parameter["allowEmptyValue"], true, "{parameter}");
        let path = format!("/calls?{}=", parameter["name"].as_str().unwrap());
        assert_eq!(world.get(&path).await.status, 200, "{path}");
    }
}

const PLACE_CHANGES: &[(&str, &str)] = &[
    ("", "[]"),
    ("/timestamp", "null"),
    ("/timestamp", "\"2025-11-21T10:30:00\""),
    ("/timestamp", "\"21.11.2025\""),
    ("/drivers", "[]"),
    ("/drivers", "{}"),
    ("/drivers/0", "7"),
    ("/drivers/0/driverId", "7.0"),
    ("/drivers/0/driverId", "7.5"),
    ("/drivers/0/driverId", "\"0007\""),
    ("/drivers/0/driverId", "\"seven\""),
    ("/drivers/0/driverId", "0"),
    ("/drivers/0/driverId", "9007199254740992"),
    ("/drivers/0/driverName", "null"),
    ("/drivers/0/driverName", "7"),
    ("/drivers/0/phoneNumber", "null"),
    ("/drivers/0/phoneNumber", "5550101234"),
    ("/drivers/0/violations", "null"),
    ("/drivers/0/violations", "[]"),
    ("/drivers/0/violations", "\"none\""),
    ("/drivers/0/violations/0/type", "\" \""),
    ("/drivers/0/violations/0/description", "null"),
    ("/drivers/0/violations/0/occurredAt", "\"\""),
    ("/drivers/0/customRules", "[]"),
];

const TURN_CHANGES: &[(&str, &str)] = &[
    ("", "7"),
    ("/call_sid", "\"\""),
    ("/call_sid", "12345"),
    ("/speaker", "\"user\""),
    ("/speaker", "\"driver\""),
    ("/message", "\"\\n\""),
    ("/message", "\" x \""),
    ("/timestamp", "\"2025-11-21T05:30:05-05:00\""),
    ("/timestamp", "0"),
];

#[test]
fn the_patterns_take_what_the_readers_take() {
    let driver = format!("{}/properties/drivers/items/properties", body_schema(PLACE));
    let fits =
        |name: &str, text: &str| faults_at(&format!("{driver}/{name}"), &json!(text)).is_empty();
    for text in [
        "(555) 010-1234",
        "555.010.1234",
        "15550101234",
        "1 (555) 010-1234",
        "+1 555 010 1234",
        "+12345678",
        "+123456789012345",
        "",
        "+",
        "911",
        "25550101234",
        "+1234567",
        "+1234567890123456",
        "555-010-CALL",
        "++15550101234",
        "+0555010123",
        " 5550101234 ",
        "tel:5550101234",
        "(1)5550101234",
        "0550101234",
    ] {
        assert_eq!(
            fits("phoneNumber", text),
            PhoneNumber::parse(text).is_ok(),
            "{text}"
        );
    }
    for text in [
        "7",
        "0007",
        "0",
        "",
        "-1",
        "1.0",
        "9007199254740991",
        "99999999999999999999",
    ] {
        assert_eq!(
            fits("driverId", text),
            DriverId::parse(text).is_ok(),
            "{text}"
        );
    }
    let time = format!("{}/properties/timestamp", body_schema(TURN));
    for text in [
        "2025-11-21T10:30:05Z",
        "2025-11-21t16:00:05.1239+05:30",
        "2025-11-21 10:30:05.5",
        "2025-11-21",
        "10:30:00",
        "now",
        "",
        "2025-11-21T10:30",
        "2025-11-21T10:30:05+0530",
    ] {
        let fits = faults_at(&time, &json!(text)).is_empty();
        assert_eq!(fits, UtcTime::parse(text).is_ok(), "{text}");
    }
}
