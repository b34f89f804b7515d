//! Placing calls: the caller hangs up, or the runtime does not tell whether it does.

use std::rc::Rc;

use call_ledger::elevenlabs::{ApiAnswer, TransportError};
use call_ledger::ledger::place_calls::Caller;
use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::sqlite::Fault::{self, Refused};
use crate::support::sqlite::TRANSIENT;
use crate::support::world::{
    PLACE, Reply, TURN, World, dynamic_variables, place_body, request, sid, turn_body,
};

fn accepted(driver: &Value) -> Result<ApiAnswer, TransportError> {
    let body = json!({
        "success": true, "message": "Success",
        "conversation_id": format!("conv_{driver}"), "callSid": format!("CA{driver}"),
    });
    Ok(ApiAnswer {
        status: 200,
        body: body.to_string(),
    })
}

/// Places calls to drivers 1 to `drivers`. The caller hangs up when so many dials are open.
async fn placed_and_hung_up(world: &World, drivers: u32, open: usize) -> Reply {
    let drivers: Vec<u32> = (1..=drivers).collect();
    let request = request("POST", PLACE, place_body(&drivers).to_string());
    let caller = request.caller.clone();
    let hang_up = async {
        while world.dialled().len() < open {
            tokio::task::yield_now().await;
        }
        caller.set(Caller::Gone);
    };
    join(world.send(request), hang_up).await.0
}

/// The calls of this reason: their drivers.
fn failed(world: &World, reason: &str) -> Vec<i64> {
    let rows = world.database.query(&format!(
        "SELECT driver_id FROM calls WHERE status = 'failed' AND failure_reason = '{reason}' ORDER BY id"
    ));
    let driver = |row: &Value| row["driver_id"].as_i64().unwrap();
    rows.iter().map(driver).collect()
}

#[tokio::test]
async fn no_dial_starts_after_the_caller_has_gone() {
    let world = World::new();
    let reply = placed_and_hung_up(&world, 20, 6).await;
    assert_eq!((reply.status, world.dialled().len()), (207, 6));
    // The open dials go on, and their answers are written down.
    for (index, driver) in (1..=20).enumerate() {
        let item = &reply.body["calls"][index];
        assert_eq!(
            (&item["call_sid"], &item["created"]),
            (&json!(sid(driver)), &json!(true))
        );
        if driver <= 6 {
            assert_eq!(item["conversation_id"], format!("conv_{driver}"));
            assert_eq!(world.call(&sid(driver), "status"), "in_progress");
        } else {
            assert_eq!(
                (&item["status"], &item["error"]["code"]),
                (&json!("failed"), &json!("not_dialled"))
            );
            assert_eq!(item.get("pending"), None);
        }
    }
    assert_eq!(failed(&world, "not_dialled"), (7..=20).collect::<Vec<_>>());
    assert!(world.call(&sid(7), "call_end_time").is_string());
    let lines = world.lines("call_failed");
    assert_eq!((lines.len(), world.lines("call_recorded").len()), (14, 20));
    assert_eq!(
        (
            &lines[0]["code"],
            &lines[0]["level"],
            &lines[0]["driver_id"]
        ),
        (&json!("not_dialled"), &json!("info"), &json!(7))
    );
}

#[tokio::test]
async fn what_is_not_dialled_is_on_record_while_the_open_dials_go_on() {
    let world = World::new();
    let database = world.database.clone();
    world.script(move |request| {
        // Dials that are answered while a request ends may be answered too late for it.
        let undialled = "SELECT COUNT(*) FROM calls WHERE failure_reason = 'not_dialled'";
        assert_eq!(database.value(undialled), 14);
        accepted(&dynamic_variables(request)["driver_id"])
    });
    assert_eq!(placed_and_hung_up(&world, 20, 6).await.status, 207);
    // All that are not dialled are written down in one round trip.
    assert_eq!(world.lines("request")[0]["db_round_trips"], 8);
}

#[tokio::test]
async fn a_caller_that_has_gone_before_the_first_dial_has_nobody_dialled() {
    let world = World::new();
    let reply = placed_and_hung_up(&world, 3, 0).await;
    assert_eq!((reply.status, world.dialled().len()), (502, 0));
    assert_eq!(failed(&world, "not_dialled"), [1, 2, 3]);
}

#[tokio::test]
async fn a_repeat_tells_what_was_not_dialled_and_a_new_timestamp_dials_it() {
    let world = World::new();
    placed_and_hung_up(&world, 7, 6).await;
    let reply = world.post(PLACE, &place_body(&[7])).await;
    let item = &reply.body["calls"][0];
    assert_eq!((reply.status, &item["created"]), (200, &json!(false)));
    assert_eq!(
        (&item["status"], &item["error"]["code"]),
        (&json!("failed"), &json!("not_dialled"))
    );
    let message = item["error"]["message"].as_str().unwrap();
    assert!(message.contains("no phone rang") && message.contains("new timestamp"));
    assert_eq!(world.dialled().len(), 6);
    // The reconciler has nothing to find out.
    world.runtime.advance(24 * 60 * 60_000);
    assert_eq!(world.call(&sid(7), "failure_reason"), "not_dialled");
    let mut body = place_body(&[7]);
    body["timestamp"] = json!("2025-11-22T10:30:00Z");
    assert_eq!(world.post(PLACE, &body).await.status, 201);
    assert_eq!(world.dialled().len(), 7);
}

