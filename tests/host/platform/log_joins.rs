//! Log lines can be joined: all lines of one request, or of one run of the reconciler, carry its id.

use serde_json::{Value, json};

use crate::support::events::{Books, DAY, HOUR, conversation, transcription, world_with_calls};
use crate::support::world::{PLACE, Reply, TURN, World, place_body, read, request, sid, turn_body};

/// The lines since the last look.
fn new_lines(world: &World) -> Vec<Value> {
    world.runtime.lines.borrow_mut().drain(..).collect()
}

fn events(lines: &[Value]) -> Vec<&str> {
    let mut events: Vec<&str> = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    events.sort_unstable();
    events
}

/// All new lines carry the id of this answer.
fn joined(world: &World, reply: &Reply) -> Vec<Value> {
    let lines = new_lines(world);
    for line in &lines {
        assert_eq!(line["request_id"], reply.headers["x-request-id"], "{line}");
        assert_eq!(line.get("run_id"), None, "{line}");
    }
    lines
}

#[tokio::test]
async fn the_steps_of_a_placement_carry_the_requests_id() {
    let world = World::new();
    let mut place = request("POST", PLACE, place_body(&[7, 8]).to_string());
    let ray = ("cf-ray".to_owned(), "8f0a1b2c3d4e5f60-FRA".to_owned());
    place.headers.push(ray);
    let reply = world.send(place).await;
    assert_eq!(reply.headers["x-request-id"], "8f0a1b2c3d4e5f60-FRA");
    let lines = joined(&world, &reply);
    let steps = [
        "call_dialled",
        "call_dialled",
        "call_recorded",
        "call_recorded",
        "request",
    ];
    assert_eq!(events(&lines), steps);
}

#[tokio::test]
async fn what_an_event_settles_carries_the_id_of_its_delivery() {
    let world = world_with_calls(&[7]).await;
    new_lines(&world);
    let turns = [(1, "A:Hello")];
    world.deliver(&transcription(conversation(7, &turns))).await;
    let lines = new_lines(&world);
    assert_eq!(events(&lines), ["call_settled", "request"]);
    assert!(lines[0]["request_id"].is_string());
    assert_eq!(lines[0]["request_id"], lines[1]["request_id"]);
}

#[tokio::test]
async fn requests_at_the_same_time_have_ids_of_their_own() {
    let world = World::new();
    let (mut one, mut other) = (
        request("POST", PLACE, place_body(&[7]).to_string()),
        request("POST", PLACE, place_body(&[8]).to_string()),
    );
    let (one, other) = tokio::join!(
        world.service().handle(&mut one),
        world.service().handle(&mut other)
    );
    let lines = new_lines(&world);
    for (reply, driver) in [(read(one), 7), (read(other), 8)] {
        let id = &reply.headers["x-request-id"];
        let mine: Vec<_> = lines
            .iter()
            .filter(|line| line["request_id"] == **id)
            .cloned()
            .collect();
        let steps = ["call_dialled", "call_recorded", "request"];
        assert_eq!(events(&mine), steps);
        assert!(mine.iter().all(|line| line["driver_id"] == driver));
    }
}

#[tokio::test]
async fn every_line_of_a_run_carries_the_runs_id() {
    let world = world_with_calls(&[7, 8]).await;
    let over = |driver| conversation(driver, &[(1, "A:Hello")]);
    Books::open(&world, [over(7), over(8)]);
    world.runtime.advance(HOUR);
    new_lines(&world);
    world.reconcile().await;
    let lines = new_lines(&world);
    let all = ["call_settled", "call_settled", "reconcile"];
    assert_eq!(events(&lines), all);
    let id = lines[0]["run_id"].as_str().unwrap();
    assert_eq!(id.len(), 32);
    for line in &lines {
        assert_eq!(line["run_id"], id, "{line}");
        assert_eq!(line.get("request_id"), None, "{line}");
    }
    world.runtime.advance(DAY);
    world.reconcile().await;
    assert_ne!(new_lines(&world)[0]["run_id"], id);
}

// ------------------------------------------------------------------------------------------- refusals

async fn refused(world: &World, path: &str, body: &Value) -> (Reply, Value) {
    let reply = world.post(path, body).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    (reply, world.lines("request").pop().unwrap())
}

#[tokio::test]
async fn the_line_of_a_400_names_the_faulty_fields_and_the_call_but_no_value() {
    let world = World::new();
    let mut turn = turn_body(7, 1, "my s3cret words");
    turn["speaker"] = json!("s3cret");
    turn["timestamp"] = json!("s3cret");
    let (reply, line) = refused(&world, TURN, &turn).await;
    assert_eq!(line["faulty_fields"], "speaker, timestamp");
    assert_eq!(
        (&line["count"], &line["call_sid"]),
        (&json!(2), &json!(sid(7)))
    );
    assert_eq!(reply.body["call_sid"], sid(7));
    assert!(!line.to_string().contains("s3cret"), "{line}");
}

