//! Events that come before their call is on record, and events whose application fails: they
//! wait, and are applied exactly once.

use call_ledger::elevenlabs::TransportError;
use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::events::{
    Books, MINUTE, conversation, empty_world, failure, transcription, world_with_calls,
};
use crate::support::sqlite::Fault::{self, AnswerLost, Refused};
use crate::support::sqlite::TRANSIENT;
use crate::support::world::{PLACE, TURN, World, place_body, sid, turn_body};

const PERMANENT: &str = "D1_ERROR: internal error: SQLITE_ERROR";

/// The event of driver 7's conversation, which says whose call it is.
fn done() -> Value {
    transcription(conversation(7, &[(1, "A:Hello"), (4, "D:Hi")]))
}

/// The same from an agent that says nothing back of what placing the call sent.
fn anonymous() -> Value {
    let mut data = conversation(7, &[(1, "A:Hello"), (4, "D:Hi")]);
    data["user_id"] = Value::Null;
    data["conversation_initiation_client_data"] = Value::Null;
    transcription(data)
}

async fn assert_completed(world: &World) {
    let row = world.row(7, "status, conversation_id, summary, transcript_revision");
    let expected = json!({
        "status": "completed", "conversation_id": "conv_7", "summary": "They spoke.", "transcript_revision": 1,
    });
    assert_eq!(row, expected);
    assert_eq!(world.words(7).await, ["A:Hello", "D:Hi"]);
    assert_eq!(world.outcomes(), ["applied"]);
}

fn assert_busy(world: &World) {
    let row = world.row(7, "status, failure_reason, conversation_id");
    let expected =
        json!({ "status": "failed", "failure_reason": "busy", "conversation_id": "conv_7" });
    assert_eq!(row, expected);
    assert_eq!(world.outcomes(), ["applied"]);
}

/// A world where driver 7's call was dialled, but ElevenLabs' answer was lost.
async fn world_without_an_answer() -> World {
    let world = empty_world();
    world.script(|_| Err(TransportError::Timeout));
    assert_eq!(world.post(PLACE, &place_body(&[7])).await.status, 502);
    world
}

/// The turn of driver 7's call that names the conversation.
fn linking_turn() -> Value {
    let mut turn = turn_body(7, 4, "Hello");
    turn["conversation_id"] = json!("conv_7");
    turn
}

#[tokio::test]
async fn an_event_that_comes_before_the_calls_row_is_applied_when_the_call_is_placed() {
    for event in [done(), anonymous()] {
        let world = empty_world();
        assert_eq!(world.deliver(&event).await, "kept");
        let reply = world.post(PLACE, &place_body(&[7])).await;
        assert_eq!(reply.status, 201);
        assert_completed(&world).await;
        assert_eq!(world.deliver(&event).await, "already_applied");
    }
    let world = empty_world();
    assert_eq!(world.deliver(&failure(7, "busy")).await, "kept");
    world.post(PLACE, &place_body(&[7])).await;
    assert_busy(&world);
}

#[tokio::test]
async fn an_event_that_overtakes_elevenlabs_answer_is_applied_at_the_latest_with_it() {
    for (event, status) in [
        (done(), "applied"),
        (anonymous(), "kept"),
        (failure(7, "busy"), "kept"),
    ] {
        let world = empty_world();
        let overtaking = async {
            while world.dialled().is_empty() {
                tokio::task::yield_now().await;
            }
            assert_eq!(world.deliver(&event).await, status);
            assert!(world.lines("call_dialled").is_empty());
        };
        let body = place_body(&[7]);
        let (reply, ()) = join(world.post(PLACE, &body), overtaking).await;
        assert_eq!(reply.body["calls"][0]["conversation_id"], "conv_7");
        assert_eq!(world.call(&sid(7), "telephony_call_sid"), "CA7");
        if event["type"] == "call_initiation_failure" {
            assert_busy(&world);
        } else {
            assert_completed(&world).await;
        }
    }
}

#[tokio::test]
async fn a_lost_answer_does_not_fail_a_call_whose_event_came_before() {
    let world = empty_world();
    world.script(|_| Err(TransportError::Timeout));
    let overtaking = async {
        while world.dialled().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.deliver(&done()).await, "applied");
        assert!(world.lines("call_failed").is_empty());
    };
    let body = place_body(&[7]);
    let (reply, ()) = join(world.post(PLACE, &body), overtaking).await;
    assert_eq!(reply.body["calls"][0]["status"], "completed");
    assert_completed(&world).await;
}

#[tokio::test]
async fn an_event_that_comes_before_the_linking_turn_is_applied_with_it() {
    for event in [anonymous(), failure(7, "busy")] {
        let world = world_without_an_answer().await;
        assert_eq!(world.deliver(&event).await, "kept");
        assert_eq!(world.call(&sid(7), "failure_reason"), "outcome_unknown");
        let reply = world.post(TURN, &linking_turn()).await;
        assert!([200, 201].contains(&reply.status), "{}", reply.text);
        if event["type"] == "call_initiation_failure" {
            assert_busy(&world);
            assert_eq!(world.words(7).await, ["A:Hello"]);
        } else {
            assert_completed(&world).await;
        }
        assert_eq!(world.post(TURN, &linking_turn()).await.status, 200);
    }
}

