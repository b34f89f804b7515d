//! A workspace's webhook delivers the events of all its agents. Those of another agent are answered
//! `ignored` and leave no row, unless their call is on record.

use serde_json::{Value, json};

use crate::support::events::{conversation, empty_world, failure, transcription, world_with_calls};
use crate::support::sqlite::Fault::AnswerLost;
use crate::support::sqlite::TRANSIENT;
use crate::support::world::{PLACE, World, place_body, sid};

/// The same event as another agent's.
fn by(agent: &str, mut event: Value) -> Value {
    event["data"]["agent_id"] = json!(agent);
    event
}

/// The event of a conversation that echoes nothing of a call.
fn anonymous(driver: u32) -> Value {
    let mut data = conversation(driver, &[(1, "A:Hello")]);
    data["user_id"] = Value::Null;
    data["conversation_initiation_client_data"] = Value::Null;
    transcription(data)
}

fn rows(world: &World) -> Value {
    world
        .database
        .value("SELECT count(*) FROM elevenlabs_events")
}

#[tokio::test]
async fn an_event_of_another_agent_is_ignored_and_leaves_no_row() {
    let world = world_with_calls(&[7]).await;
    let audio = json!({ "type": "post_call_audio", "data": { "conversation_id": "conv_99", "full_audio": "SUQz" } });
    for event in [
        transcription(conversation(99, &[(1, "A:Hello")])),
        anonymous(99),
        failure(99, "busy"),
        audio,
    ] {
        for _ in 0..2 {
            let before = world.database.round_trips();
            assert_eq!(
                world.deliver(&by("agent_other", event.clone())).await,
                "ignored"
            );
            assert_eq!(world.database.round_trips() - before, 1);
        }
    }
    assert_eq!(rows(&world), 0);
    let line = world.lines("request").pop().unwrap();
    assert_eq!(
        (&line["code"], &line["db_rows_written"]),
        (&json!("ignored"), &json!(0))
    );
}

#[tokio::test]
async fn the_event_of_a_call_that_an_earlier_agent_placed_is_applied() {
    let turns = [(1, "A:Hello"), (4, "D:Hi")];
    for event in [
        anonymous(7),
        failure(7, "busy"),
        transcription(conversation(7, &turns)),
    ] {
        let world = world_with_calls(&[7]).await;
        assert_eq!(world.deliver(&by("agent_earlier", event)).await, "applied");
        assert_ne!(world.call(&sid(7), "status"), "in_progress");
    }
    // Its conversation is not linked yet, but the event echoes the call.
    let world = world_with_calls(&[7]).await;
    world
        .database
        .execute("UPDATE calls SET conversation_id = NULL");
    let event = by("agent_earlier", transcription(conversation(7, &turns)));
    assert_eq!(world.deliver(&event).await, "applied");
    assert_eq!(world.call(&sid(7), "conversation_id"), "conv_7");
    assert_eq!(world.deliver(&event).await, "already_applied");
}

#[tokio::test]
async fn an_event_that_may_be_ours_waits_for_its_call() {
    let cases: [(&str, Option<&str>); 4] = [
        ("agent_test", Some("agent_test")),
        ("agent_new, agent_test", Some("agent_test")),
        ("", Some("agent_other")),
        ("agent_test", None),
    ];
    for (configured, agent) in cases {
        let world = empty_world();
        world.settings.set("ELEVENLABS_AGENT_ID", configured);
        let mut event = anonymous(7);
        event["data"]["agent_id"] = json!(agent);
        assert_eq!(
            world.deliver(&event).await,
            "kept",
            "{configured:?} {agent:?}"
        );
        assert_eq!(rows(&world), 1);
    }
}

#[tokio::test]
async fn the_first_of_several_agents_places_the_calls() {
    let world = empty_world();
    world
        .settings
        .set("ELEVENLABS_AGENT_ID", " agent_new , agent_test");
    world.post(PLACE, &place_body(&[7])).await;
    let requests = world.elevenlabs.requests.borrow();
    let body: Value = serde_json::from_str(requests[0].body.as_deref().unwrap()).unwrap();
    assert_eq!(body["agent_id"], "agent_new");
}

#[tokio::test]
async fn a_lost_answer_of_the_database_keeps_no_event_of_another_agent() {
    let world = world_with_calls(&[7]).await;
    for event in [anonymous(99), failure(99, "busy")] {
        world.database.fail_next([AnswerLost(TRANSIENT)]);
        assert_eq!(world.deliver(&by("agent_other", event)).await, "ignored");
    }
    assert_eq!(rows(&world), 0);
    world.database.fail_next([AnswerLost(TRANSIENT)]);
    assert_eq!(
        world.deliver(&by("agent_other", anonymous(7))).await,
        "applied"
    );
}
