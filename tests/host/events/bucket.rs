//! Payloads of events in a bucket: written before the row that names them, read when an event waits,
//! deleted before the row forgets them, and nothing lost whatever the bucket does.

use call_ledger::elevenlabs::TransportError;
use serde_json::{Value, json};

use crate::support::bucket::FAILED;
use crate::support::events::{
    Books, DAY, HOUR, MINUTE, STARTED, conversation, empty_world, failure, transcription,
    world_with_calls,
};
use crate::support::sqlite::Fault::{self, AnswerLost, None as Well, Refused};
use crate::support::sqlite::TRANSIENT;
use crate::support::world::{PLACE, World, place_body, sid};

const KEY: &str = "events/conv_7/post_call_transcription/1763721090";
const TURNS: [(i64, &str); 2] = [(1, "A:Hello"), (4, "D:Hi")];

fn done() -> Value {
    transcription(conversation(7, &TURNS))
}

/// The same with so many bytes besides.
fn large(bytes: usize) -> Value {
    let mut event = done();
    event["data"]["notes"] = json!("x".repeat(bytes));
    event
}

/// A world with a bucket and driver 7's call.
async fn with_call() -> World {
    let world = world_with_calls(&[7]).await;
    world.database.bind_bucket(true);
    world
}

/// A world with a bucket, where driver 7's event waits for its call.
async fn waiting() -> World {
    let world = empty_world();
    world.database.bind_bucket(true);
    Books::open(&world, []);
    assert_eq!(world.deliver(&done()).await, "kept");
    world
}

/// Where the only event's payload is: in its row, and in the bucket as far as the row says.
fn row(world: &World) -> Value {
    let sql =
        "SELECT payload IS NOT NULL AS row, payload_in_bucket AS bucket FROM elevenlabs_events";
    world.database.query(sql).pop().unwrap()
}

fn in_row() -> Value {
    json!({ "row": 1, "bucket": 0 })
}

fn in_bucket() -> Value {
    json!({ "row": 0, "bucket": 1 })
}

fn nowhere() -> Value {
    json!({ "row": 0, "bucket": 0 })
}

fn assert_completed(world: &World) {
    assert_eq!(world.call(&sid(7), "status"), "completed");
    assert_eq!(world.outcomes(), ["applied"]);
}

/// Three tries of each kind, which spend the retries.
fn failures() -> [Vec<Fault>; 2] {
    [vec![Refused(FAILED); 3], vec![AnswerLost(FAILED); 3]]
}

#[tokio::test]
async fn an_events_payload_goes_to_the_bucket_under_conversation_type_and_time() {
    let world = with_call().await;
    assert_eq!(world.deliver(&done()).await, "applied");
    assert_completed(&world);
    assert_eq!(world.database.bucket.object(KEY), Some(done().to_string()));
    assert_eq!(row(&world), in_bucket());
    assert_eq!(world.deliver(&done()).await, "already_applied");
    assert_eq!(world.database.bucket.keys(), [KEY]);
    assert_eq!(row(&world), in_bucket());
}

