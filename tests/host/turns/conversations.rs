//! Turns: which conversation they belong to, and what a turn may and may not link.

use call_ledger::elevenlabs::TransportError;
use call_ledger::model::transcription_id;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::sqlite::{Sqlite, apply, migrations};
use crate::support::world::{PLACE, Reply, TURN, World, place_body, sid, turn_body};

/// A world where driver 7's call has no conversation and driver 8's has `conv_8`.
async fn world_with_an_unlinked_call() -> World {
    let world = World::new();
    world.post(PLACE, &place_body(&[8])).await;
    world.script(|_| Err(TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    assert_eq!(world.call(&sid(7), "conversation_id"), Value::Null);
    world
}

fn turn_of(driver: u32, conversation_id: &str) -> Value {
    let mut turn = turn_body(driver, 1, "Hello");
    turn["conversation_id"] = json!(conversation_id);
    turn
}

fn assert_problem(reply: &Reply, code: &str, call_sid: &str) {
    assert_eq!(
        (reply.status, reply.body["code"].as_str()),
        (400, Some(code)),
        "{}",
        reply.text
    );
    assert_eq!(reply.body["call_sid"], call_sid);
}

/// Everything both tables hold.
fn everything(world: &World) -> Vec<Vec<Value>> {
    ["calls", "call_transcriptions"]
        .map(|table| {
            world
                .database
                .query(&format!("SELECT * FROM {table} ORDER BY id"))
        })
        .into()
}

#[tokio::test]
async fn a_turn_of_an_unknown_call_is_the_senders_to_mend() {
    let world = world_with_an_unlinked_call().await;
    let before = everything(&world);
    for unknown in [
        "EL_9_2025-11-21T10:30:00Z",
        "el_8_2025-11-21T10:30:00Z",
        "' OR 1=1 --",
        "\u{0}",
        "😀",
    ] {
        for conversation_id in [Value::Null, json!("conv_8"), json!("conv_new")] {
            let mut turn = turn_body(8, 1, "Hello");
            turn["call_sid"] = json!(unknown);
            turn["conversation_id"] = conversation_id;
            assert_problem(&world.post(TURN, &turn).await, "unknown_call_sid", unknown);
        }
    }
    assert_eq!(everything(&world), before);
}

#[tokio::test]
async fn a_turn_of_a_call_without_conversation_is_refused() {
    let world = world_with_an_unlinked_call().await;
    let before = everything(&world);
    assert_problem(
        &world.post(TURN, &turn_body(7, 1, "Hello")).await,
        "conversation_not_linked",
        &sid(7),
    );
    assert_eq!(everything(&world), before);
}

#[tokio::test]
async fn an_empty_conversation_id_counts_as_none() {
    let world = world_with_an_unlinked_call().await;
    for empty in ["", " ", "\t\n"] {
        assert_problem(
            &world.post(TURN, &turn_of(7, empty)).await,
            "conversation_not_linked",
            &sid(7),
        );
    }
    assert_eq!(world.post(TURN, &turn_of(8, "")).await.status, 201);
    assert_eq!(world.call(&sid(8), "conversation_id"), "conv_8");
}

#[tokio::test]
async fn a_turn_links_the_conversation_it_names_and_is_stored() {
    let world = world_with_an_unlinked_call().await;
    let reply = world.post(TURN, &turn_of(7, "conv_7")).await;
    assert_eq!(
        (reply.status, &reply.body["sequence_number"]),
        (201, &json!(1))
    );
    assert_eq!(world.call(&sid(7), "conversation_id"), "conv_7");
    assert_eq!(
        world.post(TURN, &turn_body(7, 2, "Hi")).await.body["sequence_number"],
        2
    );
    let again = world.post(TURN, &turn_of(7, "conv_7")).await;
    assert_eq!((again.status, &again.body), (200, &reply.body));
}

#[tokio::test]
async fn a_linking_turn_costs_at_most_three_round_trips() {
    let world = world_with_an_unlinked_call().await;
    world.post(TURN, &turn_of(7, "conv_7")).await;
    let line = world.lines("request").pop().unwrap();
    assert_eq!(line["db_round_trips"], 3);
    assert_eq!(line["db_rows_written"], 2);
    assert_eq!(line["conversation_id"], "conv_7");
}

#[tokio::test]
async fn a_turn_that_names_the_calls_own_conversation_is_stored() {
    let world = world_with_an_unlinked_call().await;
    assert_eq!(world.post(TURN, &turn_of(8, "conv_8")).await.status, 201);
    assert_eq!(world.lines("request").pop().unwrap()["db_round_trips"], 1);
}

#[tokio::test]
async fn a_turn_that_names_a_different_conversation_changes_nothing() {
    let world = world_with_an_unlinked_call().await;
    world.post(TURN, &turn_body(8, 1, "Hello")).await;
    let before = everything(&world);
    for other in ["conv_other", "CONV_8", "conv_"] {
        // A new turn, and the one that is stored already.
        for message in ["Hi", "Hello"] {
            let mut turn = turn_of(8, other);
            turn["message"] = json!(message);
            assert_problem(&world.post(TURN, &turn).await, "invalid_request", &sid(8));
        }
    }
    assert_eq!(everything(&world), before);
}

#[tokio::test]
async fn a_turn_that_names_another_calls_conversation_changes_nothing() {
    let world = world_with_an_unlinked_call().await;
    world.post(TURN, &turn_body(8, 1, "Hello")).await;
    let before = everything(&world);
    assert_problem(
        &world.post(TURN, &turn_of(7, "conv_8")).await,
        "invalid_request",
        &sid(7),
    );
    assert_eq!(everything(&world), before);
}

#[tokio::test]
async fn first_turns_at_once_link_once_and_are_numbered_without_gap() {
    let world = world_with_an_unlinked_call().await;
    let turns: Vec<_> = (0..64)
        .map(|n| {
            let mut turn = turn_body(7, n % 60, &format!("turn {n}"));
            turn["conversation_id"] = json!("conv_7");
            turn
        })
        .collect();
    let replies = join_all(turns.iter().map(|turn| world.post(TURN, turn))).await;
    assert!(replies.iter().all(|reply| reply.status == 201));
    let mut numbers: Vec<_> = replies
        .iter()
        .map(|reply| reply.body["sequence_number"].as_i64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=64).collect::<Vec<i64>>());
}

#[tokio::test]
async fn of_first_turns_at_once_that_disagree_one_conversation_wins() {
    let world = world_with_an_unlinked_call().await;
    let turns: Vec<_> = (0..16)
        .map(|n| turn_of(7, &format!("conv_{}", 100 + n)))
        .collect();
    let replies = join_all(turns.iter().map(|turn| world.post(TURN, turn))).await;
    assert_eq!(
        replies.iter().filter(|reply| reply.status == 201).count(),
        1
    );
    assert_eq!(
        replies
            .iter()
            .filter(|reply| reply.body["code"] == "invalid_request")
            .count(),
        15
    );
    assert_eq!(
        world
            .database
            .value("SELECT count(*) FROM call_transcriptions"),
        1
    );
}

#[tokio::test]
async fn of_two_calls_that_claim_one_conversation_at_once_one_gets_it() {
    let world = World::new();
    world.script(|_| Err(TransportError::Timeout));
    world.post(PLACE, &place_body(&[1, 2])).await;
    let turns = [turn_of(1, "conv_same"), turn_of(2, "conv_same")];
    let mut statuses: Vec<_> = join_all(turns.iter().map(|turn| world.post(TURN, turn)))
        .await
        .iter()
        .map(|reply| reply.status)
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400]);
    assert_eq!(
        world
            .database
            .value("SELECT count(*) FROM calls WHERE conversation_id IS NOT NULL"),
        1
    );
}

