//! Reading one call and its transcription.

use call_ledger::model::transcription_id;
use serde_json::{Value, json};

use crate::support::events::{at, conversation, empty_world, transcription, world_with_calls};
use crate::support::world::{PLACE, Reply, World, place_body, request, sid};

async fn get_as(world: &World, target: &str, accept: &str) -> Reply {
    let mut request = request("GET", target, "");
    request
        .headers
        .push(("Accept".to_owned(), accept.to_owned()));
    world.send(request).await
}

/// Driver 7's call with three turns, settled.
async fn settled() -> World {
    let world = world_with_calls(&[7, 8]).await;
    world
        .say_all(7, &[(1, "A:Hello"), (4, "D:Hi\nthere ")])
        .await;
    world.runtime.advance(89_000);
    let turns = [(1, "A:Hello"), (4, "D:Hi\nthere "), (6, "A:Bye")];
    world.deliver(&transcription(conversation(7, &turns))).await;
    world
}

#[tokio::test]
async fn a_call_is_read_with_all_its_fields() {
    let world = settled().await;
    let reply = world.get(&format!("/calls/{}", sid(7))).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.body,
        json!({
            "id": 1, "call_sid": "EL_7_2025-11-21T10:30:00Z", "conversation_id": "conv_7", "driver_id": 7,
            "status": "completed", "failure_reason": null, "call_start_time": at(1), "call_end_time": at(60),
            "summary": "They spoke.", "created_at": at(1), "updated_at": at(90), "turn_count": 3,
        })
    );
}

