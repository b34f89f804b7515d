//! What a database that fails, or commits and loses its answer, does to placing and to turns.

use call_ledger::elevenlabs::ApiAnswer;
use serde_json::{Value, json};

use crate::support::sqlite::Fault::{self, AnswerLost, Refused};
use crate::support::sqlite::TRANSIENT;
use crate::support::world::{PLACE, Reply, TURN, World, place_body, sid, turn_body};

const PERMANENT: &str = "D1_ERROR: near \"SELEC\": syntax error at offset 0: SQLITE_ERROR";

/// A world where driver 7's call is placed and has the conversation `conv_7`.
async fn world_with_a_call() -> World {
    let world = World::new();
    world.post(PLACE, &place_body(&[7])).await;
    world
}

fn last_request(world: &World) -> Value {
    world.lines("request").pop().unwrap()
}

fn assert_problem(reply: &Reply, code: &str) {
    assert_eq!(
        (reply.status, reply.body["code"].as_str()),
        (500, Some(code)),
        "{}",
        reply.text
    );
    assert!(!reply.text.contains("D1_ERROR"));
}

/// ElevenLabs accepts, and from then on the database fails in these ways.
fn fail_after_the_dial(world: &World, faults: impl IntoIterator<Item = Fault> + Clone + 'static) {
    let database = world.database.clone();
    world.script(move |_| {
        database.fail_next(faults.clone());
        let body = json!({ "success": true, "message": "", "conversation_id": "conv_7", "callSid": "CA7" });
        Ok(ApiAnswer { status: 200, body: body.to_string() })
    });
}

#[tokio::test]
async fn a_recording_whose_answer_is_lost_is_known_as_its_own_and_dialled_once() {
    for lost in [1, 2] {
        let world = World::new();
        world.database.fail_next(vec![AnswerLost(TRANSIENT); lost]);
        let reply = world.post(PLACE, &place_body(&[7, 8])).await;
        assert_eq!(reply.status, 201);
        assert_eq!(reply.body["calls"][0]["created"], true);
        assert_eq!(world.dialled(), ["+15550100007", "+15550100008"]);
        assert_eq!(world.database.value("SELECT count(*) FROM calls"), 2);
        assert_eq!(last_request(&world)["db_retries"], lost);
    }
}

