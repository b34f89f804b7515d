//! Placing calls: on record first, dialled at most once, six at a time.

use std::cell::RefCell;
use std::rc::Rc;

use call_ledger::elevenlabs::ApiAnswer;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::world::{PLACE, World, dynamic_variables, place_body, sid};

#[tokio::test]
async fn a_placed_call_is_answered_with_its_name_and_conversation() {
    let world = World::new();
    let reply = world.post(PLACE, &place_body(&[7])).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(
        reply.body,
        json!({
            "timestamp": "2025-11-21T10:30:00.000Z",
            "calls": [{
                "call_sid": "EL_7_2025-11-21T10:30:00Z", "driver_id": 7,
                "conversation_id": "conv_7", "status": "in_progress", "created": true,
            }],
        })
    );
}

#[tokio::test]
async fn a_placed_call_is_on_record_in_every_column() {
    let world = World::new();
    world.post(PLACE, &place_body(&[7])).await;
    let columns = "call_sid, conversation_id, driver_id, typeof(driver_id) AS type, status, \
        failure_reason, telephony_call_sid, call_start_time, call_end_time, created_at, updated_at";
    assert_eq!(
        world
            .database
            .query(&format!("SELECT {columns} FROM calls")),
        [json!({
            "call_sid": sid(7), "conversation_id": "conv_7", "driver_id": 7, "type": "integer",
            "status": "in_progress", "failure_reason": null, "telephony_call_sid": "CA7",
            "call_start_time": "2025-11-21T10:30:01.000Z", "call_end_time": null,
            "created_at": "2025-11-21T10:30:01.000Z", "updated_at": "2025-11-21T10:30:01.000Z",
        })]
    );
}

#[tokio::test]
async fn the_same_instant_in_another_offset_is_the_same_call() {
    let world = World::new();
    let mut body = place_body(&[7]);
    for (time, status) in [
        ("2025-11-21T10:30:00Z", 201),
        ("2025-11-21T05:30:00-05:00", 200),
        ("2025-11-21T16:00:00.000+05:30", 200),
        ("2025-11-21T10:30:00", 200),
    ] {
        body["timestamp"] = json!(time);
        let reply = world.post(PLACE, &body).await;
        assert_eq!(reply.status, status, "{time}");
        assert_eq!(reply.body["calls"][0]["call_sid"], sid(7), "{time}");
    }
    assert_eq!(world.dialled().len(), 1);
}

#[tokio::test]
async fn a_call_sid_carries_a_fraction_only_when_the_time_has_one() {
    let world = World::new();
    let mut body = place_body(&[7]);
    for (time, named) in [
        ("2025-11-21T10:30:00.250Z", "EL_7_2025-11-21T10:30:00.250Z"),
        (
            "2025-11-21T05:30:00.5-05:00",
            "EL_7_2025-11-21T10:30:00.500Z",
        ),
        ("2025-11-21T10:30:00.000Z", "EL_7_2025-11-21T10:30:00Z"),
    ] {
        body["timestamp"] = json!(time);
        let reply = world.post(PLACE, &body).await;
        assert_eq!(reply.body["calls"][0]["call_sid"], named);
    }
    assert_eq!(world.dialled().len(), 3);
}

#[tokio::test]
async fn every_row_is_committed_before_the_first_dial() {
    let world = World::new();
    let seen: Rc<RefCell<Vec<Vec<Value>>>> = Rc::default();
    let (database, looks) = (world.database.clone(), seen.clone());
    world.script(move |_| {
        let rows = "SELECT driver_id, status, conversation_id FROM calls ORDER BY id";
        looks.borrow_mut().push(database.query(rows));
        Ok(ApiAnswer {
            status: 500,
            body: String::new(),
        })
    });
    world.post(PLACE, &place_body(&[1, 2, 3])).await;
    let row =
        |driver| json!({ "driver_id": driver, "status": "in_progress", "conversation_id": null });
    assert_eq!(seen.borrow()[0], [row(1), row(2), row(3)]);
    assert_eq!(seen.borrow().len(), 3);
}

#[tokio::test]
async fn all_rows_are_written_in_one_round_trip() {
    let world = World::new();
    let round_trips: Rc<RefCell<Vec<u32>>> = Rc::default();
    let (database, counts) = (world.database.clone(), round_trips.clone());
    world.script(move |_| {
        counts.borrow_mut().push(database.round_trips());
        Ok(ApiAnswer {
            status: 500,
            body: String::new(),
        })
    });
    let drivers: Vec<u32> = (1..=20).collect();
    world.post(PLACE, &place_body(&drivers)).await;
    assert_eq!(round_trips.borrow()[0], 1);
    assert_eq!(world.lines("request")[0]["db_round_trips"], 21);
}

