//! What a ledger of the first days may hold, and what has to become of it.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::database::rows;

/// What a database under 0000 may hold that a backfill could stumble over: id, conversation, driver, `created_at`, and
/// the name that the call is to get.
const NASTY: [(i64, &str, Option<i64>, &str, &str); 14] = [
    (
        1,
        "conv_a",
        None,
        "2025-11-21 10:30:00",
        "EL_UNKNOWN_1763721000",
    ),
    (
        2,
        "conv_b",
        None,
        "2025-11-21T10:30:00Z",
        "EL_UNKNOWN_1763721000_2",
    ),
    (
        3,
        "conv_c",
        None,
        "2025-11-21T10:30:00.999Z",
        "EL_UNKNOWN_1763721000_3",
    ),
    (
        5,
        "conv_d",
        Some(42),
        "2025-11-21T10:30:00.000Z",
        "EL_42_1763721000",
    ),
    (
        6,
        "conv_e",
        Some(42),
        "2025-11-21T11:30:00+01:00",
        "EL_42_1763721000_6",
    ),
    (
        7,
        "conv_f",
        Some(42),
        "2025-11-21 10:30:00.123",
        "EL_42_1763721000_7",
    ),
    (
        8,
        "conv_g",
        Some(42),
        "2025-11-21T10:30:01Z",
        "EL_42_1763721001",
    ),
    (
        9,
        "conv 'h'; --",
        Some(0),
        "1969-12-31T23:59:59Z",
        "EL_0_-1",
    ),
    (10, "conv_🚚", Some(-7), "2025-11-21", "EL_-7_1763683200"),
    (
        11,
        "",
        Some(9_007_199_254_740_991),
        "2025-11-21T10:30:00Z",
        "EL_9007199254740991_1763721000",
    ),
    // Neither time can be read, then only the first cannot.
    (12, "conv_i", Some(43), "yesterday", "EL_43_1704067200"),
    (13, "conv_j", Some(43), "", "EL_43_1704067200_13"),
    (14, "conv_k", None, "yesterday", "EL_UNKNOWN_1704067200"),
    (
        9_000_000,
        "conv_l",
        Some(42),
        "2025-11-21T10:30:00Z",
        "EL_42_1763721000_9000000",
    ),
];

/// Fills a database that is under 0000.
pub fn seed(connection: &Connection) {
    let mut insert = connection
        .prepare(
            "INSERT INTO calls (id, conversation_id, driver_id, call_start_time, status, created_at, updated_at) \
             VALUES (?1, ?2, ?3, '2024-01-01T00:00:00Z', 'completed', ?4, ?4)",
        )
        .unwrap();
    for (id, conversation_id, driver_id, created_at, _) in NASTY {
        insert
            .execute((id, conversation_id, driver_id, created_at))
            .unwrap();
    }
    connection
        .execute_batch(
            "INSERT INTO calls (id, conversation_id, driver_id, call_start_time, call_end_time, status, created_at, updated_at) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
             SELECT 1000 + 2 * i, 'conv_' || i, CASE WHEN i % 10 = 0 THEN NULL ELSE i % 40 END, \
               datetime(1700000000 + i / 20 * 60, 'unixepoch'), CASE WHEN i % 3 = 0 THEN NULL ELSE '2023-12-01 00:00:00' END, \
               json_extract('[\"in_progress\",\"completed\",\"failed\"]', '$[' || (i % 3) || ']'), \
               datetime(1700000000 + i / 20 * 60, 'unixepoch'), '2024-01-01 00:00:00' \
             FROM n; \
             INSERT INTO call_transcriptions \
               (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
             SELECT c.conversation_id, CASE WHEN s.value % 2 = 1 THEN 'agent' ELSE 'driver' END, \
               'It''s turn ' || s.value || ' of ' || c.id || ' 👍🏽', c.created_at, s.value, c.created_at \
             FROM calls c, json_each('[1,2,3]') s WHERE c.id % 5 <> 0 OR c.id < 100 ORDER BY s.value, c.id DESC",
        )
        .unwrap();
}

/// The rows as they were under 0000.
pub fn original_rows(connection: &Connection) -> [Vec<Value>; 2] {
    [
        "SELECT id, conversation_id, driver_id, call_start_time, call_end_time, status, created_at, updated_at FROM calls ORDER BY id",
        "SELECT id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at \
         FROM call_transcriptions ORDER BY id",
    ]
    .map(|sql| rows(connection, sql, &[]))
}

/// Every row is as it was, and every call has its name.
pub fn assert_upgraded(connection: &Connection, original: &[Vec<Value>; 2]) {
    assert_eq!(&original_rows(connection), original);
    assert_sound(connection);
    let joined = "SELECT count(*) AS turns, count(DISTINCT c.id) AS calls \
                  FROM call_transcriptions t JOIN calls c ON c.conversation_id = t.conversation_id";
    let with_turns: BTreeSet<_> = original[1]
        .iter()
        .map(|turn| turn["conversation_id"].as_str())
        .collect();
    let expected = json!({ "turns": original[1].len(), "calls": with_turns.len() });
    assert_eq!(rows(connection, joined, &[]), [expected]);

    let named = rows(
        connection,
        "SELECT id, call_sid FROM calls ORDER BY id",
        &[],
    );
    let distinct: BTreeSet<_> = named
        .iter()
        .map(|call| call["call_sid"].as_str().unwrap())
        .collect();
    assert_eq!(distinct.len(), original[0].len());
    for (id, _, _, _, call_sid) in NASTY {
        let call = named.iter().find(|call| call["id"] == id).unwrap();
        assert_eq!(call["call_sid"], call_sid, "{id}");
    }
}

/// No turn without its call, no damage.
pub fn assert_sound(connection: &Connection) {
    assert_eq!(
        rows(connection, "PRAGMA foreign_key_check", &[]),
        Vec::<Value>::new()
    );
    assert_eq!(
        rows(connection, "PRAGMA integrity_check", &[]),
        [json!({ "integrity_check": "ok" })]
    );
}