#[tokio::test]
async fn the_object_is_written_before_the_row_and_costs_no_written_row_and_no_round_trip() {
    let mut costs = Vec::new();
    for bound in [false, true] {
        let world = world_with_calls(&[7]).await;
        world.database.bind_bucket(bound);
        // The database refuses the row for good: the object is there already.
        world.database.fail_next([Refused("D1_ERROR: no")]);
        assert_eq!(world.deliver_bytes(done().to_string()).await.status, 500);
        assert!(world.outcomes().is_empty());
        assert_eq!(world.database.bucket.keys().len(), usize::from(bound));
        // A retry names it.
        assert_eq!(world.deliver(&done()).await, "applied");
        assert_eq!(world.database.bucket.keys().len(), usize::from(bound));
        let line = world.lines("request").pop().unwrap();
        costs.push((
            line["db_round_trips"].clone(),
            line["db_rows_written"].clone(),
        ));
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn what_is_ignored_costs_no_operation_of_the_bucket() {
    let world = with_call().await;
    let mut foreign = transcription(conversation(8, &TURNS));
    foreign["data"]["agent_id"] = json!("agent_of_somebody_else");
    let audio = json!({ "type": "post_call_audio", "event_timestamp": STARTED,
        "data": { "conversation_id": "conv_7", "full_audio": "AAAA" } });
    for event in [foreign, audio] {
        assert_eq!(world.deliver(&event).await, "ignored");
    }
    assert_eq!(world.database.bucket.take_asked(), Vec::<String>::new());
}

#[tokio::test]
async fn another_agents_event_of_a_call_on_record_is_kept_in_its_row() {
    let world = with_call().await;
    let mut event = done();
    event["data"]["agent_id"] = json!("agent_of_last_year");
    assert_eq!(world.deliver(&event).await, "applied");
    assert_eq!(row(&world), in_row());
    assert_completed(&world);
}

#[tokio::test]
async fn a_waiting_event_is_read_from_the_bucket() {
    let world = waiting().await;
    assert_eq!(row(&world), in_bucket());
    world.post(PLACE, &place_body(&[7])).await;
    assert_completed(&world);
    assert_eq!(world.words(7).await, ["A:Hello", "D:Hi"]);
    assert_eq!(world.database.bucket.keys(), [KEY]);
}

#[tokio::test]
async fn an_event_too_large_for_a_row_waits_in_the_bucket_and_elevenlabs_is_not_asked() {
    let world = empty_world();
    world.database.bind_bucket(true);
    assert_eq!(world.deliver(&large(3_000_000)).await, "kept");
    assert_eq!(row(&world), in_bucket());
    world.post(PLACE, &place_body(&[7])).await;
    assert_completed(&world);
    let asked = world.elevenlabs.requests.borrow();
    assert!(asked.iter().all(|request| request.method == "POST"));
}

#[tokio::test]
async fn an_event_too_large_for_the_bucket_is_applied_from_memory() {
    let world = with_call().await;
    assert_eq!(world.deliver(&large(4 * 1024 * 1024)).await, "applied");
    assert_eq!(row(&world), nowhere());
    assert!(world.database.bucket.take_asked().is_empty());
    assert_completed(&world);
}

#[tokio::test]
async fn a_bucket_that_fails_leaves_the_payload_to_the_row_and_the_log_says_so() {
    for faults in failures() {
        let world = with_call().await;
        world.database.bucket.fail_next(faults);
        assert_eq!(world.deliver(&done()).await, "applied");
        assert_eq!(row(&world), in_row());
        // What came of an answer that was lost is deleted: no row names it.
        assert!(world.database.bucket.keys().is_empty());
        assert_completed(&world);
        let line = world.lines("bucket_failed").pop().unwrap();
        assert_eq!(
            (&line["level"], &line["operation"]),
            (&json!("error"), &json!("put"))
        );
        assert!(line["cause"].as_str().unwrap().contains("internal error"));
    }
}

#[tokio::test]
async fn a_failure_that_a_retry_mends_leaves_no_trace() {
    for fault in [Refused(FAILED), AnswerLost(FAILED)] {
        let world = with_call().await;
        world.database.bucket.fail_next([fault.clone(), fault]);
        assert_eq!(world.deliver(&done()).await, "applied");
        assert_eq!(row(&world), in_bucket());
        assert!(world.lines("bucket_failed").is_empty());
    }
}

#[tokio::test]
async fn a_key_that_r2_does_not_take_leaves_the_payload_to_the_row() {
    let world = with_call().await;
    let mut event = failure(7, "busy");
    event["data"]["conversation_id"] = json!("c".repeat(1000));
    assert_eq!(world.deliver(&event).await, "kept");
    assert_eq!(row(&world), in_row());
    assert!(world.database.bucket.take_asked().is_empty());
}

#[tokio::test]
async fn an_answer_of_the_database_that_is_lost_loses_neither_object_nor_row() {
    for faults in [vec![AnswerLost(TRANSIENT)], vec![AnswerLost(TRANSIENT); 3]] {
        let world = with_call().await;
        let given_up = faults.len() == 3;
        world.database.fail_next(faults);
        let reply = world.deliver_bytes(done().to_string()).await;
        assert_eq!(reply.status, if given_up { 500 } else { 200 });
        assert_eq!(row(&world), in_bucket());
        assert_eq!(world.database.bucket.keys(), [KEY]);
        Books::open(&world, []);
        world.runtime.advance(20 * MINUTE);
        world.reconcile().await;
        assert_completed(&world);
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_tell_leaves_the_event_waiting_for_the_next_run() {
    let world = waiting().await;
    world.database.bucket.fail_next(vec![Refused(FAILED); 3]);
    world.post(PLACE, &place_body(&[7])).await;
    assert_eq!(world.outcomes(), ["kept"]);
    assert_eq!(row(&world), in_bucket());
    world.runtime.advance(MINUTE);
    world.reconcile().await;
    assert_completed(&world);
}

#[tokio::test]
async fn about_an_event_whose_object_is_gone_elevenlabs_is_asked() {
    let world = waiting().await;
    world.database.bucket.empty();
    world.script(|_| Err(TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    Books::open(&world, [conversation(7, &TURNS)]);
    for _ in 0..3 {
        world.runtime.advance(20 * MINUTE);
        world.reconcile().await;
    }
    assert_eq!(row(&world), nowhere());
    assert_completed(&world);
}

#[tokio::test]
async fn a_bucket_may_be_bound_later_and_unbound_again() {
    // Events from before wait in their rows.
    let world = empty_world();
    Books::open(&world, []);
    assert_eq!(world.deliver(&done()).await, "kept");
    world.database.bind_bucket(true);
    assert_eq!(world.deliver(&done()).await, "kept");
    assert_eq!(row(&world), in_row());
    assert!(world.database.bucket.keys().is_empty());
    world.post(PLACE, &place_body(&[7])).await;
    assert_completed(&world);
    // About one that waits in a bucket that is not bound any more ElevenLabs is asked.
    let world = waiting().await;
    world.database.bind_bucket(false);
    world.post(PLACE, &place_body(&[7])).await;
    assert_eq!(world.outcomes(), ["kept"]);
    Books::open(&world, [conversation(7, &TURNS)]);
    world.runtime.advance(20 * MINUTE);
    world.reconcile().await;
    assert_completed(&world);
    assert!(world.lines("bucket_failed").is_empty());
}

/// After seven days without its call the event is expired.
async fn expire(world: &World) {
    world.runtime.advance(8 * DAY);
    world.reconcile().await;
    assert_eq!(world.outcomes(), ["expired"]);
}

#[tokio::test]
async fn an_event_that_expires_keeps_no_object() {
    let world = waiting().await;
    expire(&world).await;
    assert_eq!(row(&world), nowhere());
    assert!(world.database.bucket.keys().is_empty());
}

#[tokio::test]
async fn an_event_that_is_ignored_keeps_no_object() {
    let world = with_call().await;
    let mut second = done();
    second["data"]["conversation_id"] = json!("conv_other");
    assert_eq!(world.deliver(&second).await, "ignored");
    assert_eq!(row(&world), nowhere());
    assert!(world.database.bucket.keys().is_empty());
    // Nor does its repeat bring one back.
    assert_eq!(world.deliver(&second).await, "ignored");
    assert!(world.database.bucket.keys().is_empty());
}

#[tokio::test]
async fn an_object_that_could_not_be_deleted_keeps_its_name_and_goes_with_the_texts() {
    for faults in failures() {
        let world = waiting().await;
        world.database.bucket.fail_next(faults);
        expire(&world).await;
        assert_eq!(row(&world), in_bucket());
        world.settings.set("RETENTION_DAYS", "30");
        world.runtime.advance(30 * DAY);
        world.reconcile().await;
        assert_eq!(row(&world), nowhere());
        assert!(world.database.bucket.keys().is_empty());
    }
}

#[tokio::test]
async fn a_row_that_could_not_be_finished_still_has_its_object() {
    let world = waiting().await;
    world.runtime.advance(8 * DAY);
    let mut refused = 0;
    for well in 0..6 {
        world.database.fail_next(
            vec![Well; well]
                .into_iter()
                .chain([Refused("D1_ERROR: no")]),
        );
        world.reconcile().await;
        world.database.clear_faults();
        if world.outcomes() == ["kept"] {
            refused += 1;
            assert_eq!(world.database.bucket.keys(), [KEY]);
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn clearing_deletes_the_objects_and_then_their_names() {
    let world = with_call().await;
    world.settings.set("RETENTION_DAYS", "30");
    world.deliver(&done()).await;
    Books::open(&world, []);
    world.runtime.advance(30 * DAY);
    world.reconcile().await;
    assert_eq!(world.database.bucket.keys(), [KEY]);
    world.runtime.advance(HOUR);
    for faults in failures() {
        world.database.bucket.fail_next(faults);
        world.reconcile().await;
        assert_eq!(row(&world), in_bucket());
        // What else is due is cleared nevertheless.
        assert_eq!(world.words(7).await, ["A:", "D:"]);
    }
    world.reconcile().await;
    assert_eq!(row(&world), nowhere());
    assert!(world.database.bucket.keys().is_empty());
    // A repeat of the event brings nothing back.
    assert_eq!(world.deliver(&done()).await, "already_applied");
    assert!(world.database.bucket.keys().is_empty());
}

#[tokio::test]
async fn clearing_does_not_wait_for_a_bucket_that_is_not_bound_any_more_but_says_so() {
    let world = with_call().await;
    world.deliver(&done()).await;
    world.database.bind_bucket(false);
    let mut later = failure(7, "busy");
    later["event_timestamp"] = json!(STARTED + 200);
    world.deliver(&later).await;
    world.settings.set("RETENTION_DAYS", "30");
    Books::open(&world, []);
    world.runtime.advance(31 * DAY);
    world.reconcile().await;
    let left = "SELECT count(*) FROM elevenlabs_events WHERE payload IS NOT NULL";
    assert_eq!(world.database.value(left), 0);
    let named = "SELECT count(*) FROM elevenlabs_events WHERE payload_in_bucket = 1";
    assert_eq!(world.database.value(named), 1);
    let line = world.lines("bucket_failed").pop().unwrap();
    assert_eq!(
        (&line["operation"], &line["count"]),
        (&json!("delete"), &json!(1))
    );
}

#[tokio::test]
async fn health_says_whether_the_bucket_answers() {
    let world = empty_world();
    let health = world.get("/health").await;
    assert_eq!(health.body["events_bucket"], Value::Null);
    world.database.bind_bucket(true);
    assert_eq!(world.get("/health").await.body["events_bucket"], "ok");
    world.database.bucket.fail_next(vec![Refused(FAILED); 3]);
    let health = world.get("/health").await;
    assert_eq!(
        (health.status, &health.body["events_bucket"]),
        (200, &json!("failing"))
    );
}
