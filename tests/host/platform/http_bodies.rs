//! Bodies that are not what a route takes.

use serde_json::{Value, json};

use crate::support::world::{PLACE, Reply, TURN, World, request, turn_body};

fn assert_invalid(reply: &Reply) {
    assert_eq!(
        (reply.status, reply.body["code"].as_str()),
        (400, Some("invalid_request")),
        "{}",
        reply.text
    );
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let world = World::new();
    let (deep_lists, deep_objects) = ("[".repeat(100_000), "{\"a\":".repeat(50_000));
    for path in [PLACE, TURN] {
        for body in [
            "",
            " \r\n",
            "{",
            "}",
            "nul",
            "NaN",
            "{'a':1}",
            "{\"a\":1}}",
            "{\"a\":}",
            "{\"a\":1,}",
            "\u{feff}{}",
            "timestamp=now",
            "<xml/>",
            deep_lists.as_str(),
            deep_objects.as_str(),
            "{\"a\":\"\u{0}\"}",
        ] {
            let reply = world.send(request("POST", path, body)).await;
            assert_invalid(&reply);
            assert_eq!(reply.body.get("errors"), None);
        }
        let reply = world
            .send(request("POST", path, b"{\"a\":\"\xff\xfe\"}".to_vec()))
            .await;
        assert_invalid(&reply);
        for body in ["[]", "[{}]", "\"text\"", "1", "true", "null"] {
            let reply = world.send(request("POST", path, body)).await;
            assert_invalid(&reply);
            assert_eq!(
                reply.body["errors"],
                json!([{ "field": "body", "message": "must be a JSON object" }])
            );
        }
    }
    assert_eq!(world.database.round_trips(), 0);
}

#[tokio::test]
async fn every_faulty_field_of_a_turn_is_listed() {
    let world = World::new();
    let errors = |reply: &Reply| -> Vec<(String, String)> {
        assert_invalid(reply);
        let text = |error: &Value, member: &str| error[member].as_str().unwrap().to_owned();
        let errors = reply.body["errors"].as_array().unwrap();
        errors
            .iter()
            .map(|error| (text(error, "field"), text(error, "message")))
            .collect()
    };
    let listed = |message: [&str; 4]| -> Vec<(String, String)> {
        let fields = ["call_sid", "speaker", "message", "timestamp"];
        fields
            .iter()
            .zip(message)
            .map(|(field, message)| ((*field).to_owned(), message.to_owned()))
            .collect()
    };
    let no_time = "must be an RFC 3339 time such as 2025-11-21T10:30:00Z";
    for (values, messages) in [
        (json!([null, null, null, null]), ["is required"; 4]),
        (json!([1, true, [], {}]), ["must be a string"; 4]),
        (
            json!(["", "driver", " \t\n\u{a0}", "1763721005"]),
            [
                "must not be empty",
                "must be agent or user",
                "must not be empty",
                no_time,
            ],
        ),
        (
            json!(["  ", "Agent", "", "2025-02-30T00:00:00Z"]),
            [
                "must not be empty",
                "must be agent or user",
                "must not be empty",
                no_time,
            ],
        ),
    ] {
        let body = json!({ "call_sid": values[0], "speaker": values[1], "message": values[2], "timestamp": values[3] });
        assert_eq!(errors(&world.post(TURN, &body).await), listed(messages));
    }
    let mut turn = turn_body(7, 1, "Hello");
    turn["conversation_id"] = json!(7);
    let reply = world.post(TURN, &turn).await;
    assert_eq!(
        errors(&reply),
        [("conversation_id".to_owned(), "must be a string".to_owned())]
    );
    assert_eq!(
        reply.body["detail"],
        "One field is wrong; see errors. Nothing was recorded."
    );
    assert_eq!(world.database.round_trips(), 0);
}
