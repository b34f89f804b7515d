//! What is refused before any number has a say.

use crate::{Answered, KEY, Stage, TWILIO, body};
use elevenlabs_simulator::Status;
use serde_json::{Value, json};

fn kinds(answered: &Answered) -> Vec<(String, Vec<Value>)> {
    let faults = answered.json["detail"].as_array().unwrap();
    faults
        .iter()
        .map(|fault| {
            assert!(fault["msg"].is_string());
            (
                fault["type"].as_str().unwrap().into(),
                fault["loc"].as_array().unwrap().clone(),
            )
        })
        .collect()
}

fn loc(parts: &[&str]) -> Vec<Value> {
    parts.iter().map(|part| json!(part)).collect()
}

#[tokio::test]
async fn the_key_comes_first() {
    let stage = Stage::new().await;
    for path in [
        TWILIO,
        "/v1/convai/conversations",
        "/v1/convai/conversations/conv_x",
    ] {
        let url = format!("{}{path}", stage.simulator.url());
        let method = if path == TWILIO {
            reqwest::Method::POST
        } else {
            reqwest::Method::GET
        };
        let request = || stage.client.request(method.clone(), &url);
        let missing = Answered::read(request().send().await.unwrap())
            .await
            .unwrap();
        assert_eq!(missing.code(), (401, "missing_api_key"), "{path}");
        let detail = &missing.json["detail"];
        assert_eq!(
            (&detail["type"], &detail["status"]),
            (&json!("authentication_error"), &json!("missing_api_key"))
        );
        assert!(detail["message"].is_string() && detail["request_id"].is_string());
        let wrong = Answered::read(
            request()
                .header("xi-api-key", "other")
                .send()
                .await
                .unwrap(),
        )
        .await
        .unwrap();
        assert_eq!(wrong.code(), (400, "invalid_api_key"), "{path}");
    }
    assert_eq!(stage.simulator.requests_total(), 2);
}

#[tokio::test]
async fn every_fault_is_listed() {
    let stage = Stage::new().await;
    let empty = stage.post(TWILIO, "{}".into()).await.unwrap();
    assert_eq!(empty.status, 422);
    assert_eq!(
        kinds(&empty),
        ["agent_id", "agent_phone_number_id", "to_number"]
            .map(|field| ("missing".to_owned(), loc(&["body", field])))
    );

    let data = "conversation_initiation_client_data";
    let wrong = json!({
        "agent_id": 1, "agent_phone_number_id": null, "to_number": "(555) 010-1234",
        "call_recording_enabled": "x",
        "telephony_call_config": { "ringing_timeout_secs": 1000 },
        data: { "user_id": 7, "dynamic_variables": { "a": [1], "system__time": "x", "ok": null } },
    });
    let wrong = stage.post(TWILIO, wrong.to_string()).await.unwrap();
    let expected: Vec<(&str, Vec<&str>)> = vec![
        ("string_type", vec!["body", "agent_id"]),
        ("string_type", vec!["body", "agent_phone_number_id"]),
        ("string_pattern_mismatch", vec!["body", "to_number"]),
        ("bool_type", vec!["body", "call_recording_enabled"]),
        (
            "less_than_equal",
            vec!["body", "telephony_call_config", "ringing_timeout_secs"],
        ),
        ("string_type", vec!["body", data, "user_id"]),
        (
            "string_type",
            vec!["body", data, "dynamic_variables", "a", "str"],
        ),
        (
            "float_type",
            vec!["body", data, "dynamic_variables", "a", "float"],
        ),
        (
            "int_type",
            vec!["body", data, "dynamic_variables", "a", "int"],
        ),
        (
            "bool_type",
            vec!["body", data, "dynamic_variables", "a", "bool"],
        ),
        (
            "value_error",
            vec!["body", data, "dynamic_variables", "system__time"],
        ),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(kind, parts)| (kind.to_owned(), loc(&parts)))
        .collect();
    assert_eq!(kinds(&wrong), expected);
    assert_eq!(wrong.json["detail"][0]["input"], 1);
}

