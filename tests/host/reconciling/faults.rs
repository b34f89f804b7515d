//! The reconciler where ElevenLabs, the database or the configuration fails it.

use call_ledger::elevenlabs::{ApiAnswer, TransportError};
use serde_json::{Value, json};

use crate::support::events::{Books, HOUR, MINUTE, conversation, transcription, world_with_calls};
use crate::support::sqlite::Fault::Refused;
use crate::support::world::{World, sid};

type Answered = Result<ApiAnswer, TransportError>;
/// How ElevenLabs fails to answer.
type Failing = fn() -> Answered;

fn answer(status: u16, body: &str) -> Answered {
    let body = body.to_owned();
    Ok(ApiAnswer { status, body })
}

/// Three calls, recorded a second apart, of which ElevenLabs knows the end.
async fn world_with_three() -> (World, Books) {
    let world = world_with_calls(&[1, 2, 3]).await;
    for (driver, second) in [(1, 20), (2, 10), (3, 30)] {
        world.database.execute(&format!(
            "UPDATE calls SET call_start_time = '2025-11-21T10:30:{second}.000Z' WHERE driver_id = {driver}"
        ));
    }
    let books = Books::open(
        &world,
        [1, 2, 3].map(|driver| conversation(driver, &[(1, "A:Hello")])),
    );
    (world, books)
}

pub fn path(driver: u32) -> String {
    format!("/v1/convai/conversations/conv_{driver}")
}

pub fn statuses(world: &World) -> Vec<Value> {
    let sql = "SELECT status FROM calls ORDER BY driver_id";
    let rows = world.database.query(sql);
    rows.iter().map(|row| row["status"].clone()).collect()
}

#[tokio::test]
async fn the_longest_waiting_is_asked_about_first() {
    let (world, _) = world_with_three().await;
    world.runtime.advance(HOUR);
    assert_eq!(world.reconcile().await.asked, [path(2), path(1), path(3)]);
    assert_eq!(statuses(&world), ["completed", "completed", "completed"]);
}

#[tokio::test]
async fn an_elevenlabs_that_does_not_answer_is_left_in_peace_until_the_next_run() {
    let refused =
        "{\"detail\":{\"type\":\"authentication_error\",\"message\":\"test-key is wrong\"}}";
    let cases: [(Failing, &str, Option<u16>); 9] = [
        (|| answer(429, "{}"), "rate_limited", Some(429)),
        (
            || answer(401, "{\"detail\":{\"type\":\"authentication_error\"}}"),
            "refused",
            Some(401),
        ),
        (
            || answer(400, "{\"detail\":{\"code\":\"invalid_api_key\"}}"),
            "refused",
            Some(400),
        ),
        (|| answer(422, "{\"detail\":[]}"), "refused", Some(422)),
        (|| answer(500, ""), "unavailable", Some(500)),
        (|| answer(302, ""), "unavailable", Some(302)),
        (|| answer(200, "<html>"), "unavailable", Some(200)),
        (|| Err(TransportError::Timeout), "unavailable", None),
        (
            || Err(TransportError::Broken("reset".to_owned())),
            "unavailable",
            None,
        ),
    ];
    for (failing, code, status) in cases {
        let (world, books) = world_with_three().await;
        world.script(move |_| failing());
        world.runtime.advance(HOUR);
        let run = world.reconcile().await;
        assert_eq!(run.asked, [path(2)]);
        assert_eq!(
            (&run.line["level"], &run.line["code"]),
            (&json!("error"), &json!(code))
        );
        assert_eq!(
            run.line.get("status").and_then(Value::as_u64),
            status.map(u64::from)
        );
        assert!(!run.line.to_string().contains(refused));
        assert_eq!(statuses(&world), ["in_progress"; 3]);
        // The next run begins with the others; the one that was tried waits its time.
        world.script(move |request| books.answer(request));
        world.runtime.advance(MINUTE);
        let run = world.reconcile().await;
        assert_eq!(run.asked, [path(1), path(3)]);
        assert_eq!(
            (&run.line["level"], run.line.get("code")),
            (&json!("info"), None)
        );
        world.runtime.advance(16 * MINUTE);
        assert_eq!(world.reconcile().await.asked, [path(2)]);
        assert_eq!(statuses(&world), ["completed"; 3]);
    }
}