#[tokio::test]
async fn several_events_that_wait_are_applied_in_the_order_they_came() {
    let world = empty_world();
    assert_eq!(world.deliver(&failure(7, "busy")).await, "kept");
    assert_eq!(world.deliver(&done()).await, "kept");
    let mut again = done();
    again["event_timestamp"] = json!(1_763_721_200);
    again["data"]["analysis"]["transcript_summary"] = json!("They spoke at length.");
    assert_eq!(world.deliver(&again).await, "kept");
    world.post(PLACE, &place_body(&[7])).await;
    assert_eq!(world.outcomes(), ["applied", "applied", "applied"]);
    let row = world.row(7, "status, summary");
    assert_eq!(
        row,
        json!({ "status": "completed", "summary": "They spoke at length." })
    );
    assert_eq!(world.words(7).await, ["A:Hello", "D:Hi"]);
}

/// What goes wrong at one round trip, after so many that go well; a transient error often enough
/// for the retries to give up, or once, so that they mend it.
fn all_faults(well: usize) -> Vec<Vec<Fault>> {
    let kinds = [
        vec![Refused(PERMANENT)],
        vec![AnswerLost(PERMANENT)],
        vec![Refused(TRANSIENT); 3],
        vec![AnswerLost(TRANSIENT); 3],
        vec![AnswerLost(TRANSIENT)],
        vec![
            Refused(TRANSIENT),
            AnswerLost(TRANSIENT),
            Refused(TRANSIENT),
        ],
    ];
    let after = |kind: Vec<Fault>| vec![Fault::None; well].into_iter().chain(kind).collect();
    kinds.into_iter().map(after).collect()
}

/// The call is settled if and only if its event is marked as applied.
fn assert_consistent(world: &World) {
    let completed = world.call(&sid(7), "status") == "completed";
    let applied = world.outcomes() == ["applied"];
    assert_eq!(completed, applied, "{:?}", world.outcomes());
}

/// After whatever went wrong, the reconciler applies the event, once.
async fn assert_mended(world: &World) {
    assert_consistent(world);
    for _ in 0..3 {
        world.runtime.advance(20 * MINUTE);
        world.reconcile().await;
    }
    assert_completed(world).await;
}

#[tokio::test]
async fn an_event_whose_application_fails_anywhere_is_applied_once_later() {
    for well in 0..4 {
        for faults in all_faults(well) {
            let world = world_with_calls(&[7]).await;
            world.say_all(7, &[(4, "D:Hi")]).await;
            Books::open(&world, []);
            world.database.fail_next(faults);
            let reply = world.deliver_bytes(done().to_string()).await;
            let left = world.database.faults_left();
            world.database.clear_faults();
            if reply.status == 500 {
                // It was not kept, and is not said to be: ElevenLabs delivers it again.
                assert_eq!(
                    (well, reply.body["code"].as_str()),
                    (0, Some("store_unavailable"))
                );
                world.deliver(&done()).await;
            } else {
                let status = reply.body["status"].as_str().unwrap();
                assert!(["applied", "already_applied", "kept"].contains(&status));
                assert!(status == "kept" || world.outcomes() == ["applied"]);
                // A fault that never came to pass leaves no trace.
                assert!(left == 0 || status == "applied");
            }
            assert_mended(&world).await;
        }
    }
}

#[tokio::test]
async fn an_event_that_waited_for_its_call_and_then_fails_to_apply_is_applied_once_later() {
    for well in 0..5 {
        for faults in all_faults(well) {
            let world = empty_world();
            assert_eq!(world.deliver(&done()).await, "kept");
            let books = Books::default();
            let database = world.database.clone();
            world.script(move |request| {
                if request.method == "POST" {
                    database.fail_next(faults.clone());
                }
                books.answer(request)
            });
            world.post(PLACE, &place_body(&[7])).await;
            world.database.clear_faults();
            assert_mended(&world).await;
        }
    }
}

#[tokio::test]
async fn a_linking_turn_whose_event_fails_to_apply_is_stored_once_and_the_event_applied_later() {
    for well in 0..8 {
        for faults in all_faults(well) {
            let world = world_without_an_answer().await;
            Books::open(&world, []);
            assert_eq!(world.deliver(&anonymous()).await, "kept");
            world.database.fail_next(faults);
            let status = world.post(TURN, &linking_turn()).await.status;
            world.database.clear_faults();
            assert_consistent(&world);
            if status == 500 {
                let reply = world.post(TURN, &linking_turn()).await;
                assert!([200, 201].contains(&reply.status), "{}", reply.text);
            } else {
                assert!([200, 201].contains(&status));
            }
            assert_mended(&world).await;
            assert_eq!(world.post(TURN, &linking_turn()).await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_run_of_the_reconciler_that_fails_anywhere_leaves_the_event_for_the_next() {
    for well in 0..7 {
        for faults in all_faults(well) {
            let world = world_with_calls(&[7]).await;
            Books::open(&world, []);
            world.database.fail_next([Fault::None, Refused(PERMANENT)]);
            assert_eq!(world.deliver(&done()).await, "kept");
            world.runtime.advance(MINUTE);
            world.database.fail_next(faults);
            world.reconcile().await;
            world.database.clear_faults();
            assert_mended(&world).await;
        }
    }
}
