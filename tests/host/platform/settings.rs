//! Settings of another type than text. `wrangler.toml` takes numbers, booleans and tables as
//! variables, and the worker gets them as they are.

use call_ledger::platform::config::Setting;
use serde_json::{Value, json};

use crate::support::events::{Books, DAY, HOUR, conversation, transcription, world_with_calls};
use crate::support::world::{PLACE, TURN, World, place_body, request, turn_body};

const UNREADABLE: &str = "is neither text nor a whole number; write it in quotes";

fn line(world: &World) -> Value {
    world.lines("request").pop().unwrap()
}

async fn turn(world: &World, token: Option<&str>) -> (u16, Value) {
    let mut turn = request("POST", TURN, turn_body(7, 1, "Hello").to_string());
    turn.headers.clear();
    let header = token.map(|token| ("authorization".to_owned(), format!("Bearer {token}")));
    turn.headers.extend(header);
    let reply = world.send(turn).await;
    (reply.status, reply.body["code"].clone())
}

#[tokio::test]
async fn a_token_that_is_a_number_guards_the_turn_route_as_its_digits() {
    let world = world_with_calls(&[7]).await;
    world
        .settings
        .set_to("WEBHOOK_TOKEN", Setting::from_number(20_251_121.0));
    assert_eq!(turn(&world, None).await.0, 401);
    assert_eq!(turn(&world, Some("20251122")).await.0, 401);
    assert_eq!(turn(&world, Some("20251121")).await.0, 201);
}

#[tokio::test]
async fn a_token_that_cannot_be_read_closes_the_turn_route() {
    for token in [
        Setting::Unreadable,
        Setting::from_number(0.5),
        Setting::from_number(f64::NAN),
        // Its digits are not the ones that were written.
        Setting::from_number(12_345_678_901_234_567_890.0),
    ] {
        let world = world_with_calls(&[7]).await;
        world.settings.set_to("WEBHOOK_TOKEN", token);
        for given in [None, Some(""), Some("true"), Some("[object Object]")] {
            let refused = (503, json!("not_configured"));
            assert_eq!(turn(&world, given).await, refused);
            let line = line(&world);
            assert_eq!(line["cause"], format!("WEBHOOK_TOKEN {UNREADABLE}"));
            assert_eq!(line["level"], "error");
        }
        let count = "SELECT count(*) FROM call_transcriptions";
        assert_eq!(world.database.value(count), 0);
    }
}

#[tokio::test]
async fn a_token_of_white_space_closes_the_turn_route() {
    let world = world_with_calls(&[7]).await;
    world.settings.set("WEBHOOK_TOKEN", " \n");
    for given in [None, Some(""), Some(" ")] {
        assert_eq!(turn(&world, given).await.0, 503);
    }
    let cause = "WEBHOOK_TOKEN has nothing but white space";
    assert_eq!(line(&world)["cause"], cause);
}

#[tokio::test]
async fn white_space_around_a_token_is_not_part_of_it() {
    let world = world_with_calls(&[7]).await;
    world.settings.set("WEBHOOK_TOKEN", " secret-token\r\n");
    assert_eq!(turn(&world, None).await.0, 401);
    assert_eq!(turn(&world, Some("secret-token")).await.0, 201);
}

#[tokio::test]
async fn retention_in_days_as_a_number_clears_texts() {
    for days in [
        Setting::from_number(30.0),
        Setting::Text("30".to_owned()),
        Setting::Text(" 30\n".to_owned()),
    ] {
        let world = settled_and_old().await;
        world.settings.set_to("RETENTION_DAYS", days);
        assert_eq!(cleared(&world).await.0, 2);
        let left = "SELECT count(*) FROM call_transcriptions WHERE message_text <> ''";
        assert_eq!(world.database.value(left), 0);
    }
}

#[tokio::test]
async fn retention_that_cannot_be_read_is_an_error_of_every_run() {
    for (days, fault) in [
        (Setting::Unreadable, UNREADABLE),
        (Setting::from_number(0.5), UNREADABLE),
        (Setting::from_number(0.0), "must be a whole number above 0"),
        (
            Setting::from_number(-30.0),
            "must be a whole number above 0",
        ),
        (
            Setting::Text("30 days".to_owned()),
            "must be a whole number above 0",
        ),
    ] {
        let world = settled_and_old().await;
        world.settings.set_to("RETENTION_DAYS", days);
        let (texts, line) = cleared(&world).await;
        assert_eq!((texts, &line["level"]), (0, &json!("error")));
        assert_eq!(line["code"], "not_configured");
        assert_eq!(line["cause"], format!("RETENTION_DAYS {fault}"));
    }
}

