//! Placing calls: what was only supposed of a call, or is not known yet, and what takes its place.

use call_ledger::elevenlabs::{ApiAnswer, TransportError};
use serde_json::{Value, json};

use crate::support::sqlite::Fault::{AnswerLost, Refused};
use crate::support::sqlite::TRANSIENT;
use crate::support::world::{PLACE, Reply, World, place_body, sid};

fn answer(status: u16, body: &Value) -> Result<ApiAnswer, TransportError> {
    let body = body.to_string();
    Ok(ApiAnswer { status, body })
}

fn accepted() -> Result<ApiAnswer, TransportError> {
    let body = json!({ "success": true, "message": "", "conversation_id": "conv_7" });
    answer(200, &body)
}

/// While driver 7's dial is open the call fails for this reason; then the dial is answered.
async fn failed_meanwhile(
    reason: &'static str,
    answer: impl Fn() -> Result<ApiAnswer, TransportError> + 'static,
) -> (World, Reply) {
    let world = World::new();
    let database = world.database.clone();
    world.script(move |_| {
        database.execute(&format!(
            "UPDATE calls SET status = 'failed', failure_reason = '{reason}', \
               call_end_time = '2025-11-21T10:45:00.000Z'"
        ));
        answer()
    });
    let reply = world.post(PLACE, &place_body(&[7])).await;
    (world, reply)
}

fn on_record(world: &World) -> Value {
    let columns = "status, failure_reason AS reason, conversation_id AS id, call_end_time AS ended";
    let rows = world
        .database
        .query(&format!("SELECT {columns} FROM calls"));
    rows[0].clone()
}