#[tokio::test]
async fn an_answer_about_another_conversation_settles_nothing() {
    let world = world_with_calls(&[7]).await;
    let other = conversation(8, &[(1, "A:Hello")]).to_string();
    world.script(move |_| answer(200, &other));
    world.runtime.advance(HOUR);
    let run = world.reconcile().await;
    assert_eq!(run.line["code"], "unavailable");
    assert_eq!(world.call(&sid(7), "status"), "in_progress");
    assert!(world.words(7).await.is_empty());
}

#[tokio::test]
async fn a_list_that_is_none_says_nothing_about_a_call() {
    for body in [
        "",
        "{}",
        "[]",
        "{\"conversations\":null}",
        "{\"conversations\":7}",
        "<html>",
    ] {
        let world = world_with_calls(&[7]).await;
        world
            .database
            .execute("UPDATE calls SET conversation_id = NULL");
        world.script(move |_| answer(200, body));
        world.runtime.advance(HOUR);
        let run = world.reconcile().await;
        assert_eq!(
            (run.asked.len(), &run.line["code"]),
            (1, &json!("unavailable")),
            "{body}"
        );
        assert_eq!(world.call(&sid(7), "status"), "in_progress");
    }
}

#[tokio::test]
async fn without_an_api_key_events_are_still_applied_and_the_log_says_what_is_missing() {
    let (world, _) = world_with_three().await;
    let fails = [crate::support::sqlite::Fault::None, Refused("D1_ERROR: no")];
    world.database.fail_next(fails);
    let event = transcription(conversation(1, &[(1, "A:Hello")]));
    assert_eq!(world.deliver(&event).await, "kept");
    world.settings.unset("ELEVENLABS_API_KEY");
    world.runtime.advance(HOUR);
    let run = world.reconcile().await;
    assert_eq!(
        (&run.line["level"], &run.line["code"]),
        (&json!("error"), &json!("not_configured"))
    );
    assert_eq!(run.line["cause"], "ELEVENLABS_API_KEY is not set");
    assert!(run.asked.is_empty());
    assert_eq!(
        statuses(&world),
        ["completed", "in_progress", "in_progress"]
    );
    assert_eq!(world.outcomes(), ["applied"]);
}

#[tokio::test]
async fn a_setting_that_cannot_be_read_is_named_in_the_log() {
    for (name, value) in [
        ("CLOUDFLARE_PLAN", "Paid"),
        ("RECONCILE_AFTER_MINUTES", "soon"),
        ("RECONCILE_AFTER_MINUTES", "0"),
        ("ELEVENLABS_TIMEOUT_SECS", "-1"),
        ("ELEVENLABS_BASE_URL", "elevenlabs.test"),
        ("RETENTION_DAYS", "a month"),
        ("RETENTION_DAYS", "0"),
    ] {
        let (world, _) = world_with_three().await;
        world.settings.set(name, value);
        world.runtime.advance(HOUR);
        let run = world.reconcile().await;
        assert_eq!(run.line["code"], "not_configured");
        let cause = run.line["cause"].as_str().unwrap();
        assert!(cause.starts_with(name), "{cause}");
        // One setting does not stop what does not need it.
        let settled = name == "RETENTION_DAYS";
        assert_eq!(statuses(&world)[0] == "completed", settled, "{name}");
    }
}

#[tokio::test]
async fn a_database_that_fails_ends_the_run_with_its_cause_in_the_log() {
    let (world, _) = world_with_three().await;
    world.runtime.advance(HOUR);
    world
        .database
        .fail_next([Refused("D1_ERROR: no such table: x")]);
    let run = world.reconcile().await;
    assert_eq!(
        (&run.line["level"], &run.line["code"]),
        (&json!("error"), &json!("store_unavailable"))
    );
    assert_eq!(run.line["cause"], "D1_ERROR: no such table: x");
    assert!(run.asked.is_empty());
    world.reconcile().await;
    assert_eq!(statuses(&world), ["completed"; 3]);
}

#[tokio::test]
async fn a_run_has_one_line_with_what_it_did_and_asked_of_the_database() {
    let (world, _) = world_with_three().await;
    world.runtime.advance(HOUR);
    let before = world.database.round_trips();
    let run = world.reconcile().await;
    assert_eq!(world.lines("reconcile").len(), 1);
    let expected =
        json!({ "events_tried": 0, "calls_asked": 3, "calls_settled": 3, "texts_cleared": 0 });
    assert_eq!(run.line["reconciled"], expected);
    assert_eq!(
        run.line["db_round_trips"],
        world.database.round_trips() - before
    );
    assert_eq!(run.line["db_retries"], 0);
    assert!(run.line["duration_ms"].is_i64());
}
