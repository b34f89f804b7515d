//! Who may deliver events, and what counts as one. Signatures are made here as ElevenLabs makes
//! them, over the raw bytes.

use serde_json::{Value, json};

use crate::support::events::{
    POST_CALL, SECRET, conversation, delivery, failure, tag, transcription, world_with_calls,
};
use crate::support::world::{Reply, World, request, sid};

/// The body of the event that settles driver 7's call.
pub fn event() -> String {
    transcription(conversation(7, &[(1, "A:Hello")])).to_string()
}

/// A header over this body with these secrets' tags, so many seconds from now.
pub fn header(world: &World, secrets: &[&str], seconds: i64, body: &str) -> String {
    let time = (world.seconds() + seconds).to_string();
    let tags: String = secrets
        .iter()
        .map(|secret| format!(",v0={}", tag(secret, &time, body.as_bytes())))
        .collect();
    format!("t={time}{tags}")
}

async fn deliver(world: &World, header: &str, body: &str) -> Reply {
    world.send(delivery(header, body)).await
}

pub fn assert_applied(world: &World, reply: &Reply) {
    assert_eq!(
        (reply.status, &reply.body),
        (200, &json!({ "status": "applied" })),
        "{}",
        reply.text
    );
    assert_eq!(world.call(&sid(7), "status"), "completed");
}

pub fn assert_untouched(world: &World) {
    assert!(world.outcomes().is_empty());
    assert_eq!(world.call(&sid(7), "status"), "in_progress");
}

pub fn assert_problem(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, reply.body["code"].as_str()),
        (status, Some(code)),
        "{}",
        reply.text
    );
    assert_eq!(reply.headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn an_event_that_is_signed_with_the_secret_is_taken_without_a_token() {
    let world = world_with_calls(&[7]).await;
    let body = event();
    let header = header(&world, &[SECRET], 0, &body);
    assert_applied(&world, &deliver(&world, &header, &body).await);
}

#[tokio::test]
async fn any_of_several_secrets_is_enough() {
    for secrets in [
        format!("{SECRET},wsec_new"),
        format!("wsec_new,{SECRET}"),
        format!(" wsec_new , {SECRET} ,"),
    ] {
        let world = world_with_calls(&[7]).await;
        world.settings.set("ELEVENLABS_WEBHOOK_SECRET", &secrets);
        let body = event();
        for stranger in ["wsec_old", &secrets, "", ","] {
            let header = header(&world, &[stranger], 0, &body);
            assert_problem(
                &deliver(&world, &header, &body).await,
                401,
                "invalid_signature",
            );
        }
        assert_untouched(&world);
        let header = header(&world, &[SECRET], 0, &body);
        assert_applied(&world, &deliver(&world, &header, &body).await);
    }
}

#[tokio::test]
async fn any_of_several_signatures_is_enough() {
    for signed in [["wsec_other", SECRET], [SECRET, "wsec_other"]] {
        let world = world_with_calls(&[7]).await;
        let body = event();
        let header = header(&world, &signed, 0, &body);
        assert_applied(&world, &deliver(&world, &header, &body).await);
    }
}

#[tokio::test]
async fn a_signature_holds_for_45_minutes_before_and_after_its_time() {
    for (seconds, taken) in [
        (45 * 60, true),
        (-45 * 60, true),
        (31 * 60, true),
        (45 * 60 + 1, false),
        (-45 * 60 - 1, false),
        (24 * 60 * 60, false),
    ] {
        let world = world_with_calls(&[7]).await;
        let body = event();
        let header = header(&world, &[SECRET], seconds, &body);
        let reply = deliver(&world, &header, &body).await;
        if taken {
            assert_applied(&world, &reply);
        } else {
            assert_problem(&reply, 401, "invalid_signature");
            assert_untouched(&world);
        }
    }
}

#[tokio::test]
async fn a_header_that_is_missing_or_garbled_lets_nobody_in() {
    let world = world_with_calls(&[7]).await;
    let body = event();
    let good = header(&world, &[SECRET], 0, &body);
    let (time, hex) = good.split_once(",v0=").unwrap();
    let now = world.seconds();
    for garbled in [
        String::new(),
        "t".to_owned(),
        time.to_owned(),
        format!("v0={hex}"),
        format!("{time},v0="),
        format!("{time},v0={}", &hex[1..]),
        format!("{time},v0={hex}0"),
        format!("{time},v0={}", "z".repeat(64)),
        format!("{time},v1={hex}"),
        format!("{time};v0={hex}"),
        format!("t={now}.0,v0={hex}"),
        format!("t=-{now},v0={hex}"),
        format!("t=+{now},v0={hex}"),
        format!("t=,v0={hex}"),
        format!("t=abc,v0={hex}"),
        format!("{time},t={},v0={hex}", now + 1),
        format!("t={},v0={hex}", now + 1),
        format!("{}{hex}", ",v0=x".repeat(10_000)),
        "\u{e9}".repeat(100),
    ] {
        let reply = deliver(&world, &garbled, &body).await;
        assert_problem(&reply, 401, "invalid_signature");
    }
    let mut unsigned = delivery(&good, body.as_str());
    unsigned.headers.clear();
    assert_problem(&world.send(unsigned).await, 401, "invalid_signature");
    // The token of the other routes opens nothing here.
    let with_token = request("POST", POST_CALL, body.as_str());
    assert_problem(&world.send(with_token).await, 401, "invalid_signature");
    assert_untouched(&world);
    assert_applied(&world, &deliver(&world, &good, &body).await);
}

#[tokio::test]
async fn a_signature_covers_every_byte() {
    let world = world_with_calls(&[7]).await;
    let body = event();
    let signed = header(&world, &[SECRET], 0, &body);
    for changed in [
        body.replace("Hello", "Hellp"),
        format!("{body} "),
        format!(" {body}"),
        body[..body.len() - 1].to_owned(),
        String::new(),
        failure(7, "busy").to_string(),
    ] {
        let reply = deliver(&world, &signed, &changed).await;
        assert_problem(&reply, 401, "invalid_signature");
    }
    assert_untouched(&world);
    // Spelled otherwise, but signed as it is spelled.
    let spelled = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&body).unwrap());
    let spelled = spelled.unwrap();
    let header = header(&world, &[SECRET], 0, &spelled);
    assert_applied(&world, &deliver(&world, &header, &spelled).await);
}