#[tokio::test]
async fn placing_twenty_calls_is_within_the_free_plans_fifty_statements() {
    let drivers: Vec<u32> = (1..=20).collect();
    let world = World::new();
    world.post(PLACE, &place_body(&drivers)).await;
    assert!(world.database.sent() <= 50, "{}", world.database.sent());
    let world = World::new();
    world.script(|_| Err(call_ledger::elevenlabs::TransportError::Timeout));
    world.post(PLACE, &place_body(&drivers)).await;
    assert!(world.database.sent() <= 50, "{}", world.database.sent());
}

#[tokio::test]
async fn twenty_drivers_are_dialled_six_at_a_time_and_answered_in_their_order() {
    let world = World::new();
    let drivers: Vec<u32> = (1..=20).rev().collect();
    let reply = world.post(PLACE, &place_body(&drivers)).await;
    assert_eq!(reply.status, 201);
    assert_eq!(world.elevenlabs.most_open.get(), 6);
    let mut dialled = world.dialled();
    dialled.sort();
    assert_eq!(
        dialled,
        (1..=20)
            .map(|driver| format!("+1555010{driver:04}"))
            .collect::<Vec<_>>()
    );
    let answered = reply.body["calls"].as_array().unwrap();
    let answered: Vec<_> = answered
        .iter()
        .map(|call| call["driver_id"].as_u64().unwrap())
        .collect();
    assert_eq!(answered, (1..=20).rev().collect::<Vec<u64>>());
}

#[tokio::test]
async fn fewer_than_six_drivers_are_dialled_all_at_once() {
    let world = World::new();
    world.post(PLACE, &place_body(&[1, 2, 3, 4])).await;
    assert_eq!(world.elevenlabs.most_open.get(), 4);
}

#[tokio::test]
async fn a_repeated_request_tells_what_is_on_record_and_dials_nobody() {
    let world = World::new();
    world.post(PLACE, &place_body(&[7, 8])).await;
    for _ in 0..3 {
        let reply = world.post(PLACE, &place_body(&[7, 8])).await;
        assert_eq!(reply.status, 200);
        for (index, driver) in [7, 8].into_iter().enumerate() {
            assert_eq!(
                reply.body["calls"][index],
                json!({
                    "call_sid": sid(driver), "driver_id": driver, "status": "in_progress",
                    "conversation_id": format!("conv_{driver}"), "created": false,
                })
            );
        }
    }
    assert_eq!(world.dialled().len(), 2);
    assert_eq!(world.database.value("SELECT count(*) FROM calls"), 2);
}

#[tokio::test]
async fn a_repetition_with_another_number_dials_nobody() {
    let world = World::new();
    let mut body = place_body(&[7]);
    world.post(PLACE, &body).await;
    body["drivers"][0]["phoneNumber"] = json!("+15550109999");
    assert_eq!(world.post(PLACE, &body).await.status, 200);
    assert_eq!(world.dialled(), ["+15550100007"]);
}

#[tokio::test]
async fn of_equal_requests_at_once_one_dials() {
    for at_once in [2, 10] {
        let world = World::new();
        let body = place_body(&[7]);
        let replies = join_all((0..at_once).map(|_| world.post(PLACE, &body))).await;
        let created = replies
            .iter()
            .filter(|reply| reply.body["calls"][0]["created"] == true);
        assert_eq!(created.count(), 1);
        let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses[..at_once - 1], vec![200; at_once - 1]);
        assert_eq!(statuses[at_once - 1], 201);
        assert_eq!(world.dialled(), ["+15550100007"]);
    }
}

#[tokio::test]
async fn overlapping_requests_at_once_dial_each_driver_once() {
    let world = World::new();
    let (left, right) = (place_body(&[1, 2, 3]), place_body(&[3, 2, 4]));
    let replies = join_all([world.post(PLACE, &left), world.post(PLACE, &right)]).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 207]);
    let mut dialled = world.dialled();
    dialled.sort();
    assert_eq!(
        dialled,
        [
            "+15550100001",
            "+15550100002",
            "+15550100003",
            "+15550100004"
        ]
    );
}

#[tokio::test]
async fn the_same_driver_at_another_time_is_another_call() {
    let world = World::new();
    let mut body = place_body(&[7]);
    world.script(|request| {
        let name = dynamic_variables(request)["call_sid"]
            .as_str()
            .unwrap()
            .to_owned();
        let body = json!({ "success": true, "message": "", "conversation_id": name });
        Ok(ApiAnswer {
            status: 200,
            body: body.to_string(),
        })
    });
    for time in ["2025-11-21T10:30:00Z", "2025-11-21T10:30:01Z"] {
        body["timestamp"] = json!(time);
        assert_eq!(world.post(PLACE, &body).await.status, 201);
    }
    assert_eq!(world.dialled().len(), 2);
}
