//! Each line of the reconciler's work has its own share of a run, whatever waits in the others, and
//! the plan says how large a run may be.

use serde_json::{Value, json};

use crate::reconciling::asking::did;
use crate::reconciling::bounds::{ALLOWED, add_calls};
use crate::reconciling::faults::path;
use crate::support::events::{
    Books, DAY, HOUR, MINUTE, conversation, empty_world, transcription, world_with_calls,
};
use crate::support::sqlite::Fault::{None as Good, Refused};
use crate::support::world::{World, sid};

/// Events of another agent that wait, as a database has them that was filled before they were
/// ignored.
fn add_foreign_events(world: &World, count: u32) {
    for number in 1000..1000 + count {
        let mut data = conversation(number, &[(1, "A:Hello")]);
        data["agent_id"] = json!("agent_other");
        data["user_id"] = json!("customer-9");
        data["conversation_initiation_client_data"] = Value::Null;
        world.database.execute(&format!(
            "INSERT INTO elevenlabs_events \
               (type, conversation_id, event_timestamp, payload, received_at, tried_at, outcome) \
             VALUES ('post_call_transcription', 'conv_{number}', 1, '{}', \
               '2025-11-21T10:30:01.000Z', '2025-11-21T10:30:01.000Z', 'kept')",
            transcription(data)
        ));
    }
}

/// A world in which ElevenLabs knows the end of so many of our calls, none of them settled.
fn world_with_open_calls(count: u32) -> World {
    let world = empty_world();
    let turns = [(1, "A:Hello"), (4, "D:Hi"), (9, "A:Bye")];
    Books::open(
        &world,
        (0..count).map(|driver| conversation(driver, &turns)),
    );
    add_calls(&world, 0..count, true);
    world
}

fn open_calls(world: &World) -> i64 {
    let sql = "SELECT count(*) FROM calls WHERE status = 'in_progress'";
    world.database.value(sql).as_i64().unwrap()
}

/// The calls that each run asked about, until none is open.
async fn runs(world: &World) -> Vec<i64> {
    let mut asked = Vec::new();
    while open_calls(world) > 0 {
        world.runtime.advance(5 * MINUTE);
        let run = world.reconcile().await;
        assert_eq!(run.line["level"], "info", "{}", run.line);
        asked.push(did(&run.line)[1]);
        assert!(asked.len() < 30, "{asked:?}");
    }
    asked
}

#[tokio::test]
async fn foreign_events_that_wait_do_not_keep_our_calls_from_being_asked_about() {
    for waiting in [24, 1000] {
        let world = world_with_open_calls(30);
        add_foreign_events(&world, waiting);
        world.runtime.advance(HOUR);
        let asked = runs(&world).await;
        assert!(asked.len() <= 10 && asked[0] >= 3, "{waiting}: {asked:?}");
        if waiting == 24 {
            // They are ended after an hour, and leave no words.
            let left = world.database.query(
                "SELECT outcome, count(payload) AS payloads, count(*) AS events FROM elevenlabs_events GROUP BY 1",
            );
            assert_eq!(
                left,
                [json!({ "outcome": "ignored", "payloads": 0, "events": 24 })]
            );
        }
    }
}

#[tokio::test]
async fn foreign_events_within_the_hour_wait_and_all_of_ours_wait_a_week() {
    let world = empty_world();
    Books::open(&world, []);
    add_foreign_events(&world, 2);
    let ours = transcription(conversation(7, &[(1, "A:Hello")]));
    assert_eq!(world.deliver(&ours).await, "kept");
    world.runtime.advance(HOUR);
    world.reconcile().await;
    assert_eq!(world.outcomes(), ["kept", "kept", "kept"]);
    world.runtime.advance(1);
    world.reconcile().await;
    assert_eq!(world.outcomes(), ["ignored", "ignored", "kept"]);
    world.runtime.advance(6 * DAY);
    world.reconcile().await;
    assert_eq!(world.outcomes()[2], "kept");
}

/// `docs/scaling.md` names these numbers.
#[tokio::test]
async fn a_run_asks_about_seven_calls_on_the_free_plan_and_over_a_hundred_on_the_paid_one() {
    for (plan, events, calls) in [
        (None, 0, 7),
        (Some("free"), 0, 7),
        (Some("free"), 1000, 5),
        (Some("paid"), 0, 165),
        (Some("paid"), 1000, 100),
    ] {
        let world = world_with_open_calls(200);
        add_foreign_events(&world, events);
        if let Some(plan) = plan {
            world.settings.set("CLOUDFLARE_PLAN", plan);
        }
        world.runtime.advance(HOUR);
        let run = world.reconcile().await;
        assert_eq!(did(&run.line)[1], calls, "{plan:?} {events}");
        let allowed = if plan == Some("paid") { 1_000 } else { ALLOWED };
        assert!(run.statements <= allowed, "{}", run.line);
    }
}

