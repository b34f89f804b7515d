//! What the people who run the service see: rate limits, the detailed health check, timings.

use serde_json::{Value, json};

use crate::support::world::{PLACE, TURN, World, place_body, request, sid, turn_body};

async fn world_with_a_call() -> World {
    let world = World::new();
    assert_eq!(world.post(PLACE, &place_body(&[7])).await.status, 201);
    world
}

#[tokio::test]
async fn a_call_whose_turns_come_too_often_is_held_back_before_the_database_is_asked() {
    let world = world_with_a_call().await;
    world.settings.deny("TURN_RATE_LIMIT_BY_CALL", &sid(7));
    let before = world.database.round_trips();
    let reply = world.post(TURN, &turn_body(7, 1, "Hello")).await;
    assert_eq!(
        (reply.status, &reply.body["code"]),
        (429, &json!("rate_limited"))
    );
    assert_eq!(reply.headers["retry-after"], "60");
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    assert_eq!(world.database.round_trips(), before);
    // Another call is not touched.
    let other = world.post(TURN, &turn_body(8, 1, "Hello")).await;
    assert_eq!(other.body["code"], "unknown_call_sid");
}

#[tokio::test]
async fn an_address_that_posts_too_often_is_held_back_before_its_body_is_read() {
    let world = world_with_a_call().await;
    world
        .settings
        .deny("TURN_RATE_LIMIT_BY_ADDRESS", "203.0.113.7");
    let from = |address: &str| {
        let mut turn = request("POST", TURN, turn_body(7, 1, "Hello").to_string());
        let header = ("cf-connecting-ip".to_owned(), address.to_owned());
        turn.headers.push(header);
        turn
    };
    assert_eq!(world.send(from("203.0.113.7")).await.status, 429);
    assert_eq!(world.send(from("::ffff:203.0.113.7")).await.status, 429);
    assert_eq!(world.send(from("203.0.113.8")).await.status, 201);
}

#[tokio::test]
async fn every_address_of_an_ipv6_network_counts_for_the_same_limit() {
    let world = world_with_a_call().await;
    world
        .settings
        .deny("TURN_RATE_LIMIT_BY_ADDRESS", "20010db800000001/64");
    for (address, status) in [
        ("2001:db8:0:1::1", 429),
        ("2001:db8:0:1:a:b:c:d", 429),
        ("2001:db8:0:2::1", 201),
    ] {
        let mut turn = request("POST", TURN, turn_body(7, 1, "Hello").to_string());
        let header = ("cf-connecting-ip".to_owned(), address.to_owned());
        turn.headers.push(header);
        assert_eq!(world.send(turn).await.status, status, "{address}");
    }
}

#[tokio::test]
async fn health_tells_the_holder_of_the_token_more() {
    let world = world_with_a_call().await;
    let reply = world.get("/health").await;
    assert_eq!(reply.status, 200);
    let newest = world.database.value("SELECT MAX(name) FROM d1_migrations");
    assert_eq!(
        reply.body["database"],
        json!({ "round_trip_ms": 0, "migration": newest, "unsettled_calls": 1, "waiting_events": 0 })
    );
    assert_eq!(reply.body["configuration"]["API_TOKEN"], true);
    assert_eq!(reply.body["configuration"]["RETENTION_DAYS"], false);
    assert!(!reply.text.contains("test-key"), "no value is shown");
}

#[tokio::test]
async fn health_tells_everybody_else_only_that_it_is_well() {
    let world = world_with_a_call().await;
    for authorization in [None, Some("Bearer wrong")] {
        let mut health = request("GET", "/health", "");
        health.headers.clear();
        if let Some(authorization) = authorization {
            health
                .headers
                .push(("authorization".to_owned(), authorization.to_owned()));
        }
        let reply = world.send(health).await;
        assert_eq!((reply.status, reply.body), (200, json!({ "status": "ok" })));
    }
}

#[tokio::test]
async fn every_answer_tells_how_long_it_and_the_database_took() {
    let world = World::new();
    for (path, body) in [
        (PLACE, place_body(&[7])),
        (TURN, turn_body(7, 1, "Hi")),
        ("/", Value::Null),
    ] {
        let reply = world.post(path, &body).await;
        assert_eq!(reply.headers["server-timing"], "db;dur=0, total;dur=0");
    }
}

#[tokio::test]
async fn names_that_nobody_gives_are_refused_before_they_reach_a_row_a_line_or_an_address() {
    let world = world_with_a_call().await;
    let long = "x".repeat(201);
    let turn = json!({
        "call_sid": long, "conversation_id": long, "speaker": "agent", "message": "Hello",
        "timestamp": "2025-11-21T10:30:05Z",
    });
    let reply = world.post(TURN, &turn).await;
    assert_eq!(reply.status, 400);
    let faults = json!([
        { "field": "call_sid", "message": "must have at most 200 bytes" },
        { "field": "conversation_id", "message": "must have at most 200 bytes" },
    ]);
    assert_eq!(reply.body["errors"], faults);
    let lines = world.runtime.lines.borrow();
    assert!(!lines.iter().any(|line| line.to_string().contains(&long)));
}

#[tokio::test]
async fn line_ends_and_quotes_in_a_name_stay_within_one_line_of_the_log() {
    let world = World::new();
    let name = "EL_1\n{\"event\":\"forged\"}\r\u{2028}";
    let mut turn = turn_body(1, 1, "Hello");
    turn["call_sid"] = json!(name);
    assert_eq!(world.post(TURN, &turn).await.status, 400);
    let lines = world.lines("request");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["call_sid"], name);
    assert!(world.lines("forged").is_empty());
}

#[tokio::test]
async fn a_conversation_named_like_a_path_never_leads_to_another_path() {
    // Two names have no address at all; then the call's own is looked for.
    let by_name = "?page_size=10&user_id=EL_7_2025-11-21T10%3A30%3A00Z";
    for (name, asked) in [
        ("..", by_name),
        (".", by_name),
        ("a/b?c#d", "/a%2Fb%3Fc%23d"),
        ("../agents", "/..%2Fagents"),
    ] {
        let world = World::new();
        world.script(|_| Err(call_ledger::elevenlabs::TransportError::Timeout));
        world.post(PLACE, &place_body(&[7])).await;
        let mut turn = turn_body(7, 1, "Hello");
        turn["conversation_id"] = json!(name);
        assert_eq!(world.post(TURN, &turn).await.status, 201);
        world.runtime.advance(20 * 60 * 1000);
        world.reconcile().await;
        let requests = world.elevenlabs.requests.borrow();
        let gets: Vec<_> = requests
            .iter()
            .filter(|request| request.method == "GET")
            .collect();
        let asked = format!("http://elevenlabs.test/v1/convai/conversations{asked}");
        assert_eq!(gets[0].url, asked, "{name}");
    }
}

#[test]
fn the_platforms_own_line_for_each_request_is_off_in_every_environment() {
    let configuration = std::fs::read_to_string("wrangler.toml").unwrap();
    let table = |name: &str| {
        let (_, after) = configuration.split_once(&format!("\n[{name}]\n")).unwrap();
        let rows = after.lines().take_while(|line| !line.starts_with('['));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(table("observability").contains(&"enabled = true".to_owned()));
    let logs = table("observability.logs");
    assert!(logs.contains(&"invocation_logs = false".to_owned()));
    // An environment inherits the table, unless it has its own.
    let mut lines = configuration.lines();
    let own = lines.find(|line| line.starts_with("[env.") && line.contains(".observability"));
    assert_eq!(own, None);
}