/// A settled call with two turns, 31 days later.
async fn settled_and_old() -> World {
    let world = world_with_calls(&[7]).await;
    let turns = [(1, "A:Hello"), (4, "D:Hi")];
    world.deliver(&transcription(conversation(7, &turns))).await;
    Books::open(&world, []);
    world.runtime.advance(31 * DAY + HOUR);
    world
}

/// How many texts of turns a run of the reconciler cleared, and its line.
async fn cleared(world: &World) -> (i64, Value) {
    let full = "SELECT count(*) FROM call_transcriptions WHERE message_text <> ''";
    let count = || world.database.value(full).as_i64().unwrap();
    let before = count();
    let line = world.reconcile().await.line;
    (before - count(), line)
}

#[tokio::test]
async fn a_setting_that_cannot_be_read_closes_the_routes_that_need_it() {
    for (name, path) in [
        ("API_TOKEN", PLACE),
        ("ELEVENLABS_API_KEY", PLACE),
        ("ELEVENLABS_AGENT_ID", PLACE),
        ("ELEVENLABS_PHONE_NUMBER_ID", PLACE),
        ("ELEVENLABS_BASE_URL", PLACE),
        ("ELEVENLABS_TELEPHONY", PLACE),
        ("ELEVENLABS_TIMEOUT_SECS", PLACE),
        (
            "ELEVENLABS_WEBHOOK_SECRET",
            "/webhooks/elevenlabs/post-call",
        ),
        ("WEBHOOK_TOKEN", TURN),
    ] {
        let world = World::new();
        world.settings.set_to(name, Setting::Unreadable);
        let reply = world.post(path, &place_body(&[7])).await;
        assert_eq!(
            (reply.status, &reply.body["code"]),
            (503, &json!("not_configured")),
            "{name}"
        );
        assert!(!reply.text.contains(name), "{}", reply.text);
        assert_eq!(line(&world)["cause"], format!("{name} {UNREADABLE}"));
        assert_eq!(world.database.round_trips(), 0);
        assert!(world.dialled().is_empty());
    }
}

#[tokio::test]
async fn something_else_in_the_place_of_a_rate_limit_closes_the_turn_route() {
    for name in ["TURN_RATE_LIMIT_BY_CALL", "TURN_RATE_LIMIT_BY_ADDRESS"] {
        let world = world_with_calls(&[7]).await;
        world.settings.set_to(name, Setting::from_number(60.0));
        let mut turn = request("POST", TURN, turn_body(7, 1, "Hello").to_string());
        let address = ("cf-connecting-ip".to_owned(), "203.0.113.7".to_owned());
        turn.headers.push(address);
        assert_eq!(world.send(turn).await.status, 503);
        let cause = format!("{name} is bound to something that is not a rate limit");
        assert_eq!(line(&world)["cause"], cause);
        let health = world.get("/health").await;
        assert!(!health.body["configuration_faults"][name].is_null());
    }
}

#[tokio::test]
async fn health_names_the_settings_that_cannot_be_used_without_their_values() {
    let world = World::new();
    assert_eq!(
        world.get("/health").await.body["configuration_faults"],
        json!({})
    );
    world.settings.set_to("WEBHOOK_TOKEN", Setting::Unreadable);
    world.settings.set_to("RETENTION_DAYS", Setting::Unreadable);
    world.settings.set("RECONCILE_AFTER_MINUTES", "s3cret");
    world.settings.set("ELEVENLABS_TIMEOUT_SECS", "2147484");
    world.settings.set("ELEVENLABS_TELEPHONY", "s3cret");
    let reply = world.get("/health").await;
    assert_eq!(
        reply.body["configuration_faults"],
        json!({
            "ELEVENLABS_TELEPHONY": "must be twilio or sip-trunk",
            "ELEVENLABS_TIMEOUT_SECS":
                "must be at most 2147483 seconds, the longest that a timer can wait",
            "RECONCILE_AFTER_MINUTES": "must be a whole number above 0",
            "RETENTION_DAYS": UNREADABLE,
            "WEBHOOK_TOKEN": UNREADABLE,
        })
    );
    // A setting that cannot be read is set.
    assert_eq!(reply.body["configuration"]["WEBHOOK_TOKEN"], true);
    assert!(!reply.text.contains("s3cret"));
    let mut stranger = request("GET", "/health", "");
    stranger.headers.clear();
    let reply = world.send(stranger).await;
    assert_eq!(reply.body, json!({ "status": "ok" }));
}
