//! Who may use a route, and what a route does while a setting is missing.

use serde_json::{Value, json};

use crate::support::world::{
    API_TOKEN, PLACE, Reply, TURN, TestRequest, World, place_body, request, turn_body,
};

fn with_authorization(path: &str, body: &Value, header: Option<&str>) -> TestRequest {
    let mut request = request("POST", path, body.to_string());
    request.headers.clear();
    request
        .headers
        .extend(header.map(|value| ("Authorization".to_owned(), value.to_owned())));
    request
}

fn assert_refused(reply: &Reply) {
    assert_eq!(
        (reply.status, reply.body["code"].as_str()),
        (401, Some("unauthorized")),
        "{}",
        reply.text
    );
    assert_eq!(reply.headers["www-authenticate"], "Bearer");
    assert_eq!(reply.headers["content-type"], "application/problem+json");
}

fn assert_untouched(world: &World) {
    assert_eq!(world.database.round_trips(), 0);
    assert!(world.elevenlabs.requests.borrow().is_empty());
}

/// Authorization headers that do not carry `token`.
fn wrong_headers(token: &str) -> Vec<Option<String>> {
    let (first, rest) = token.split_at(token.len() - 1);
    let mut wrong: Vec<_> = [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer null",
        "Bearer *",
        "Bearer %s",
        "Basic Og==",
        "Bearer \u{0}",
    ]
    .map(|header| Some(header.to_owned()))
    .into();
    wrong.push(None);
    wrong.extend(
        [
            token.to_owned(),
            format!("Bearer{token}"),
            format!("Basic {token}"),
            format!("Token {token}"),
            format!("Bearer {first}"),
            format!("Bearer {rest}"),
            format!("Bearer {token}{rest}"),
            format!("Bearer {token} {token}"),
            format!("Bearer {token},"),
            format!("Bearer \"{token}\""),
            format!("Bearer {}", token.to_uppercase()),
            format!("Bearer {token}é"),
        ]
        .map(Some),
    );
    wrong
}

#[tokio::test]
async fn calls_are_placed_for_the_api_token_only() {
    let world = World::new();
    for header in wrong_headers(API_TOKEN) {
        let request = with_authorization(PLACE, &place_body(&[7]), header.as_deref());
        assert_refused(&world.send(request).await);
    }
    assert_untouched(&world);
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let world = World::new();
        let header = format!("{scheme} {API_TOKEN}");
        let request = with_authorization(PLACE, &place_body(&[7]), Some(&header));
        assert_eq!(world.send(request).await.status, 201);
    }
}

#[tokio::test]
async fn calls_are_read_with_the_api_token_only() {
    let world = World::new();
    for path in ["/calls", "/calls/EL_7_1", "/calls/EL_7_1/transcription"] {
        for header in wrong_headers(API_TOKEN) {
            let mut request = with_authorization(path, &Value::Null, header.as_deref());
            request.method = "GET";
            assert_refused(&world.send(request).await);
        }
    }
    assert_untouched(&world);
    world.settings.unset("API_TOKEN");
    for path in ["/calls", "/calls/EL_7_1", "/calls/EL_7_1/transcription"] {
        assert_eq!(world.get(path).await.status, 503);
        assert_eq!(
            world.lines("request").pop().unwrap()["cause"],
            "API_TOKEN is not set"
        );
    }
    assert_untouched(&world);
}

#[tokio::test]
async fn without_a_secret_nobody_may_settle_calls() {
    let world = World::new();
    let reply = world
        .post("/webhooks/elevenlabs/post-call", &json!({}))
        .await;
    assert_eq!(
        (reply.status, &reply.body["code"]),
        (503, &json!("not_configured"))
    );
    let line = &world.lines("request")[0];
    assert_eq!(line["cause"], "ELEVENLABS_WEBHOOK_SECRET is not set");
    assert_untouched(&world);
}

#[tokio::test]
async fn who_may_not_place_calls_learns_nothing_of_the_body() {
    let world = World::new();
    for body in ["", "{", "{}"] {
        let mut request = request("POST", PLACE, body);
        request.headers.clear();
        assert_refused(&world.send(request).await);
    }
}

#[tokio::test]
async fn the_turn_webhook_is_public_while_no_token_is_set() {
    for header in wrong_headers("secret-webhook-token") {
        for setting in [None, Some("")] {
            let world = World::new();
            world.post(PLACE, &place_body(&[7])).await;
            if let Some(value) = setting {
                world.settings.set("WEBHOOK_TOKEN", value);
            }
            let request = with_authorization(TURN, &turn_body(7, 1, "Hello"), header.as_deref());
            assert_eq!(world.send(request).await.status, 201);
        }
    }
}