#[tokio::test]
async fn a_recording_that_fails_twice_is_not_noticed() {
    let world = World::new();
    world
        .database
        .fail_next([Refused(TRANSIENT), Refused(TRANSIENT)]);
    assert_eq!(world.post(PLACE, &place_body(&[7])).await.status, 201);
    let line = last_request(&world);
    assert_eq!(
        (&line["db_retries"], &line["db_round_trips"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(world.dialled().len(), 1);
}

#[tokio::test]
async fn a_recording_that_keeps_failing_dials_nobody() {
    let world = World::new();
    world.database.fail_next(vec![Refused(TRANSIENT); 3]);
    assert_problem(
        &world.post(PLACE, &place_body(&[7])).await,
        "call_not_recorded",
    );
    assert_eq!(
        (world.database.faults_left(), world.dialled().len()),
        (0, 0)
    );
    assert_eq!(last_request(&world)["cause"], TRANSIENT);
    assert_eq!(world.database.value("SELECT count(*) FROM calls"), 0);
    assert_eq!(world.post(PLACE, &place_body(&[7])).await.status, 201);
    assert_eq!(world.dialled().len(), 1);
}

#[tokio::test]
async fn elevenlabs_answer_is_written_down_again_until_the_database_says_so() {
    for faults in [
        vec![Refused(TRANSIENT), Refused(TRANSIENT)],
        vec![AnswerLost(TRANSIENT)],
        vec![AnswerLost(TRANSIENT), Refused(TRANSIENT)],
    ] {
        let world = World::new();
        fail_after_the_dial(&world, faults);
        let reply = world.post(PLACE, &place_body(&[7])).await;
        assert_eq!(
            (reply.status, &reply.body["calls"][0]["conversation_id"]),
            (201, &json!("conv_7"))
        );
        assert_eq!(world.call(&sid(7), "conversation_id"), "conv_7");
        assert_eq!(world.dialled().len(), 1);
    }
}

#[tokio::test]
async fn a_call_whose_answer_cannot_be_written_down_stays_in_progress_and_is_never_dialled_again() {
    let world = World::new();
    fail_after_the_dial(&world, vec![Refused(TRANSIENT); 3]);
    let reply = world.post(PLACE, &place_body(&[7])).await;
    let call = &reply.body["calls"][0];
    assert_eq!((reply.status, &call["status"]), (502, &json!("failed")));
    assert_eq!(
        (&call["error"]["code"], &call["created"]),
        (&json!("outcome_unknown"), &json!(true))
    );
    assert_eq!(world.call(&sid(7), "status"), "in_progress");
    assert_eq!(world.call(&sid(7), "conversation_id"), Value::Null);
    let line = &world.lines("answer_not_recorded")[0];
    assert_eq!(
        (&line["level"], &line["cause"]),
        (&json!("error"), &json!(TRANSIENT))
    );
    world.elevenlabs_accepts();
    assert_eq!(world.post(PLACE, &place_body(&[7])).await.status, 200);
    assert_eq!(world.dialled().len(), 1);
}

#[tokio::test]
async fn a_call_whose_answer_could_not_be_written_down_takes_turns_that_name_the_conversation() {
    let world = World::new();
    fail_after_the_dial(&world, vec![Refused(TRANSIENT); 3]);
    world.post(PLACE, &place_body(&[7])).await;
    let mut turn = turn_body(7, 1, "Hello");
    turn["conversation_id"] = json!("conv_7");
    assert_eq!(world.post(TURN, &turn).await.status, 201);
    assert_eq!(world.call(&sid(7), "conversation_id"), "conv_7");
}

#[tokio::test]
async fn one_answer_that_cannot_be_written_down_touches_no_other_call() {
    let world = World::new();
    // Both calls are recorded; the first of the two answers meets a broken database.
    world.database.fail_next([Fault::None, Refused(PERMANENT)]);
    let reply = world.post(PLACE, &place_body(&[7, 8])).await;
    assert_eq!(reply.status, 207);
    let calls = reply.body["calls"].as_array().unwrap();
    let (failed, placed): (Vec<_>, Vec<_>) =
        calls.iter().partition(|call| call["status"] == "failed");
    assert_eq!((failed.len(), placed.len()), (1, 1));
    assert_eq!(failed[0]["error"]["code"], "outcome_unknown");
    assert_eq!(
        placed[0]["conversation_id"],
        format!("conv_{}", placed[0]["driver_id"])
    );
}

#[tokio::test]
async fn a_turn_is_stored_though_the_database_fails_twice() {
    let world = world_with_a_call().await;
    world
        .database
        .fail_next([Refused(TRANSIENT), Refused(TRANSIENT)]);
    let reply = world.post(TURN, &turn_body(7, 1, "Hello")).await;
    assert_eq!(
        (reply.status, &reply.body["sequence_number"]),
        (201, &json!(1))
    );
    assert_eq!(last_request(&world)["db_retries"], 2);
}

#[tokio::test]
async fn a_turn_that_could_not_be_stored_is_stored_once_when_sent_again() {
    for faults in [
        vec![Refused(TRANSIENT); 3],
        vec![AnswerLost(TRANSIENT); 3],
        vec![Refused(PERMANENT)],
    ] {
        let world = world_with_a_call().await;
        world.database.fail_next(faults);
        let reply = world.post(TURN, &turn_body(7, 1, "Hello")).await;
        assert_problem(&reply, "store_unavailable");
        assert_eq!(reply.body["call_sid"], sid(7));
        let again = world.post(TURN, &turn_body(7, 1, "Hello")).await;
        assert!(matches!(again.status, 200 | 201), "{}", again.text);
        assert_eq!(again.body["sequence_number"], 1);
        assert_eq!(
            world
                .database
                .value("SELECT count(*) FROM call_transcriptions"),
            1
        );
    }
}

#[tokio::test]
async fn a_turn_whose_answer_is_lost_after_the_commit_is_stored_once() {
    for lost in [1, 2] {
        let world = world_with_a_call().await;
        world.database.fail_next(vec![AnswerLost(TRANSIENT); lost]);
        let reply = world.post(TURN, &turn_body(7, 1, "Hello")).await;
        assert_eq!(
            (reply.status, &reply.body["sequence_number"]),
            (200, &json!(1))
        );
        assert_eq!(
            world
                .database
                .value("SELECT count(*) FROM call_transcriptions"),
            1
        );
        assert_eq!(
            world.post(TURN, &turn_body(7, 2, "Hi")).await.body["sequence_number"],
            2
        );
    }
}

#[tokio::test]
async fn a_first_turn_whose_link_loses_its_answer_is_linked_and_stored_once() {
    let world = World::new();
    world.script(|_| Err(call_ledger::elevenlabs::TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    let mut turn = turn_body(7, 1, "Hello");
    turn["conversation_id"] = json!("conv_7");
    world
        .database
        .fail_next([Fault::None, Fault::None, AnswerLost(TRANSIENT)]);
    let reply = world.post(TURN, &turn).await;
    assert!(matches!(reply.status, 200 | 201), "{}", reply.text);
    assert_eq!(world.call(&sid(7), "conversation_id"), "conv_7");
    assert_eq!(
        world
            .database
            .value("SELECT count(*) FROM call_transcriptions"),
        1
    );
}