#[tokio::test]
async fn a_plan_that_does_not_exist_closes_the_run_and_the_log_says_so() {
    for plan in ["Paid", "unlimited", "1000"] {
        let world = world_with_open_calls(1);
        world.settings.set("CLOUDFLARE_PLAN", plan);
        world.runtime.advance(HOUR);
        let run = world.reconcile().await;
        assert_eq!((run.statements, run.asked.len()), (0, 0));
        assert_eq!(
            (&run.line["level"], &run.line["code"]),
            (&json!("error"), &json!("not_configured"))
        );
        assert_eq!(run.line["cause"], "CLOUDFLARE_PLAN must be free or paid");
    }
}

#[tokio::test]
async fn a_run_ends_in_time_however_slowly_elevenlabs_answers() {
    let world = world_with_open_calls(200);
    world.settings.set("CLOUDFLARE_PLAN", "paid");
    let books = Books::default();
    let runtime = world.runtime.clone();
    for driver in 0..200 {
        books.add(conversation(driver, &[(1, "A:Hello")]));
    }
    world.script(move |request| {
        assert!(request.timeout.as_secs() <= 20);
        runtime.advance(19_000);
        books.answer(request)
    });
    world.runtime.advance(HOUR);
    let run = world.reconcile().await;
    let lasted = run.line["duration_ms"].as_i64().unwrap();
    assert!((5 * MINUTE..15 * MINUTE).contains(&lasted), "{}", run.line);
    assert!(run.asked.len() > 30);
    assert!(open_calls(&world) < 170);
}

#[tokio::test]
async fn an_event_that_can_never_be_applied_does_not_end_a_run() {
    let world = world_with_calls(&[7, 8]).await;
    let event = transcription(conversation(7, &[(1, "A:Hello")]));
    let no = || Refused("D1_ERROR: internal error: SQLITE_ERROR");
    world.database.fail_next([Good, no()]);
    assert_eq!(world.deliver(&event).await, "kept");
    Books::open(&world, [conversation(8, &[(1, "A:Hello")])]);
    world.runtime.advance(HOUR);
    // It is taken, and reading it fails.
    world.database.fail_next([Good, no()]);
    world.reconcile().await;
    assert_eq!(world.call(&sid(8), "status"), "completed");
    assert_eq!(world.lines("event_not_applied").len(), 2);
}

#[tokio::test]
async fn a_run_asks_about_a_conversation_once() {
    let world = world_with_calls(&[7]).await;
    let mut running = conversation(7, &[(1, "A:Hello")]);
    running["status"] = json!("in-progress");
    let books = Books::open(&world, [running]);
    // Three events too large to be kept, and their call is due as well.
    for number in 0..3 {
        let mut event = transcription(conversation(7, &[(1, "A:Hello")]));
        event["event_timestamp"] = json!(number);
        event["data"]["filling"] = json!("x".repeat(1_900_000));
        let no = Refused("D1_ERROR: internal error: SQLITE_ERROR");
        world.database.fail_next([Good, no]);
        assert_eq!(world.deliver(&event).await, "kept");
    }
    world.runtime.advance(HOUR);
    let run = world.reconcile().await;
    assert_eq!((run.asked, did(&run.line)), (vec![path(7)], [3, 1, 0]));
    assert_eq!(world.call(&sid(7), "status"), "in_progress");
    // That it still runs tells that there is no outcome after a day, too.
    world.runtime.advance(DAY);
    let run = world.reconcile().await;
    assert_eq!(run.asked, [path(7)]);
    assert_eq!(world.call(&sid(7), "failure_reason"), "no_outcome");
    books.replace(conversation(7, &[(1, "A:Hello")]));
    for _ in 0..3 {
        world.runtime.advance(HOUR);
        assert_eq!(world.reconcile().await.asked, [path(7)]);
    }
    assert_eq!(world.outcomes(), ["applied", "applied", "applied"]);
    assert_eq!(world.call(&sid(7), "status"), "completed");
}