#[tokio::test]
async fn a_400_about_a_call_that_cannot_be_read_names_no_call() {
    let world = World::new();
    for name in [json!(null), json!(7), json!(" "), json!("x".repeat(201))] {
        let mut turn = turn_body(7, 1, "Hello");
        turn["call_sid"] = name;
        let (reply, line) = refused(&world, TURN, &turn).await;
        assert_eq!(line["faulty_fields"], "call_sid");
        assert_eq!(line.get("call_sid"), None, "{line}");
        assert_eq!(reply.body.get("call_sid"), None);
    }
}

#[tokio::test]
async fn a_line_names_ten_fields_at_most() {
    let world = World::new();
    let mut place = place_body(&[7]);
    place["drivers"][0]["violations"] = json!(vec![json!({ "type": 1 }); 30]);
    let (_, line) = refused(&world, PLACE, &place).await;
    let names: Vec<_> = line["faulty_fields"]
        .as_str()
        .unwrap()
        .split(", ")
        .collect();
    assert_eq!(names.len(), 10);
    assert_eq!(names[9], "drivers[0].violations[9].type");
    assert_eq!(line["count"], 30);
}

#[tokio::test]
async fn the_line_of_a_faulty_query_names_its_parameters() {
    let world = World::new();
    let reply = world.get("/calls?status=s3cret&limit=0").await;
    assert_eq!(reply.status, 400);
    let line = world.lines("request").pop().unwrap();
    assert_eq!(line["faulty_fields"], "status, limit");
    assert!(!line.to_string().contains("s3cret"), "{line}");
}

#[tokio::test]
async fn a_line_without_a_faulty_field_has_none() {
    let world = World::new();
    world.send(request("POST", PLACE, "{")).await;
    let line = world.lines("request").pop().unwrap();
    assert_eq!(
        (line.get("faulty_fields"), line.get("count")),
        (None, None),
        "{line}"
    );
}

// -------------------------------------------------------------------------------------------- turns

/// Posts a turn of driver 7's call that names no conversation, and returns its line.
async fn turn_line(world: &World, second: u32, message: &str) -> Value {
    let reply = world.post(TURN, &turn_body(7, second, message)).await;
    assert!(matches!(reply.status, 200 | 201), "{}", reply.text);
    let line = world.lines("request").pop().unwrap();
    assert_eq!(line["status"], reply.status);
    assert_eq!(
        (&line["conversation_id"], &line["driver_id"]),
        (&json!("conv_7"), &json!(7)),
        "{line}"
    );
    line
}

#[tokio::test]
async fn a_turns_line_has_its_conversation_and_its_driver_at_no_further_round_trip() {
    let world = world_with_calls(&[7]).await;
    let new = turn_line(&world, 1, "Hello").await;
    assert_eq!(
        (&new["status"], &new["db_round_trips"]),
        (&json!(201), &json!(1))
    );
    let repeat = turn_line(&world, 1, "Hello").await;
    assert_eq!(
        (&repeat["status"], &repeat["db_round_trips"]),
        (&json!(200), &json!(2))
    );
}

#[tokio::test]
async fn the_line_of_a_late_turn_has_them_too() {
    let world = world_with_calls(&[7]).await;
    let turns = [(2, "A:Hello"), (4, "A:Bye")];
    world.deliver(&transcription(conversation(7, &turns))).await;
    // It takes its place in ElevenLabs' transcript.
    assert_eq!(turn_line(&world, 2, "Hello").await["status"], 200);
    // The transcript does not have it.
    assert_eq!(turn_line(&world, 3, "Wait").await["status"], 201);
    assert_eq!(turn_line(&world, 3, "Wait").await["status"], 200);
}

#[tokio::test]
async fn the_line_of_a_turn_that_links_its_call_has_them_too() {
    let world = World::new();
    world.script(|_| Err(call_ledger::elevenlabs::TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    let mut turn = turn_body(7, 1, "Hello");
    turn["conversation_id"] = json!("conv_7");
    assert_eq!(world.post(TURN, &turn).await.status, 201);
    let line = world.lines("request").pop().unwrap();
    assert_eq!(
        (&line["conversation_id"], &line["driver_id"]),
        (&json!("conv_7"), &json!(7))
    );
    turn_line(&world, 1, "Hello").await;
}

#[tokio::test]
async fn the_line_of_a_turn_of_a_call_without_a_driver_has_no_driver() {
    let world = world_with_calls(&[7]).await;
    world.database.execute("UPDATE calls SET driver_id = NULL");
    for status in [201, 200] {
        let reply = world.post(TURN, &turn_body(7, 1, "Hello")).await;
        assert_eq!(reply.status, status);
        let line = world.lines("request").pop().unwrap();
        assert_eq!(
            (&line["conversation_id"], line.get("driver_id")),
            (&json!("conv_7"), None)
        );
    }
}