#[tokio::test]
async fn the_turn_webhook_asks_for_its_token_once_one_is_set() {
    let world = World::new();
    world.post(PLACE, &place_body(&[7])).await;
    world.settings.set("WEBHOOK_TOKEN", "secret-webhook-token");
    let turn = turn_body(7, 1, "Hello");
    let mut wrong = wrong_headers("secret-webhook-token");
    wrong.push(Some(format!("Bearer {API_TOKEN}")));
    for header in wrong {
        assert_refused(
            &world
                .send(with_authorization(TURN, &turn, header.as_deref()))
                .await,
        );
    }
    assert_eq!(
        world
            .database
            .value("SELECT count(*) FROM call_transcriptions"),
        0
    );
    let right = with_authorization(TURN, &turn, Some("Bearer secret-webhook-token"));
    assert_eq!(world.send(right).await.status, 201);
}

#[tokio::test]
async fn without_an_api_token_nobody_may_place_calls() {
    for setting in [None, Some("")] {
        let world = World::new();
        match setting {
            None => world.settings.unset("API_TOKEN"),
            Some(empty) => world.settings.set("API_TOKEN", empty),
        }
        for header in [None, Some("Bearer "), Some("Bearer test-api-token")] {
            let reply = world
                .send(with_authorization(PLACE, &place_body(&[7]), header))
                .await;
            assert_eq!(
                (reply.status, &reply.body["code"]),
                (503, &json!("not_configured"))
            );
        }
        assert_untouched(&world);
        let line = &world.lines("request")[0];
        assert_eq!(
            (&line["level"], &line["code"]),
            (&json!("error"), &json!("not_configured"))
        );
        assert_eq!(line["cause"], "API_TOKEN is not set");
    }
}

#[tokio::test]
async fn a_setting_that_is_missing_or_unreadable_is_named_in_the_log_without_its_value() {
    for (name, value) in [
        ("ELEVENLABS_API_KEY", ""),
        ("ELEVENLABS_AGENT_ID", ""),
        ("ELEVENLABS_PHONE_NUMBER_ID", ""),
        ("ELEVENLABS_API_KEY", "sk-test-key\nxi"),
        ("ELEVENLABS_API_KEY", "“sk-s3cret”"),
        ("ELEVENLABS_AGENT_ID", " , ,"),
        ("ELEVENLABS_BASE_URL", "ftp-s3cret"),
        ("ELEVENLABS_BASE_URL", "https://"),
        ("ELEVENLABS_BASE_URL", "https://[s3cret"),
        ("ELEVENLABS_BASE_URL", "https://elevenlabs.test:99999"),
        ("ELEVENLABS_BASE_URL", "https://elevenlabs.test?s3cret"),
        ("ELEVENLABS_TELEPHONY", "pigeon-s3cret"),
        ("ELEVENLABS_TIMEOUT_SECS", "soon-s3cret"),
        ("ELEVENLABS_TIMEOUT_SECS", "0"),
        ("ELEVENLABS_TIMEOUT_SECS", "-1"),
    ] {
        let world = World::new();
        world.settings.set(name, value);
        let reply = world.post(PLACE, &place_body(&[7])).await;
        assert_eq!(
            (reply.status, &reply.body["code"]),
            (503, &json!("not_configured")),
            "{name}"
        );
        let line = &world.lines("request")[0];
        assert!(line["cause"].as_str().unwrap().starts_with(name), "{line}");
        for text in [&reply.text, &line.to_string()] {
            assert!(
                !text.contains("s3cret") && !text.contains("test-key"),
                "{text}"
            );
        }
        assert!(!reply.text.contains(name), "only the log names the setting");
        assert_untouched(&world);
        let health = world.get("/health").await;
        let is_named = !health.body["configuration_faults"][name].is_null();
        assert_eq!(is_named, !value.is_empty(), "{name} {value}");
    }
}

#[tokio::test]
async fn a_stranger_does_not_learn_that_a_setting_is_missing() {
    let world = World::new();
    world.settings.unset("ELEVENLABS_API_KEY");
    assert_refused(
        &world
            .send(with_authorization(PLACE, &place_body(&[7]), None))
            .await,
    );
}

#[tokio::test]
async fn turns_and_health_need_nothing_of_what_placing_needs() {
    let world = World::new();
    world.post(PLACE, &place_body(&[7])).await;
    for name in [
        "API_TOKEN",
        "ELEVENLABS_API_KEY",
        "ELEVENLABS_AGENT_ID",
        "ELEVENLABS_PHONE_NUMBER_ID",
    ] {
        world.settings.unset(name);
    }
    assert_eq!(
        world.post(TURN, &turn_body(7, 1, "Hello")).await.status,
        201
    );
    assert_eq!(world.get("/health").await.status, 200);
}
