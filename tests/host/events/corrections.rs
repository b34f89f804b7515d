//! What an event makes of a call about which the ledger knew little or supposed something else.

use serde_json::{Value, json};

use crate::events::settling::{OUTCOME, completed};
use crate::support::events::{
    Books, STARTED, conversation, empty_world, failure, transcription, world_with_calls,
};
use crate::support::world::{PLACE, place_body, sid};

#[tokio::test]
async fn a_conversation_that_is_not_over_settles_nothing_and_loses_nothing() {
    for status in ["initiated", "in-progress", "processing"] {
        let mut data = conversation(7, &[(1, "A:Hello")]);
        data["status"] = json!(status);
        let world = world_with_calls(&[7]).await;
        world.deliver(&transcription(data)).await;
        assert_eq!(world.call(&sid(7), "status"), "in_progress");
        let mut done = transcription(conversation(7, &[(1, "A:Hello")]));
        done["event_timestamp"] = json!(STARTED + 120);
        assert_eq!(world.deliver(&done).await, "applied");
        assert_eq!(world.row(7, OUTCOME), completed());
    }
}

#[tokio::test]
async fn a_call_that_was_dialled_but_not_linked_is_found_by_its_name() {
    // Every way in which ElevenLabs says back what placing the call sent.
    for way in ["dynamic variable", "client data", "conversation"] {
        let world = empty_world();
        world.script(|_| Err(call_ledger::elevenlabs::TransportError::Timeout));
        world.post(PLACE, &place_body(&[7])).await;
        let unknown = world.row(7, "status, failure_reason, conversation_id");
        assert_eq!(
            unknown,
            json!({ "status": "failed", "failure_reason": "outcome_unknown", "conversation_id": null })
        );
        let mut data = conversation(7, &[(1, "A:Hello")]);
        let client = &mut data["conversation_initiation_client_data"];
        if way != "dynamic variable" {
            client["dynamic_variables"] = json!({ "driver_id": 7 });
        }
        if way != "client data" {
            client["user_id"] = Value::Null;
        }
        if way != "conversation" {
            data["user_id"] = json!("somebody");
        }
        assert_eq!(world.deliver(&transcription(data)).await, "applied");
        assert_eq!(world.row(7, OUTCOME), completed(), "{way}");
        assert_eq!(world.words(7).await, ["A:Hello"]);
    }
}

#[tokio::test]
async fn what_the_ledger_supposed_is_corrected_by_elevenlabs_word() {
    for supposed in ["outcome_unknown", "never_started", "no_outcome"] {
        for linked in [true, false] {
            let world = world_with_calls(&[7]).await;
            let link = if linked {
                ""
            } else {
                ", conversation_id = NULL"
            };
            world.database.execute(&format!(
                "UPDATE calls SET status = 'failed', failure_reason = '{supposed}', \
                   call_end_time = '2025-11-22T00:00:00.000Z'{link}"
            ));
            let mut running = conversation(7, &[]);
            running["status"] = json!("in-progress");
            running["transcript"] = Value::Null;
            let mut event = transcription(running);
            event["event_timestamp"] = json!(STARTED + 1);
            world.deliver(&event).await;
            let row = world.row(7, OUTCOME);
            assert_eq!(
                (
                    &row["status"],
                    &row["failure_reason"],
                    &row["call_end_time"]
                ),
                (&json!("in_progress"), &Value::Null, &Value::Null)
            );
            assert_eq!(row["conversation_id"], "conv_7");
            let event = transcription(conversation(7, &[(1, "A:Hello")]));
            assert_eq!(world.deliver(&event).await, "applied");
            assert_eq!(world.row(7, OUTCOME), completed());
        }
    }
}

#[tokio::test]
async fn a_call_is_never_dialled_again_whatever_an_event_made_of_it() {
    for event in [
        failure(7, "busy"),
        transcription(conversation(7, &[(1, "A:Hello")])),
    ] {
        let world = world_with_calls(&[7]).await;
        Books::open(&world, []);
        world.deliver(&event).await;
        let reply = world.post(PLACE, &place_body(&[7])).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(
            reply.body["calls"][0]["status"],
            world.call(&sid(7), "status")
        );
        assert_eq!(world.dialled().len(), 1);
    }
}
