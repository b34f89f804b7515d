//! Placing calls: what a request must be, and what of it reaches ElevenLabs.

use core::time::Duration;

use serde_json::{Value, json};

use crate::support::world::{PLACE, Reply, World, body_of, place_body, request, sid};

/// The path and the message of every fault.
fn faults(reply: &Reply) -> Vec<(&str, &str)> {
    assert_eq!(
        (reply.status, reply.body["code"].as_str()),
        (400, Some("invalid_request"))
    );
    let errors = reply.body["errors"].as_array().unwrap();
    let text =
        |error: &'_ Value, name: &str| -> Option<usize> { error[name].as_str().map(str::len) };
    assert!(
        errors
            .iter()
            .all(|error| text(error, "field") > Some(0) && text(error, "message") > Some(0))
    );
    errors
        .iter()
        .map(|error| {
            (
                error["field"].as_str().unwrap(),
                error["message"].as_str().unwrap(),
            )
        })
        .collect()
}

fn fields(reply: &Reply) -> Vec<&str> {
    faults(reply).into_iter().map(|(field, _)| field).collect()
}

fn assert_untouched(world: &World) {
    assert_eq!(world.database.round_trips(), 0);
    assert_eq!(world.database.value("SELECT count(*) FROM calls"), 0);
    assert!(world.elevenlabs.requests.borrow().is_empty());
}

#[tokio::test]
async fn one_to_twenty_drivers() {
    let world = World::new();
    for count in [0, 21, 100] {
        let drivers: Vec<u32> = (1..=count).collect();
        let reply = world.post(PLACE, &place_body(&drivers)).await;
        assert_eq!(
            faults(&reply),
            [(
                "drivers",
                format!("must list 1 to 20 drivers, not {count}").as_str()
            )]
        );
    }
    assert_untouched(&world);
    for count in [1, 20] {
        let world = World::new();
        let drivers: Vec<u32> = (1..=count).collect();
        assert_eq!(world.post(PLACE, &place_body(&drivers)).await.status, 201);
    }
}

#[tokio::test]
async fn a_driver_listed_twice_is_refused_naming_both_places() {
    let world = World::new();
    let mut body = place_body(&[5, 6, 5]);
    let reply = world.post(PLACE, &body).await;
    let [(field, message)] = faults(&reply)[..] else {
        panic!("{}", reply.text)
    };
    assert_eq!(field, "drivers[2].driverId");
    assert!(message.contains("drivers[0]"), "{message}");
    body["drivers"][2]["driverId"] = json!("0005");
    assert_eq!(
        fields(&world.post(PLACE, &body).await),
        ["drivers[2].driverId"]
    );
    assert_untouched(&world);
}

#[tokio::test]
async fn every_fault_is_listed_at_once_with_its_path() {
    let world = World::new();
    let body = json!({
        "timestamp": "yesterday",
        "drivers": [
            { "driverId": 0, "phoneNumber": "911", "driverName": 5, "customRules": [], "violations": {} },
            "a driver",
            { "violations": [7, {}, { "type": " " }, { "type": "x", "description": 1, "occurredAt": "noon" }] },
            { "driverId": 1.5, "phoneNumber": 5_550_100_007_u64, "driverName": null },
        ],
    });
    let reply = world.post(PLACE, &body).await;
    assert_eq!(
        fields(&reply),
        [
            "timestamp",
            "drivers[0].driverId",
            "drivers[0].phoneNumber",
            "drivers[0].driverName",
            "drivers[0].customRules",
            "drivers[0].violations",
            "drivers[1]",
            "drivers[2].driverId",
            "drivers[2].phoneNumber",
            "drivers[2].violations[0]",
            "drivers[2].violations[1].type",
            "drivers[2].violations[2].type",
            "drivers[2].violations[3].description",
            "drivers[2].violations[3].occurredAt",
            "drivers[3].driverId",
            "drivers[3].phoneNumber",
        ]
    );
    assert!(
        reply.body["detail"]
            .as_str()
            .unwrap()
            .starts_with("16 fields are wrong")
    );
    assert_untouched(&world);
}

#[tokio::test]
async fn the_two_fields_a_request_needs() {
    let world = World::new();
    for body in [json!({}), json!({ "timestamp": null, "drivers": null })] {
        let reply = world.post(PLACE, &body).await;
        assert_eq!(
            faults(&reply),
            [("timestamp", "is required"), ("drivers", "is required")]
        );
    }
    for drivers in [json!({}), json!("1"), json!(1), json!(true)] {
        let reply = world
            .post(
                PLACE,
                &json!({ "timestamp": "2025-11-21T10:30:00Z", "drivers": drivers }),
            )
            .await;
        assert_eq!(faults(&reply), [("drivers", "must be a list")]);
    }
    assert_untouched(&world);
}

#[tokio::test]
async fn one_bad_driver_keeps_the_others_from_being_recorded_and_dialled() {
    let world = World::new();
    let mut body = place_body(&[1, 2, 3]);
    body["drivers"][1]["phoneNumber"] = json!("555-010-CALL");
    assert_eq!(
        fields(&world.post(PLACE, &body).await),
        ["drivers[1].phoneNumber"]
    );
    assert_untouched(&world);
}