#[tokio::test]
async fn a_strangers_turn_does_not_keep_a_call_from_being_not_dialled() {
    let world = World::new();
    let turn = async {
        while world.dialled().len() < 6 {
            tokio::task::yield_now().await;
        }
        let mut turn = turn_body(7, 1, "Hello");
        turn["conversation_id"] = json!("conv_invented");
        assert_eq!(world.post(TURN, &turn).await.status, 201);
    };
    // Slow dials, so that the turn comes before the caller goes.
    let request = request(
        "POST",
        PLACE,
        place_body(&[1, 2, 3, 4, 5, 6, 7]).to_string(),
    );
    let caller = request.caller.clone();
    let (reply, ()) = join(world.send(request), async {
        turn.await;
        caller.set(Caller::Gone);
    })
    .await;
    let item = &reply.body["calls"][6];
    assert_eq!(world.dialled().len(), 6);
    assert_eq!(item["error"]["code"], "not_dialled");
    assert_eq!(failed(&world, "not_dialled"), [7]);
}

#[tokio::test]
async fn where_the_database_fails_the_answer_still_says_what_was_not_dialled() {
    let world = World::new();
    world
        .database
        .fail_next([vec![Fault::None], vec![Refused(TRANSIENT); 3]].concat());
    let reply = placed_and_hung_up(&world, 2, 0).await;
    assert_eq!((reply.status, world.dialled().len()), (502, 0));
    assert_eq!(reply.body["calls"][0]["error"]["code"], "not_dialled");
    assert_eq!(world.call(&sid(1), "status"), "in_progress");
    let line = &world.lines("call_failed")[0];
    assert_eq!(
        (&line["level"], &line["cause"]),
        (&json!("error"), &json!(TRANSIENT))
    );
    // The reconciler settles it.
    world.script(|_| {
        let body = json!({ "conversations": [], "has_more": false }).to_string();
        Ok(ApiAnswer { status: 200, body })
    });
    world.runtime.advance(16 * 60_000);
    world.reconcile().await;
    assert_eq!(failed(&world, "never_started"), [1, 2]);
}

/// Places 20 calls; each dial takes so many seconds. Gives the seconds after the request's
/// arrival at which dials were answered.
async fn slow_dials(world: &World, caller: Caller, seconds: i64) -> (Reply, Vec<i64>) {
    let answered = Rc::new(std::cell::RefCell::new(Vec::new()));
    let (runtime, times, arrived) = (world.runtime.clone(), answered.clone(), world.seconds());
    world.script(move |request| {
        use call_ledger::platform::Runtime as _;
        // Six dials take their time together.
        if times.borrow().len() % 6 == 0 {
            runtime.advance(seconds * 1_000);
        }
        let now = runtime.now().as_millis() / 1_000;
        times.borrow_mut().push(now - arrived);
        accepted(&dynamic_variables(request)["driver_id"])
    });
    let drivers: Vec<u32> = (1..=20).collect();
    let request = request("POST", PLACE, place_body(&drivers).to_string());
    request.caller.set(caller);
    let reply = world.send(request).await;
    let times = answered.borrow().clone();
    (reply, times)
}

#[tokio::test]
async fn where_the_runtime_does_not_tell_no_dial_starts_after_twenty_seconds() {
    let world = World::new();
    let (reply, _) = slow_dials(&world, Caller::Unknown, 100).await;
    assert_eq!((reply.status, world.dialled().len()), (207, 6));
    assert_eq!(failed(&world, "not_dialled"), (7..=20).collect::<Vec<_>>());
    // The test's clock moves a second for each look at it.
    let world = World::new();
    let (reply, _) = slow_dials(&world, Caller::Unknown, 0).await;
    assert_eq!((reply.status, world.dialled().len()), (207, 12));
}

#[tokio::test]
async fn while_the_caller_is_connected_dials_go_on() {
    let world = World::new();
    let (reply, times) = slow_dials(&world, Caller::Connected, 100).await;
    assert_eq!((reply.status, world.dialled().len()), (201, 20));
    assert!(times[19] >= 400, "{times:?}");
}

#[tokio::test]
async fn no_dial_starts_when_the_reconciler_may_have_given_the_call_up() {
    let world = World::new();
    world.settings.set("RECONCILE_AFTER_MINUTES", "2");
    let (reply, _) = slow_dials(&world, Caller::Connected, 100).await;
    assert_eq!((reply.status, world.dialled().len()), (207, 12));
    assert_eq!(failed(&world, "not_dialled"), (13..=20).collect::<Vec<_>>());
    // A setting that cannot be read keeps the reconciler from asking, and nobody from placing.
    let world = World::new();
    world.settings.set("RECONCILE_AFTER_MINUTES", "soon");
    let (reply, _) = slow_dials(&world, Caller::Connected, 100).await;
    assert_eq!((reply.status, world.dialled().len()), (201, 20));
}