#[tokio::test]
async fn faults_of_single_fields() {
    let stage = Stage::new().await;
    for (field, value, kind) in [
        (
            "telephony_call_config",
            json!({ "ringing_timeout_secs": 0 }),
            "greater_than_equal",
        ),
        (
            "telephony_call_config",
            json!({ "ringing_timeout_secs": "60" }),
            "int_type",
        ),
        (
            "telephony_call_config",
            json!(null),
            "model_attributes_type",
        ),
        (
            "conversation_initiation_client_data",
            json!("x"),
            "model_attributes_type",
        ),
        (
            "conversation_initiation_client_data",
            json!({ "dynamic_variables": [] }),
            "dict_type",
        ),
    ] {
        let mut body = body("+15551234567");
        body[field] = value;
        let answered = stage.post(TWILIO, body.to_string()).await.unwrap();
        assert_eq!(answered.status, 422, "{field}");
        assert_eq!(kinds(&answered)[0].0, kind, "{field}");
    }
    let not_json = stage.post(TWILIO, "{\"agent_id\": ".into()).await.unwrap();
    assert_eq!(
        (not_json.status, kinds(&not_json)[0].0.as_str()),
        (422, "json_invalid")
    );
    let array = stage.post(TWILIO, "[]".into()).await.unwrap();
    assert_eq!(kinds(&array).len(), 3);

    let plain = stage
        .client
        .post(format!("{}{TWILIO}", stage.simulator.url()))
        .header("xi-api-key", KEY);
    let plain = plain
        .header("content-type", "text/plain")
        .body(body("+15551234567").to_string());
    let plain = Answered::read(plain.send().await.unwrap()).await.unwrap();
    assert_eq!((plain.status, kinds(&plain).len()), (422, 3));
}

#[tokio::test]
async fn unknown_agents_numbers_paths_and_methods() {
    let stage = Stage::new().await;
    for field in ["agent_id", "agent_phone_number_id"] {
        let mut body = body("+15551234567");
        body[field] = json!("of_another_workspace");
        let answered = stage.post(TWILIO, body.to_string()).await.unwrap();
        assert_eq!(answered.code(), (404, "document_not_found"));
        assert_eq!(answered.json["detail"]["type"], "not_found");
    }
    let unknown = stage.get("/v1/convai/agents").await;
    assert_eq!(
        (unknown.status, unknown.json),
        (404, json!({ "detail": "Not Found" }))
    );
    let method = stage.get(TWILIO).await;
    assert_eq!(
        (method.status, method.json),
        (405, json!({ "detail": "Method Not Allowed" }))
    );
    assert_eq!(method.headers["allow"], "POST");
    assert_eq!(
        stage.get("/v1/convai/conversations/conv_none").await.code(),
        (404, "document_not_found")
    );
}

#[tokio::test]
async fn client_data_may_be_left_out_but_the_agent_cannot_start_without_its_variables() {
    let stage = Stage::new().await;
    let mut request = body("+15551234567");
    let variables = &mut request["conversation_initiation_client_data"]["dynamic_variables"];
    variables.as_object_mut().unwrap().remove("custom_rules");
    let answered = stage.post(TWILIO, request.to_string()).await.unwrap();
    assert_eq!(
        (answered.status, &answered.json["success"]),
        (200, &json!(true))
    );
    stage.simulator.wait_idle().await;
    let id = stage.last_conversation();
    assert_eq!(stage.simulator.status(&id), Some(Status::Failed));
    let read = stage
        .get(&format!("/v1/convai/conversations/{id}"))
        .await
        .json;
    let reason = read["metadata"]["termination_reason"].as_str().unwrap();
    assert!(
        reason.starts_with("Missing required dynamic variables") && reason.contains("custom_rules"),
        "{reason}"
    );
    assert!(stage.receiver.turns().is_empty());
    assert_eq!(stage.receiver.events()[0].json["data"]["status"], "failed");

    request["conversation_initiation_client_data"] = Value::Null;
    assert_eq!(
        stage
            .post(TWILIO, request.to_string())
            .await
            .unwrap()
            .status,
        200
    );
    stage.simulator.wait_idle().await;
    assert_eq!(
        stage.simulator.status(&stage.last_conversation()),
        Some(Status::Failed)
    );
}