#[tokio::test]
async fn a_call_that_failed_at_the_dial_is_read_with_its_reason() {
    let world = empty_world();
    world.script(|_| Err(call_ledger::elevenlabs::TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    let reply = world.get(&format!("/calls/{}", sid(7))).await;
    let call = &reply.body;
    assert_eq!(
        (
            &call["status"],
            &call["failure_reason"],
            &call["turn_count"]
        ),
        (&json!("failed"), &json!("outcome_unknown"), &json!(0))
    );
    for field in ["conversation_id", "call_end_time", "summary"] {
        assert_eq!(call.get(field), Some(&Value::Null), "{field}");
    }
}

#[tokio::test]
async fn a_transcription_is_read_in_order() {
    let world = settled().await;
    let path = format!("/calls/{}/transcription", sid(7));
    let reply = world.get(&path).await;
    let turn = |number: i64, second: i64, speaker: &str, message: &str| {
        json!({ "transcription_id": transcription_id(1, number), "sequence_number": number, "speaker": speaker,
                "message": message, "timestamp": at(second) })
    };
    let expected = json!({
        "call_sid": sid(7), "conversation_id": "conv_7",
        "turns": [
            turn(1, 1, "agent", "Hello"), turn(2, 4, "driver", "Hi\nthere "), turn(3, 6, "agent", "Bye"),
        ],
    });
    assert_eq!((reply.status, reply.body), (200, expected));
}

#[tokio::test]
async fn a_call_without_turns_or_conversation_has_an_empty_transcription() {
    let world = world_with_calls(&[7]).await;
    let path = format!("/calls/{}/transcription", sid(7));
    let reply = world.get(&path).await;
    let expected = json!({ "call_sid": sid(7), "conversation_id": "conv_7", "turns": [] });
    assert_eq!((reply.status, reply.body), (200, expected));
    world
        .database
        .execute("UPDATE calls SET conversation_id = NULL");
    let reply = world.get(&path).await;
    let expected = json!({ "call_sid": sid(7), "conversation_id": null, "turns": [] });
    assert_eq!((reply.status, reply.body), (200, expected));
}

#[tokio::test]
async fn a_transcription_is_read_as_text_too() {
    let world = settled().await;
    let path = format!("/calls/{}/transcription", sid(7));
    let reply = get_as(&world, &path, "text/plain").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["content-type"], "text/plain; charset=utf-8");
    let expected = "Call EL_7_2025-11-21T10:30:00Z\nConversation conv_7\n\n\
        [2025-11-21T10:30:01.000Z] agent: Hello\n\
        [2025-11-21T10:30:04.000Z] driver: Hi there\n\
        [2025-11-21T10:30:06.000Z] agent: Bye\n";
    assert_eq!(reply.text, expected);
}

#[tokio::test]
async fn the_form_the_client_likes_best_is_sent() {
    let world = settled().await;
    let transcription = format!("/calls/{}/transcription", sid(7));
    for (target, other) in [
        ("/calls", "text/csv"),
        (transcription.as_str(), "text/plain"),
    ] {
        for (accept, wants_other) in [
            (other.to_owned(), true),
            (other.to_uppercase(), true),
            (format!("{other};charset=utf-8"), true),
            (format!("text/html, {other};q=0.9, */*;q=0.8"), true),
            (format!("application/json;q=0.4, {other};q=0.5"), true),
            (format!("{other};q=0.4, application/json;q=0.5"), false),
            (format!("{other};q=0"), false),
            ("application/json".to_owned(), false),
            ("*/*".to_owned(), false),
            ("application/*".to_owned(), false),
            (
                "text/html,application/xhtml+xml,*/*;q=0.8".to_owned(),
                false,
            ),
            (String::new(), false),
            (";;;q=,,".to_owned(), false),
        ] {
            let reply = get_as(&world, target, &accept).await;
            assert_eq!(reply.status, 200);
            let sent = &reply.headers["content-type"];
            let expected = if wants_other {
                other
            } else {
                "application/json"
            };
            assert!(sent.starts_with(expected), "{target} {accept}: {sent}");
        }
        let reply = world.get(target).await;
        assert_eq!(reply.headers["content-type"], "application/json");
    }
}

#[tokio::test]
async fn the_name_may_be_percent_encoded() {
    let world = settled().await;
    world.database.execute(
        "INSERT INTO calls (call_sid, driver_id, call_start_time, status, created_at, updated_at) \
         VALUES ('a/b %ü?#', 9, '', 'failed', '', '')",
    );
    for (path, call_sid) in [
        ("EL_7_2025-11-21T10%3A30%3A00Z", sid(7)),
        ("EL_7_2025-11-21T10%3a30:00Z", sid(7)),
        ("%45L%5F7%5f2025-11-21T10:30:00%5A", sid(7)),
        ("a%2Fb%20%25%C3%BC%3F%23", "a/b %ü?#".to_owned()),
    ] {
        for suffix in ["", "/transcription"] {
            let reply = world.get(&format!("/calls/{path}{suffix}")).await;
            assert_eq!(reply.status, 200, "{path}");
            assert_eq!(reply.body["call_sid"], call_sid);
        }
    }
}

#[tokio::test]
async fn a_call_that_is_not_on_record_is_not_found() {
    let world = settled().await;
    for call_sid in [
        "EL_9_2025-11-21T10:30:00Z",
        "el_7_2025-11-21t10:30:00z",
        "EL_7_2025-11-21T10:30:00Z ",
        "' OR 1=1 --",
        "%",
        "\u{1f600}",
    ] {
        let path: String = call_sid
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        for suffix in ["", "/transcription"] {
            let reply = world.get(&format!("/calls/{path}{suffix}")).await;
            assert_eq!(
                (reply.status, &reply.body["code"], &reply.body["call_sid"]),
                (404, &json!("unknown_call_sid"), &json!(call_sid))
            );
        }
    }
    // No text at all: not even UTF-8.
    assert_eq!(world.get("/calls/%ff%fe").await.status, 404);
}

#[tokio::test]
async fn every_read_is_one_round_trip_and_writes_nothing() {
    let world = settled().await;
    let call = format!("/calls/{}", sid(7));
    let transcription = format!("{call}/transcription");
    for target in [
        "/calls",
        "/calls?status=completed&driver_id=7&limit=1",
        call.as_str(),
        transcription.as_str(),
        "/calls/EL_9_2025-11-21T10:30:00Z",
        "/calls/EL_9_2025-11-21T10:30:00Z/transcription",
    ] {
        let before = world.database.round_trips();
        world.get(target).await;
        assert_eq!(world.database.round_trips() - before, 1, "{target}");
        let line = world.lines("request").pop().unwrap();
        assert_eq!(
            (&line["db_round_trips"], &line["db_rows_written"]),
            (&json!(1), &json!(0))
        );
    }
}

#[tokio::test]
async fn a_head_request_is_answered_like_a_get_without_its_body() {
    let world = settled().await;
    for (target, status) in [
        ("/calls".to_owned(), 200),
        (format!("/calls/{}", sid(7)), 200),
        (format!("/calls/{}", sid(9)), 404),
    ] {
        let reply = world.send(request("HEAD", &target, "")).await;
        assert_eq!((reply.status, reply.text.as_str()), (status, ""));
        let get = world.get(&target).await;
        assert_eq!(reply.headers["content-type"], get.headers["content-type"]);
    }
}

#[tokio::test]
async fn times_from_before_the_ledger_do_not_make_a_call_unreadable() {
    let world = empty_world();
    for (id, (stored, shown)) in (1..).zip([
        ("2025-11-21 10:30:05", "2025-11-21T10:30:05.000Z"),
        ("2025-11-21T05:30:05-05:00", "2025-11-21T10:30:05.000Z"),
        ("2025-11-21T10:30:05", "2025-11-21T10:30:05.000Z"),
        ("1763721005", "1763721005"),
        ("yesterday", "yesterday"),
        ("", ""),
    ]) {
        world.database.execute(&format!(
            "INSERT INTO calls (id, call_sid, conversation_id, call_start_time, call_end_time, status, created_at, updated_at) \
             VALUES ({id}, 'old_{id}', 'conv_{id}', '{stored}', '{stored}', 'completed', '{stored}', '{stored}'); \
             INSERT INTO call_transcriptions \
               (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
             VALUES ('conv_{id}', 'agent', 'Hello', '{stored}', 1, '{stored}')"
        ));
        let call = world.get(&format!("/calls/old_{id}")).await.body;
        for field in [
            "call_start_time",
            "call_end_time",
            "created_at",
            "updated_at",
        ] {
            assert_eq!(call[field], shown);
        }
        assert_eq!(call["driver_id"], Value::Null);
        let path = format!("/calls/old_{id}/transcription");
        let turns = world.get(&path).await.body;
        assert_eq!(turns["turns"][0]["timestamp"], shown);
        let text = get_as(&world, &path, "text/plain").await.text;
        assert!(text.contains(&format!("[{shown}] agent: Hello\n")));
    }
    // All of them are in the list, page by page.
    let mut seen = Vec::new();
    let mut target = "/calls?limit=2".to_owned();
    loop {
        let page = world.get(&target).await.body;
        let calls = page["calls"].as_array().unwrap();
        seen.extend(calls.iter().map(|call| call["id"].as_i64().unwrap()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        target = format!("/calls?limit=2&cursor={cursor}");
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
    assert_eq!(get_as(&world, "/calls", "text/csv").await.status, 200);
}