#[tokio::test]
async fn a_driver_id_is_a_whole_number_up_to_2_pow_53_or_its_digits() {
    const GREATEST: u64 = 9_007_199_254_740_991;
    for (given, id) in [
        (json!(1), 1),
        (json!("12345"), 12345),
        (json!("007"), 7),
        (json!(12345.0), 12345),
        (json!(GREATEST), GREATEST),
        (json!(GREATEST.to_string()), GREATEST),
    ] {
        let world = World::new();
        let mut body = place_body(&[1]);
        body["drivers"][0]["driverId"] = given;
        let call = world.post(PLACE, &body).await.body["calls"][0].clone();
        assert_eq!(call["driver_id"], id);
        assert_eq!(call["call_sid"], format!("EL_{id}_2025-11-21T10:30:00Z"));
        assert_eq!(world.database.value("SELECT driver_id FROM calls"), id);
    }
    let world = World::new();
    for given in [
        json!(0),
        json!(-7),
        json!(1.5),
        json!(GREATEST + 1),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("seven"),
        json!("-7"),
        json!("7.0"),
        json!(" 7"),
        json!("9007199254740992"),
        json!(true),
        json!([7]),
    ] {
        let mut body = place_body(&[1]);
        body["drivers"][0]["driverId"] = given;
        assert_eq!(
            fields(&world.post(PLACE, &body).await),
            ["drivers[0].driverId"]
        );
    }
    assert_untouched(&world);
}

#[tokio::test]
async fn a_number_reaches_elevenlabs_in_e164() {
    for (given, dialled) in [
        ("(555) 010-1234", "+15550101234"),
        ("15550101234", "+15550101234"),
        ("1-555-010-1234", "+15550101234"),
        ("+49 30 1234567", "+49301234567"),
    ] {
        let world = World::new();
        let mut body = place_body(&[1]);
        body["drivers"][0]["phoneNumber"] = json!(given);
        assert_eq!(world.post(PLACE, &body).await.status, 201);
        assert_eq!(world.dialled(), [dialled]);
    }
}

#[tokio::test]
async fn elevenlabs_is_told_all_six_variables_and_the_name_of_the_call() {
    let world = World::new();
    let body = json!({
        "timestamp": "2025-11-21T10:30:00Z",
        "unknown": { "fields": "are ignored" },
        "drivers": [{
            "driverId": "12345", "driverName": "Ada Díaz 🚚", "phoneNumber": "(555) 010-1234", "more": 1,
            "violations": [
                { "type": "hours_of_service", "description": "Drove 12 h", "occurredAt": "2025-11-21T03:00:00-05:00" },
                { "type": "speeding" },
            ],
            "customRules": "Speak Spanish if asked",
        }],
    });
    world.post(PLACE, &body).await;
    let requests = world.elevenlabs.requests.borrow();
    let sent = &requests[0];
    assert_eq!((sent.method, sent.api_key.as_str()), ("POST", "test-key"));
    assert_eq!(sent.timeout, Duration::from_secs(90));
    assert_eq!(
        body_of(sent),
        json!({
            "agent_id": "agent_test",
            "agent_phone_number_id": "phnum_test",
            "to_number": "+15550101234",
            "conversation_initiation_client_data": {
                "user_id": "EL_12345_2025-11-21T10:30:00Z",
                "dynamic_variables": {
                    "call_sid": "EL_12345_2025-11-21T10:30:00Z",
                    "driver_id": 12345,
                    "driver_name": "Ada Díaz 🚚",
                    "violations": "1. hours_of_service: Drove 12 h (2025-11-21T08:00:00.000Z)\n2. speeding",
                    "violation_count": 2,
                    "custom_rules": "Speak Spanish if asked",
                },
            },
        })
    );
}

#[tokio::test]
async fn what_may_be_left_out_is_sent_as_empty() {
    for driver in [
        json!({ "driverId": 7, "phoneNumber": "5550100007" }),
        json!({ "driverId": 7, "phoneNumber": "5550100007", "driverName": null, "violations": null, "customRules": null }),
    ] {
        let world = World::new();
        let body = json!({ "timestamp": "2025-11-21T10:30:00Z", "drivers": [driver] });
        assert_eq!(world.post(PLACE, &body).await.status, 201);
        let sent = body_of(&world.elevenlabs.requests.borrow()[0]);
        assert_eq!(
            sent["conversation_initiation_client_data"]["dynamic_variables"],
            json!({
                "call_sid": sid(7), "driver_id": 7, "driver_name": "", "violations": "",
                "violation_count": 0, "custom_rules": "",
            })
        );
    }
}

#[tokio::test]
async fn a_body_of_more_than_a_mebibyte_is_too_large() {
    let world = World::new();
    let reply = world
        .send(request("POST", PLACE, vec![b' '; 1024 * 1024 + 1]))
        .await;
    assert_eq!(
        (reply.status, reply.body["code"].as_str()),
        (413, Some("payload_too_large"))
    );
    assert_untouched(&world);
}

#[tokio::test]
async fn of_very_many_faults_the_first_hundred_are_named_and_all_are_counted() {
    let world = World::new();
    for count in [99, 100, 101, 300_000] {
        // Each violation of two bytes is a fault.
        let violations = vec!["1"; count].join(",");
        let body = format!(
            r#"{{"timestamp":"2025-11-21T10:30:00Z","drivers":[{{"driverId":7,"phoneNumber":"5550101234","violations":[{violations}]}}]}}"#
        );
        let reply = world.send(request("POST", PLACE, body)).await;
        let named = count.min(100);
        let fields: Vec<_> = (0..named)
            .map(|index| format!("drivers[0].violations[{index}]"))
            .collect();
        assert_eq!(self::fields(&reply), fields);
        assert_eq!(reply.body["error_count"], count);
        let detail = reply.body["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{count} fields are wrong")));
        assert_eq!(detail.contains("the first 100"), count > 100, "{detail}");
        assert!(reply.text.len() < 10_000, "{}", reply.text.len());
    }
    assert_untouched(&world);
}
