//! Bodies of requests to place calls, through the whole service.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::Strategy;
use proptest::prop_oneof;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::checks::bodies::{Call, PLACE, assert_refused, calls, check_place};
use crate::checks::service::wait;
use crate::invent::{Bytes, bytes, changed, changes, count, damaged, scalar, text, value, words};
use crate::phones;
use crate::runner::{Cost, hold};
use crate::support::world::{World, body_of, dynamic_variables};
use crate::times;

const NAMES: &[&str] = &[
    "timestamp",
    "drivers",
    "driverId",
    "driverName",
    "phoneNumber",
    "violations",
    "customRules",
    "type",
    "description",
    "occurredAt",
];

fn driver_id() -> impl Strategy<Value = Value> {
    let id = prop_oneof![
        1_u64..6,
        1_u64..=9_007_199_254_740_991,
        select(vec![9_007_199_254_740_991, 9_007_199_254_740_990])
    ];
    prop_oneof![
        id.clone().prop_map(Value::from),
        id.clone().prop_map(|id| Value::from(id.to_string())),
        id.prop_map(|id| Value::from(format!("00{id}"))),
        (1_u32..1_000_000).prop_map(|id| Value::from(f64::from(id))),
    ]
}

fn driver() -> impl Strategy<Value = Value> {
    let violation = (words(), option::of(text()), option::of(times::valid())).prop_map(
        |(kind, description, time)| {
            json!({ "type": kind, "description": description, "occurredAt": time.map(|(time, _)| time) })
        },
    );
    let number = prop_oneof![
        "[0-9]{10}",
        "\\+[1-9][0-9]{7,14}",
        phones::written().prop_map(|(_, written)| written)
    ];
    (
        driver_id(),
        number,
        option::of(text()),
        option::of(text()),
        option::of(vec(violation, 0..3)),
    )
        .prop_map(|(id, number, name, rules, violations)| {
            json!({ "driverId": id, "phoneNumber": number, "driverName": name,
                "customRules": rules, "violations": violations })
        })
}

/// A body that the contract takes, most of the time.
fn body() -> impl Strategy<Value = Value> {
    let drivers = prop_oneof![8 => vec(driver(), 1..4), 1 => vec(driver(), 0..22)];
    (times::valid(), drivers)
        .prop_map(|((time, _), drivers)| json!({ "timestamp": time, "drivers": drivers }))
}

fn near() -> impl Strategy<Value = Value> {
    (body(), changes(NAMES, 2)).prop_map(|(body, changes)| changed(body, changes))
}

#[test]
fn any_body_is_a_request_or_refused() {
    let any = prop_oneof![2 => body(), 3 => near(), 1 => value(NAMES)];
    let any = any.prop_map(|body| body.to_string());
    let any = prop_oneof![3 => any.clone().prop_map(|body| Bytes(body.into_bytes())), 1 => bytes(damaged(any))];
    hold(Cost::Parser, &any, |body| check_place(&body.0));
}

#[test]
fn any_value_is_a_driver_id_or_refused() {
    let odd = select(vec![0.0, -1.0, 0.5, 9_007_199_254_740_992.0, 1e300]).prop_map(Value::from);
    let any = prop_oneof![
        driver_id(),
        scalar(),
        odd,
        "[0-9]{0,20}".prop_map(Value::from)
    ];
    hold(Cost::Parser, &any, |id| {
        let driver = json!({ "driverId": id, "phoneNumber": "5550101234" });
        let body = json!({ "timestamp": "2025-11-21T10:30:00Z", "drivers": [driver] });
        check_place(body.to_string().as_bytes());
    });
}

/// What ElevenLabs was told of a call, and what can be read of it.
fn assert_placed(world: &World, call: &Call, place: usize, reply: &Value) {
    let item = &reply["calls"][place];
    assert_eq!(
        (&item["call_sid"], &item["created"]),
        (&json!(call.call_sid), &json!(true))
    );
    let requests = world.elevenlabs.requests.borrow();
    let mut asked = requests
        .iter()
        .filter(|request| dynamic_variables(request)["call_sid"] == call.call_sid);
    let request = asked.next().unwrap();
    assert!(asked.next().is_none(), "dialled twice");
    assert_eq!(body_of(request)["to_number"], call.phone_number);
    let variables = dynamic_variables(request);
    assert_eq!(variables["driver_id"], call.driver_id);
    assert_eq!(variables["driver_name"], call.name);
    assert_eq!(variables["custom_rules"], call.custom_rules);
    assert_eq!(variables["violation_count"], call.violations);
    let read = wait(world.get(&format!("/calls/{}", call.call_sid))).body;
    assert_eq!(read["driver_id"], call.driver_id);
    assert_eq!(read["conversation_id"], format!("conv_{}", call.driver_id));
    assert_eq!(
        (&read["status"], &read["turn_count"]),
        (&json!("in_progress"), &json!(0))
    );
}

#[test]
fn a_good_request_is_recorded_and_dialled_and_a_bad_one_leaves_nothing() {
    hold(
        Cost::World,
        &prop_oneof![2 => body(), 1 => near()],
        |body| {
            let world = World::new();
            let reply = wait(world.post(PLACE, &body));
            let on_record = count(&world, "calls");
            let Some(calls) = calls(&body) else {
                assert_refused(reply.status, &reply.body);
                assert_eq!((on_record, world.dialled().len()), (0, 0));
                return;
            };
            assert_eq!(reply.status, 201, "{}", reply.text);
            assert_eq!(
                (on_record as usize, world.dialled().len()),
                (calls.len(), calls.len())
            );
            for (place, call) in calls.iter().enumerate() {
                assert_placed(&world, call, place, &reply.body);
            }
            let again = wait(world.post(PLACE, &body));
            assert_eq!((again.status, world.dialled().len()), (200, calls.len()));
        },
    );
}