#[tokio::test]
async fn a_dial_that_is_accepted_takes_back_what_was_only_supposed() {
    for reason in ["never_started", "outcome_unknown", "no_outcome"] {
        let (world, reply) = failed_meanwhile(reason, accepted).await;
        let item = &reply.body["calls"][0];
        assert_eq!(
            (reply.status, &item["status"]),
            (201, &json!("in_progress"))
        );
        assert_eq!(item["conversation_id"], "conv_7");
        assert_eq!(
            on_record(&world),
            json!({ "status": "in_progress", "reason": null, "id": "conv_7", "ended": null }),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_dial_without_a_clear_answer_is_asked_about_again() {
    let (world, reply) = failed_meanwhile("never_started", || Err(TransportError::Timeout)).await;
    let item = &reply.body["calls"][0];
    assert_eq!(
        (reply.status, &item["error"]["code"]),
        (502, &json!("outcome_unknown"))
    );
    assert_eq!(
        on_record(&world),
        json!({ "status": "failed", "reason": "outcome_unknown", "id": null, "ended": null })
    );
}

#[tokio::test]
async fn a_refusal_says_more_than_what_was_supposed() {
    let refused = || answer(422, &json!({ "detail": "bad number" }));
    let (world, reply) = failed_meanwhile("never_started", refused).await;
    assert_eq!(
        reply.body["calls"][0]["error"]["code"],
        "elevenlabs_rejected"
    );
    assert_eq!(
        on_record(&world)["reason"],
        "elevenlabs_rejected: bad number"
    );
}

#[tokio::test]
async fn what_elevenlabs_said_stays_whatever_the_dial_is_answered() {
    type Answer = fn() -> Result<ApiAnswer, TransportError>;
    let answers: [Answer; 3] = [
        accepted,
        || Err(TransportError::Timeout),
        || answer(422, &json!({ "detail": "bad number" })),
    ];
    for answer in answers {
        let (world, _) = failed_meanwhile("busy", answer).await;
        let row = on_record(&world);
        assert_eq!(
            (&row["status"], &row["reason"], &row["ended"]),
            (
                &json!("failed"),
                &json!("busy"),
                &json!("2025-11-21T10:45:00.000Z")
            )
        );
    }
}

fn assert_not_recorded(reply: &Reply, drivers: &[u32]) {
    assert_eq!(
        (reply.status, &reply.body["code"]),
        (500, &json!("call_not_recorded"))
    );
    let call_sids: Vec<_> = drivers.iter().map(|driver| sid(*driver)).collect();
    assert_eq!(reply.body["call_sids"], json!(call_sids));
    let detail = reply.body["detail"].as_str().unwrap();
    for word in ["None was dialled", "created", "pending", "new timestamp"] {
        assert!(detail.contains(word), "{detail}");
    }
}

#[tokio::test]
async fn a_recording_whose_answers_are_lost_is_not_dialled_and_says_so_at_once() {
    let world = World::new();
    world.database.fail_next(vec![AnswerLost(TRANSIENT); 3]);
    let reply = world.post(PLACE, &place_body(&[7, 8])).await;
    assert_eq!((reply.status, world.dialled().len()), (502, 0));
    for item in reply.body["calls"].as_array().unwrap() {
        assert_eq!(
            (&item["created"], &item["error"]["code"]),
            (&json!(true), &json!("not_dialled"))
        );
    }
    assert_eq!(on_record(&world)["reason"], "not_dialled");
    let line = &world.lines("call_failed")[0];
    assert_eq!(
        (&line["level"], &line["code"], &line["cause"]),
        (&json!("error"), &json!("not_dialled"), &json!(TRANSIENT))
    );
    let again = world.post(PLACE, &place_body(&[7, 8])).await;
    assert_eq!(
        (again.status, &again.body["calls"][0]["error"]["code"]),
        (200, &json!("not_dialled"))
    );
    assert!(world.dialled().is_empty());
}

#[tokio::test]
async fn a_recording_and_a_release_whose_answers_are_lost_are_known_by_a_repeat() {
    let world = World::new();
    world.database.fail_next(vec![AnswerLost(TRANSIENT); 6]);
    let reply = world.post(PLACE, &place_body(&[7, 8])).await;
    assert_not_recorded(&reply, &[7, 8]);
    assert_eq!(world.database.faults_left(), 0);
    let again = world.post(PLACE, &place_body(&[7, 8])).await;
    assert_eq!(
        (again.status, &again.body["calls"][1]["error"]["code"]),
        (200, &json!("not_dialled"))
    );
    assert!(world.dialled().is_empty());
}

#[tokio::test]
async fn a_repeat_says_what_is_not_known_yet_and_when_it_is() {
    let world = World::new();
    let lost = vec![AnswerLost(TRANSIENT); 3];
    let refused = vec![Refused(TRANSIENT); 3];
    world.database.fail_next([lost, refused].concat());
    assert_not_recorded(&world.post(PLACE, &place_body(&[7])).await, &[7]);
    let again = world.post(PLACE, &place_body(&[7])).await;
    let item = &again.body["calls"][0];
    assert_eq!((again.status, &item["created"]), (200, &json!(false)));
    assert_eq!(
        (&item["status"], item.get("error")),
        (&json!("in_progress"), None)
    );
    let message = item["pending"]["message"].as_str().unwrap();
    for word in ["not known yet", "known_by", "new timestamp", "not_dialled"] {
        assert!(message.contains(word), "{message}");
    }
    // RECONCILE_AFTER_MINUTES, and the next run of the reconciler.
    assert_eq!(item["pending"]["known_by"], "2025-11-21T10:50:01.000Z");
    world.script(|_| answer(200, &json!({ "conversations": [], "has_more": false })));
    world.runtime.advance(20 * 60_000);
    world.reconcile().await;
    let known = world.post(PLACE, &place_body(&[7])).await;
    let item = &known.body["calls"][0];
    assert_eq!(
        (&item["status"], item.get("pending")),
        (&json!("failed"), None)
    );
    assert_eq!(item["error"]["code"], "never_started");
    let message = item["error"]["message"].as_str().unwrap();
    assert!(message.contains("no phone rang") && message.contains("new timestamp"));
    assert!(world.dialled().is_empty());
}

#[tokio::test]
async fn an_unclear_outcome_is_pending_as_long_as_elevenlabs_is_asked() {
    let world = World::new();
    world.script(|_| Err(TransportError::Timeout));
    let first = world.post(PLACE, &place_body(&[7])).await;
    let again = world.post(PLACE, &place_body(&[7])).await;
    for reply in [&first, &again] {
        let item = &reply.body["calls"][0];
        assert_eq!(item["error"]["code"], "outcome_unknown");
        assert_eq!(item["pending"]["known_by"], "2025-11-21T10:50:01.000Z");
    }
    // Asked in vain: the next time counts.
    world.runtime.advance(20 * 60_000);
    world.reconcile().await;
    let again = world.post(PLACE, &place_body(&[7])).await;
    let known_by = &again.body["calls"][0]["pending"]["known_by"];
    assert_eq!(known_by, "2025-11-21T11:10:01.000Z");
    // Where the reconciler cannot ask there is no such time.
    world.settings.set("RECONCILE_AFTER_MINUTES", "soon");
    let again = world.post(PLACE, &place_body(&[7])).await;
    let pending = &again.body["calls"][0]["pending"];
    assert!(pending["message"].is_string() && pending.get("known_by").is_none());
}

#[tokio::test]
async fn a_call_whose_conversation_is_known_is_not_pending() {
    let world = World::new();
    for _ in 0..2 {
        let reply = world.post(PLACE, &place_body(&[7])).await;
        assert_eq!(reply.body["calls"][0].get("pending"), None);
    }
}
