//! What every route has in common: paths, methods, problem responses, request ids, bodies.

use serde_json::json;

use crate::support::sqlite::{Fault::Refused, TRANSIENT};
use crate::support::world::{PLACE, Reply, TURN, World, place_body, request, sid, turn_body};

fn assert_problem(reply: &Reply, status: u16, title: &str, code: &str) {
    assert_eq!(reply.status, status, "{}", reply.text);
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    assert_eq!(reply.headers["cache-control"], "no-store");
    for (member, value) in [
        ("type", json!("about:blank")),
        ("title", json!(title)),
        ("status", json!(status)),
        ("code", json!(code)),
    ] {
        assert_eq!(reply.body[member], value);
    }
    let detail = reply.body["detail"].as_str().unwrap();
    assert!(
        detail.ends_with('.') && detail.contains(' '),
        "a sentence: {detail}"
    );
    let known = [
        "type",
        "title",
        "status",
        "detail",
        "code",
        "call_sid",
        "call_sids",
        "errors",
        "error_count",
    ];
    assert!(
        reply
            .body
            .as_object()
            .unwrap()
            .keys()
            .all(|member| known.contains(&member.as_str()))
    );
}

#[tokio::test]
async fn there_is_nothing_at_any_other_path() {
    let world = World::new();
    for path in [
        "/",
        "//",
        "/driver_data",
        "/driver_data/call-elevenlabs/",
        "//driver_data/call-elevenlabs",
        "/Driver_data/call-elevenlabs",
        "/webhooks",
        "/webhooks/elevenlabs",
        "/webhooks%2Felevenlabs%2Ftranscription",
        "/healthz",
        "/health/",
        "/.env",
        "/health/../health",
        "/%00",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let reply = world.send(request(method, path, "{}")).await;
            assert_problem(&reply, 404, "Not Found", "not_found");
        }
    }
    assert_eq!(world.database.round_trips(), 0);
    assert!(
        world
            .lines("request")
            .iter()
            .all(|line| line["route"] == "unknown")
    );
}

#[tokio::test]
async fn another_method_is_answered_with_those_the_path_takes() {
    let world = World::new();
    for (path, allowed, others) in [
        (
            PLACE,
            "POST",
            &["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post"][..],
        ),
        (
            TURN,
            "POST",
            &["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"],
        ),
        (
            "/webhooks/elevenlabs/post-call",
            "POST",
            &["GET", "HEAD", "PUT", "DELETE"],
        ),
        ("/calls", "GET, HEAD", &["POST", "PUT", "DELETE"]),
        (
            "/calls/EL_7_1",
            "GET, HEAD",
            &["POST", "PUT", "PATCH", "DELETE"],
        ),
        (
            "/calls/EL_7_1/transcription",
            "GET, HEAD",
            &["POST", "PUT", "DELETE"],
        ),
        (
            "/health",
            "GET, HEAD",
            &["POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        ),
    ] {
        for method in others {
            let reply = world.send(request(method, path, "{}")).await;
            assert_eq!(
                (reply.status, reply.headers["allow"].as_str()),
                (405, allowed)
            );
            if *method != "HEAD" {
                assert_problem(&reply, 405, "Method Not Allowed", "method_not_allowed");
            }
        }
    }
    assert_eq!(world.database.round_trips(), 0);
}

#[tokio::test]
async fn a_query_does_not_change_the_route() {
    let world = World::new();
    let reply = world
        .post(&format!("{PLACE}?driver=/health"), &place_body(&[7]))
        .await;
    assert_eq!(reply.status, 201);
}

#[tokio::test]
async fn every_problem_is_problem_json_with_its_code() {
    let world = World::new();
    world.post(PLACE, &place_body(&[7])).await;
    let mut stranger = request("POST", PLACE, "{}");
    stranger.headers.clear();
    assert_problem(
        &world.send(stranger).await,
        401,
        "Unauthorized",
        "unauthorized",
    );
    let reply = world.post(PLACE, &json!({})).await;
    assert_problem(&reply, 400, "Bad Request", "invalid_request");
    assert_eq!(
        reply.body["errors"][0],
        json!({ "field": "timestamp", "message": "is required" })
    );
    let reply = world.post(TURN, &turn_body(9, 1, "Hello")).await;
    assert_problem(&reply, 400, "Bad Request", "unknown_call_sid");
    assert_eq!(reply.body["call_sid"], sid(9));
    let reply = world.send(request("POST", TURN, vec![b' '; 300_000])).await;
    assert_problem(&reply, 413, "Content Too Large", "payload_too_large");
    world.database.fail_next(vec![Refused(TRANSIENT); 3]);
    let reply = world.post(TURN, &turn_body(7, 1, "Hello")).await;
    assert_problem(&reply, 500, "Internal Server Error", "store_unavailable");
    world.database.fail_next(vec![Refused(TRANSIENT); 3]);
    let reply = world.post(PLACE, &place_body(&[8])).await;
    assert_problem(&reply, 500, "Internal Server Error", "call_not_recorded");
    world.settings.unset("API_TOKEN");
    let reply = world.post(PLACE, &place_body(&[8])).await;
    assert_problem(&reply, 503, "Service Unavailable", "not_configured");
}

#[tokio::test]
async fn the_request_id_is_cloudflares_and_stands_in_the_log() {
    let world = World::new();
    for (method, path) in [("GET", "/health"), ("GET", "/nothing"), ("POST", PLACE)] {
        let mut request = request(method, path, "");
        request
            .headers
            .push(("CF-Ray".to_owned(), "9a1b2c3d4e5f-FRA".to_owned()));
        assert_eq!(
            world.send(request).await.headers["x-request-id"],
            "9a1b2c3d4e5f-FRA"
        );
        assert_eq!(
            world.lines("request").pop().unwrap()["request_id"],
            "9a1b2c3d4e5f-FRA"
        );
    }
}

#[tokio::test]
async fn without_cloudflare_each_request_has_a_random_id() {
    let world = World::new();
    let mut seen = Vec::new();
    for path in ["/health", "/health", "/nothing"] {
        let id = world.get(path).await.headers["x-request-id"].clone();
        assert!(
            id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
        assert_eq!(world.lines("request").pop().unwrap()["request_id"], id);
        assert!(!seen.contains(&id));
        seen.push(id);
    }
}

#[tokio::test]
async fn health_tells_whether_the_database_answers() {
    let world = World::new();
    let reply = world.get("/health").await;
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!("ok")));
    let reply = world.send(request("HEAD", "/health", "")).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    assert_eq!(reply.headers["content-type"], "application/json");
    world.database.fail_next(vec![Refused(TRANSIENT); 2]);
    assert_eq!(world.get("/health").await.status, 200);
    world.database.fail_next(vec![Refused(TRANSIENT); 3]);
    let reply = world.get("/health").await;
    assert_problem(&reply, 503, "Service Unavailable", "store_unavailable");
    world
        .database
        .fail_next([Refused("D1_ERROR: no such table: sqlite_schema")]);
    assert_eq!(world.get("/health").await.status, 503);
}

#[tokio::test]
async fn health_is_open_to_everyone() {
    let world = World::new();
    let mut request = request("GET", "/health", "");
    request.headers.clear();
    assert_eq!(world.send(request).await.status, 200);
}
