//! A log line about a failed operation of the database names the operation.

use call_ledger::platform::log::Line;
use serde_json::{Value, json};

use crate::support::events::{conversation, transcription, world_with_calls};
use crate::support::sqlite::Fault::{None as Well, Refused};
use crate::support::sqlite::{Fault, TRANSIENT};
use crate::support::world::{PLACE, TURN, World, place_body, sid, turn_body};

const PERMANENT: &str = "D1_ERROR: no such table: calls: SQLITE_ERROR";

/// The line's operation; its cause must be the database's own words.
fn failed(line: &Value) -> &str {
    assert!(
        [PERMANENT, TRANSIENT].contains(&line["cause"].as_str().unwrap()),
        "{line}"
    );
    line["operation"].as_str().unwrap()
}

async fn operation_of(world: &World, faults: &[Fault], target: &str, body: &Value) -> String {
    world.database.fail_next(faults.to_vec());
    let reply = match body {
        Value::Null => world.get(target).await,
        body => world.post(target, body).await,
    };
    assert!(reply.status >= 500, "{}", reply.text);
    let line = world.lines("request").pop().unwrap();
    let operation = failed(&line);
    assert!(!reply.text.contains(operation), "{}", reply.text);
    operation.to_owned()
}

#[tokio::test]
async fn the_line_of_a_request_names_the_operation_that_failed() {
    let world = world_with_calls(&[7]).await;
    let call = format!("/calls/{}", sid(7));
    let turns = format!("{call}/transcription");
    let refused = || vec![Refused(PERMANENT)];
    let turn = turn_body(7, 1, "Hello");
    for (faults, target, body, operation) in [
        (
            refused(),
            PLACE,
            &place_body(&[8]),
            "create_call_with_call_sid",
        ),
        (refused(), TURN, &turn, "save_transcription"),
        (
            vec![Refused(TRANSIENT); 3],
            TURN,
            &turn,
            "save_transcription",
        ),
        (refused(), "/calls", &Value::Null, "list_calls"),
        (refused(), &call, &Value::Null, "get_by_call_sid"),
        (refused(), &turns, &Value::Null, "transcription"),
        (refused(), "/health", &Value::Null, "condition"),
    ] {
        assert_eq!(operation_of(&world, &faults, target, body).await, operation);
    }
    // The second operation of a request.
    let unknown = turn_body(99, 1, "Hello");
    let faults = [Well, Refused(PERMANENT)];
    assert_eq!(
        operation_of(&world, &faults, TURN, &unknown).await,
        "call_of_turn"
    );
}

#[tokio::test]
async fn the_line_of_a_dial_whose_answer_is_lost_names_the_operation() {
    let world = World::new();
    world.database.fail_next([Well, Refused(PERMANENT)]);
    world.post(PLACE, &place_body(&[7])).await;
    let line = &world.lines("answer_not_recorded")[0];
    assert_eq!(failed(line), "update_conversation_id");
}

#[tokio::test]
async fn the_line_of_an_event_that_could_not_be_applied_names_the_operation() {
    let world = world_with_calls(&[7]).await;
    world.database.fail_next([Well, Refused(PERMANENT)]);
    let turns = [(1, "A:Hello")];
    let status = world.deliver(&transcription(conversation(7, &turns))).await;
    assert_eq!(status, "kept");
    let line = &world.lines("event_not_applied")[0];
    assert_eq!(failed(line), "settle");
}

#[tokio::test]
async fn the_line_of_an_event_whose_turns_have_no_ids_left_names_the_operation() {
    let world = world_with_calls(&[7]).await;
    let all = "UPDATE calls SET turns_removed = 4194303";
    world.database.execute(all);
    let turns = [(1, "A:Hello")];
    let status = world.deliver(&transcription(conversation(7, &turns))).await;
    assert_eq!(status, "kept");
    let line = &world.lines("event_not_applied")[0];
    assert_eq!(line["operation"], "settle", "{line}");
}

#[tokio::test]
async fn the_line_of_a_run_names_the_operation_that_ended_it() {
    let world = world_with_calls(&[7]).await;
    world.database.fail_next([Refused(PERMANENT)]);
    assert_eq!(failed(&world.reconcile().await.line), "take_waiting_events");
}

#[tokio::test]
async fn an_answer_of_another_shape_names_the_operation() {
    let world = world_with_calls(&[7]).await;
    world.database.execute("UPDATE calls SET driver_id = 1.5");
    world.get(&format!("/calls/{}", sid(7))).await;
    let line = world.lines("request").pop().unwrap();
    assert_eq!(line["operation"], "get_by_call_sid", "{line}");
}

#[test]
fn a_line_without_a_failure_has_no_operation() {
    let line: Value = serde_json::from_str(&Line::new("request").to_json()).unwrap();
    assert_eq!(line, json!({ "level": "info", "event": "request" }));
}

#[test]
fn every_operation_has_the_name_of_its_method() {
    let mut found = 0;
    for file in std::fs::read_dir("src/store").unwrap() {
        let path = file.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        for method in source.split("async fn ").skip(1) {
            let name = method.split(['(', '<']).next().unwrap();
            for start in [".run(", ".run_one(", "let operation = "] {
                for rest in method.split(start).skip(1) {
                    let Some(rest) = rest.trim_start().strip_prefix('"') else {
                        continue;
                    };
                    let operation = rest.split('"').next().unwrap();
                    assert_eq!(operation, name, "{}", path.display());
                    found += 1;
                }
            }
        }
    }
    assert!(found > 20, "{found}");
}
