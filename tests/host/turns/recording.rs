//! Turns: stored once, as they came, under gapless numbers.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::world::{PLACE, TURN, World, place_body, request, sid, turn_body};

/// A world where these drivers' calls are placed, each with the conversation `conv_{driver}`.
async fn world_with_calls(drivers: &[u32]) -> World {
    let world = World::new();
    world.post(PLACE, &place_body(drivers)).await;
    world
}

/// The numbers of a conversation's turns, in the order of the rows.
fn numbers(world: &World, conversation_id: &str) -> Vec<i64> {
    let sql = format!(
        "SELECT sequence_number AS n FROM call_transcriptions \
         WHERE conversation_id = '{conversation_id}' ORDER BY sequence_number"
    );
    world
        .database
        .query(&sql)
        .iter()
        .map(|row| row["n"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_turn_is_answered_with_its_number() {
    let world = world_with_calls(&[7]).await;
    let reply = world.post(TURN, &turn_body(7, 1, "Hello Ada")).await;
    assert_eq!(reply.status, 201);
    assert_eq!(
        reply.body,
        json!({
            "status": "success", "message": "Transcription saved for call EL_7_2025-11-21T10:30:00Z",
            "call_sid": "EL_7_2025-11-21T10:30:00Z", "transcription_id": 1_099_515_822_081_i64, "sequence_number": 1,
        })
    );
}

#[tokio::test]
async fn a_turn_is_stored_as_it_came_with_the_user_as_the_driver() {
    let world = world_with_calls(&[7]).await;
    for (speaker, message) in [
        ("agent", " \t Hello\r\n Ada  "),
        ("user", "\u{a0}Hi\u{3000}"),
    ] {
        let mut turn = turn_body(7, 5, message);
        turn["speaker"] = json!(speaker);
        assert_eq!(world.post(TURN, &turn).await.status, 201);
    }
    let columns =
        "conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at";
    let row = |speaker: &str, message: &str, number: u32| {
        json!({
            "conversation_id": "conv_7", "speaker_type": speaker, "message_text": message,
            "timestamp": "2025-11-21T10:30:05.000Z", "sequence_number": number,
            "created_at": "2025-11-21T10:30:01.000Z",
        })
    };
    assert_eq!(
        world.database.query(&format!(
            "SELECT {columns} FROM call_transcriptions ORDER BY id"
        )),
        [
            row("agent", " \t Hello\r\n Ada  ", 1),
            row("driver", "\u{a0}Hi\u{3000}", 2)
        ]
    );
}

#[tokio::test]
async fn a_repeated_turn_is_answered_with_the_first_ones_ids() {
    let world = world_with_calls(&[7]).await;
    let first = world.post(TURN, &turn_body(7, 1, "Hello")).await;
    world.post(TURN, &turn_body(7, 2, "Hi")).await;
    for _ in 0..10 {
        let again = world.post(TURN, &turn_body(7, 1, "Hello")).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
    }
    assert_eq!(numbers(&world, "conv_7"), [1, 2]);
}

#[tokio::test]
async fn the_same_turn_ten_times_at_once_is_stored_once() {
    let world = world_with_calls(&[7]).await;
    let turn = turn_body(7, 1, "Hello");
    let replies = join_all((0..10).map(|_| world.post(TURN, &turn))).await;
    assert_eq!(
        replies.iter().filter(|reply| reply.status == 201).count(),
        1
    );
    assert_eq!(
        replies.iter().filter(|reply| reply.status == 200).count(),
        9
    );
    assert!(replies.iter().all(|reply| reply.body == replies[0].body));
    assert_eq!(numbers(&world, "conv_7"), [1]);
}

#[tokio::test]
async fn speaker_message_and_time_each_make_another_turn() {
    let world = world_with_calls(&[7, 8]).await;
    let first = json!({
        "call_sid": sid(7), "speaker": "agent", "message": "Hello", "timestamp": "2025-11-21T10:30:05Z",
    });
    world.post(TURN, &first).await;
    for (field, value) in [
        ("speaker", "user"),
        ("message", "Hello "),
        ("message", "hello"),
        ("timestamp", "2025-11-21T10:30:05.001Z"),
        ("call_sid", &sid(8)),
    ] {
        let mut turn = first.clone();
        turn[field] = json!(value);
        assert_eq!(
            world.post(TURN, &turn).await.status,
            201,
            "{field}: {value}"
        );
    }
    assert_eq!(numbers(&world, "conv_7"), [1, 2, 3, 4, 5]);
    assert_eq!(numbers(&world, "conv_8"), [1]);
}

#[tokio::test]
async fn sixty_four_turns_at_once_take_the_numbers_without_gap() {
    let world = world_with_calls(&[7, 8]).await;
    let turns: Vec<_> = (0..128)
        .map(|n| turn_body(7 + n % 2, n % 60, &format!("turn {n}")))
        .collect();
    let replies = join_all(turns.iter().map(|turn| world.post(TURN, turn))).await;
    assert!(replies.iter().all(|reply| reply.status == 201));
    for conversation in ["conv_7", "conv_8"] {
        assert_eq!(
            numbers(&world, conversation),
            (1..=64).collect::<Vec<i64>>()
        );
    }
    let ids: HashSet<_> = replies
        .iter()
        .map(|reply| reply.body["transcription_id"].as_i64())
        .collect();
    assert_eq!(ids.len(), 128);
}

#[tokio::test]
async fn repeats_and_new_turns_at_once_keep_the_numbers_gapless() {
    let world = world_with_calls(&[7]).await;
    let turns: Vec<_> = (0..64)
        .map(|n| turn_body(7, n % 16, &format!("turn {}", n % 16)))
        .collect();
    let replies = join_all(turns.iter().map(|turn| world.post(TURN, turn))).await;
    assert_eq!(
        replies.iter().filter(|reply| reply.status == 201).count(),
        16
    );
    assert_eq!(numbers(&world, "conv_7"), (1..=16).collect::<Vec<i64>>());
}

#[tokio::test]
async fn any_unicode_comes_back_as_it_was() {
    for message in [
        "😀👨‍👩‍👧‍👦🇩🇪",
        "a\u{0}b",
        "\u{0}",
        "\u{202e}مرحبا، כן\u{200f}",
        "e\u{301}\u{323}",
        "\u{feff}\u{fffe}\u{10ffff}",
        "'; DROP TABLE calls; --",
        "\"\\u0041\\\"",
        "line\nline\r\n\ttab\u{7}",
    ] {
        let world = world_with_calls(&[7]).await;
        let turn = turn_body(7, 1, message);
        assert_eq!(world.post(TURN, &turn).await.status, 201, "{message:?}");
        assert_eq!(
            world
                .database
                .value("SELECT message_text FROM call_transcriptions"),
            message
        );
        assert_eq!(world.post(TURN, &turn).await.status, 200, "{message:?}");
    }
}

#[tokio::test]
async fn half_a_surrogate_pair_becomes_the_replacement_character() {
    let world = world_with_calls(&[7]).await;
    for status in [201, 200] {
        let body = turn_body(7, 1, "cut MARK off, 😀 whole")
            .to_string()
            .replace("MARK", "\\ud83d");
        assert_eq!(world.send(request("POST", TURN, body)).await.status, status);
    }
    let stored = world
        .database
        .value("SELECT message_text FROM call_transcriptions");
    assert_eq!(stored, "cut \u{fffd} off, 😀 whole");
}

#[tokio::test]
async fn a_body_of_256_kib_is_taken_and_one_byte_more_is_not() {
    let world = world_with_calls(&[7]).await;
    let rest = turn_body(7, 1, "").to_string().len();
    let body = |bytes: usize| turn_body(7, 1, &"x".repeat(bytes - rest)).to_string();
    let reply = world.send(request("POST", TURN, body(262_145))).await;
    assert_eq!(
        (reply.status, reply.body["code"].as_str()),
        (413, Some("payload_too_large"))
    );
    assert_eq!(
        world
            .send(request("POST", TURN, body(262_144)))
            .await
            .status,
        201
    );
    assert_eq!(
        world
            .database
            .value("SELECT length(message_text) FROM call_transcriptions"),
        262_144 - rest
    );
}

#[tokio::test]
async fn a_time_is_stored_in_utc_with_milliseconds_whatever_its_offset() {
    let world = world_with_calls(&[7]).await;
    for (index, (given, stored)) in [
        ("2025-11-21T10:30:05Z", "2025-11-21T10:30:05.000Z"),
        ("2025-11-21T05:31:05.5-05:00", "2025-11-21T10:31:05.500Z"),
        ("2025-11-21T16:02:05.1239+05:30", "2025-11-21T10:32:05.123Z"),
        ("2025-11-21T10:33:05", "2025-11-21T10:33:05.000Z"),
        ("2025-11-22T00:04:05+13:30", "2025-11-21T10:34:05.000Z"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut turn = turn_body(7, 1, "Hello");
        turn["timestamp"] = json!(given);
        assert_eq!(world.post(TURN, &turn).await.status, 201);
        let sql = format!(
            "SELECT timestamp FROM call_transcriptions WHERE sequence_number = {}",
            index + 1
        );
        assert_eq!(world.database.value(&sql), stored);
        turn["timestamp"] = json!(stored);
        assert_eq!(world.post(TURN, &turn).await.status, 200, "{given}");
    }
}

#[tokio::test]
async fn a_new_turn_costs_one_round_trip_and_two_billed_rows() {
    let world = world_with_calls(&[7]).await;
    for second in 1..=3 {
        world.post(TURN, &turn_body(7, second, "Hello")).await;
        let line: Value = world.lines("request").pop().unwrap();
        assert_eq!(
            (&line["db_round_trips"], &line["db_retries"]),
            (&json!(1), &json!(0))
        );
        // SQLite counts the table's row; the platform bills one more for each index.
        assert_eq!(line["db_rows_written"], 1);
    }
    let indexes = world
        .database
        .query("SELECT name FROM pragma_index_list('call_transcriptions')");
    assert_eq!(indexes.len(), 1, "{indexes:?}");
}

#[tokio::test]
async fn a_repeat_writes_nothing() {
    let world = world_with_calls(&[7]).await;
    world.post(TURN, &turn_body(7, 1, "Hello")).await;
    world.post(TURN, &turn_body(7, 1, "Hello")).await;
    let line = world.lines("request").pop().unwrap();
    assert_eq!(
        (&line["db_round_trips"], &line["db_rows_written"]),
        (&json!(2), &json!(0))
    );
}