#[tokio::test]
async fn without_a_secret_nobody_gets_in_and_the_log_says_which_is_missing() {
    let world = world_with_calls(&[7]).await;
    let body = event();
    for secret in [None, Some("")] {
        match secret {
            None => world.settings.unset("ELEVENLABS_WEBHOOK_SECRET"),
            Some(secret) => world.settings.set("ELEVENLABS_WEBHOOK_SECRET", secret),
        }
        for signed_with in [SECRET, ""] {
            let header = header(&world, &[signed_with], 0, &body);
            let reply = deliver(&world, &header, &body).await;
            assert_problem(&reply, 503, "not_configured");
            assert!(!reply.text.contains("ELEVENLABS_WEBHOOK_SECRET"));
            let line = world.lines("request").pop().unwrap();
            assert_eq!(line["cause"], "ELEVENLABS_WEBHOOK_SECRET is not set");
        }
    }
    assert_untouched(&world);
}

#[tokio::test]
async fn a_secret_of_nothing_but_commas_lets_nobody_in() {
    let world = world_with_calls(&[7]).await;
    world.settings.set("ELEVENLABS_WEBHOOK_SECRET", " , ,");
    let body = event();
    for secret in ["", " ", ",", " , ,"] {
        let header = header(&world, &[secret], 0, &body);
        let reply = deliver(&world, &header, &body).await;
        // ElevenLabs sends an event again after a 503, not after a 401.
        assert_problem(&reply, 503, "not_configured");
        let line = world.lines("request").pop().unwrap();
        let cause = "ELEVENLABS_WEBHOOK_SECRET has nothing but commas";
        assert_eq!(line["cause"], cause);
    }
    assert_untouched(&world);
}