#[tokio::test]
async fn a_call_from_before_call_sids_takes_turns_after_its_own() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    let (first, later) = (&migrations()[0], &migrations()[1..]);
    apply(&connection, first);
    connection
        .execute_batch(
            "INSERT INTO calls VALUES (5, 'conv_old', 7, '2025-01-02 03:04:05', NULL, 'in_progress', \
               '2025-01-02 03:04:05', '2025-01-02 03:04:05');
             INSERT INTO call_transcriptions VALUES \
               (9, 'conv_old', 'agent', 'Hello', '2025-01-02 03:04:06', 1, '2025-01-02 03:04:06');",
        )
        .unwrap();
    later.iter().for_each(|file| apply(&connection, file));
    let world = World::over(Sqlite::over(connection));
    let mut turn = turn_body(7, 1, "Hi");
    turn["call_sid"] = json!("EL_7_1735787045");
    let reply = world.post(TURN, &turn).await;
    assert_eq!(
        (reply.status, &reply.body["sequence_number"]),
        (201, &json!(2))
    );
    // The old turn keeps its id, and the new one is the second of call 5.
    let ids = "SELECT id FROM call_transcriptions ORDER BY sequence_number";
    let ids = world.database.query(ids);
    assert_eq!(
        ids,
        [json!({ "id": 9 }), json!({ "id": transcription_id(5, 2) })]
    );
    assert_eq!(reply.body["transcription_id"], transcription_id(5, 2));
}
