//! The migrations over a database that has a past: nothing is lost, everything is named.

use std::collections::HashSet;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::migrations::{all_rows, migrate, migrated_to, newest, roll_back, rows, texts};

const CALL: &str = "INSERT INTO calls (id, conversation_id, driver_id, call_start_time, status, created_at, updated_at)";
const CALL_WITH_SID: &str = "INSERT INTO calls (id, conversation_id, driver_id, call_start_time, status, created_at, updated_at, call_sid)";
/// The columns that both tables have from the first migration on, and the turns joined to their calls.
const OLD_CALLS: &str = "SELECT id, conversation_id, driver_id, call_start_time, call_end_time, status, \
    created_at, updated_at FROM calls ORDER BY id";
const OLD_TURNS: &str = "SELECT t.id, c.id, t.conversation_id, speaker_type, message_text, timestamp, \
    sequence_number, t.created_at FROM call_transcriptions t \
    JOIN calls c ON c.conversation_id = t.conversation_id ORDER BY t.id";

/// A database under the first migration with 3000 ordinary calls of three turns each, and calls
/// as they should not be.
fn old_database() -> Connection {
    let connection = migrated_to(0);
    let many = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
         {CALL} SELECT i * 3, 'conv_' || i, 1 + i % 7, '2025-01-01T00:00:00Z', \
           CASE i % 3 WHEN 0 THEN 'completed' WHEN 1 THEN 'failed' ELSE 'in_progress' END, \
           strftime('%Y-%m-%dT%H:%M:%S.000Z', 1735689600 + i / 20, 'unixepoch'), '2025-01-01T00:00:00Z' FROM n"
    );
    connection
        .execute_batch(
            &many
                .replacen(CALL, "", 1)
                .replacen("WITH", &format!("{CALL} WITH"), 1),
        )
        .unwrap();
    let odd = [
        (10_001, "7", "2025-11-21 10:30:00"),
        (10_002, "7", "2025-11-21T10:30:00Z"),
        (10_003, "7", "2025-11-21T10:30:00.999Z"),
        (10_004, "7", "2025-11-21T12:30:00+02:00"),
        (10_005, "NULL", "2025-11-21T10:30:00Z"),
        (10_006, "NULL", "2025-11-21T10:30:00Z"),
        (10_007, "NULL", "2025-11-21T10:30:00Z"),
        (10_008, "8", "2025-11-21"),
        (10_009, "8", "yesterday"),
        (10_010, "8", ""),
        (10_011, "9007199254740991", "2025-11-21T10:30:00Z"),
        (10_012, "0", "1969-12-31T23:59:59Z"),
    ];
    for (id, driver, created_at) in odd {
        let start = "2025-02-03T04:05:06Z";
        let call = format!(
            "{CALL} VALUES ({id}, 'odd_{id}', {driver}, '{start}', 'failed', '{created_at}', '')"
        );
        connection.execute_batch(&call).unwrap();
    }
    connection
        .execute_batch(&format!(
            "{CALL} VALUES (10_013, 'odd_13', 8, 'never', 'failed', 'never', '')"
        ))
        .unwrap();
    connection
        .execute_batch(
            "INSERT INTO call_transcriptions \
               (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
             SELECT conversation_id, CASE n % 2 WHEN 1 THEN 'agent' ELSE 'driver' END, \
               'turn ' || n || ' of ' || conversation_id || ' 😀', '2025-01-01T00:00:0' || n || 'Z', n, '' \
             FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3), calls WHERE true",
        )
        .unwrap();
    connection
}

/// `EL_{driver or UNKNOWN}_{seconds}`, with `_{id}` behind it where that was taken.
fn is_documented(call_sid: &str, id: i64) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = call_sid.split('_').collect();
    match parts[..] {
        ["EL", driver, seconds, ref rest @ ..] => {
            (digits(driver) || driver == "UNKNOWN")
                && digits(seconds.strip_prefix('-').unwrap_or(seconds))
                && (rest.is_empty() || rest == [id.to_string()])
        }
        _ => false,
    }
}

fn sid_of(connection: &Connection, id: i64) -> String {
    texts(
        connection,
        &format!("SELECT call_sid FROM calls WHERE id = {id}"),
    )
    .remove(0)
}

#[test]
fn every_call_and_every_turn_comes_through_all_migrations() {
    let connection = old_database();
    let before = (rows(&connection, OLD_CALLS), rows(&connection, OLD_TURNS));
    assert_eq!((before.0.len(), before.1.len()), (3013, 9039));
    for number in 1..=newest() {
        migrate(&connection, number, number);
        assert_eq!(
            (rows(&connection, OLD_CALLS), rows(&connection, OLD_TURNS)),
            before,
            "{number}"
        );
        assert_eq!(rows(&connection, "PRAGMA foreign_key_check").len(), 0);
        assert_eq!(texts(&connection, "PRAGMA integrity_check"), ["ok"]);
    }
}

#[test]
fn every_call_gets_the_documented_name_and_no_other_has_it() {
    let connection = old_database();
    migrate(&connection, 1, newest());
    let mut seen = HashSet::new();
    for row in rows(&connection, "SELECT id, call_sid FROM calls") {
        let [Value::Integer(id), Value::Text(call_sid)] = &row[..] else {
            panic!("{row:?}")
        };
        assert!(is_documented(call_sid, *id), "{id}: {call_sid}");
        assert!(seen.insert(call_sid.clone()), "{call_sid} twice");
    }
    assert_eq!(seen.len(), 3013);
}

#[test]
fn the_first_of_several_in_one_second_has_the_bare_name() {
    let connection = old_database();
    migrate(&connection, 1, newest());
    for (id, call_sid) in [
        (10_001, "EL_7_1763721000"),
        (10_002, "EL_7_1763721000_10002"),
        (10_003, "EL_7_1763721000_10003"),
        (10_004, "EL_7_1763721000_10004"),
        (10_005, "EL_UNKNOWN_1763721000"),
        (10_006, "EL_UNKNOWN_1763721000_10006"),
        (10_007, "EL_UNKNOWN_1763721000_10007"),
        (10_008, "EL_8_1763683200"),
        // What cannot be read gives way to the start of the call, and that to 0.
        (10_009, "EL_8_1738555506"),
        (10_010, "EL_8_1738555506_10010"),
        (10_013, "EL_8_0"),
        (10_011, "EL_9007199254740991_1763721000"),
        (10_012, "EL_0_-1"),
    ] {
        assert_eq!(sid_of(&connection, id), call_sid);
    }
}

#[test]
fn down_to_the_first_migration_and_up_again_is_the_same_rows() {
    let connection = old_database();
    let old = all_rows(&connection);
    migrate(&connection, 1, newest());
    let migrated = all_rows(&connection);
    for number in (1..=newest()).rev() {
        roll_back(&connection, number).unwrap();
        assert_eq!(rows(&connection, "PRAGMA foreign_key_check").len(), 0);
    }
    assert_eq!(all_rows(&connection), old);
    migrate(&connection, 1, newest());
    assert_eq!(all_rows(&connection), migrated);
}

#[test]
fn names_that_newer_code_wrote_meanwhile_stay_and_are_not_given_again() {
    let connection = migrated_to(1);
    let call = |id: u32, sid: &str| {
        format!("({id}, 'c{id}', 7, '', 'failed', '2025-11-21T10:30:00Z', '', {sid})")
    };
    let calls = [
        call(1, "NULL"),
        call(2, "'EL_7_1763721000'"),
        call(3, "'EL_7_2025-11-21T10:30:00Z'"),
    ]
    .join(", ");
    connection
        .execute_batch(&format!("{CALL_WITH_SID} VALUES {calls}"))
        .unwrap();
    migrate(&connection, 2, 2);
    let named = [
        "EL_7_1763721000_1",
        "EL_7_1763721000",
        "EL_7_2025-11-21T10:30:00Z",
    ];
    assert_eq!(
        texts(&connection, "SELECT call_sid FROM calls ORDER BY id"),
        named
    );
    // A call that older code recorded after the backfill is named by the next migration.
    connection
        .execute_batch(&format!("{CALL_WITH_SID} VALUES {}", call(4, "NULL")))
        .unwrap();
    migrate(&connection, 3, newest());
    assert_eq!(sid_of(&connection, 4), "EL_7_1763721000_4");
    let kept = texts(
        &connection,
        "SELECT call_sid FROM calls WHERE id < 4 ORDER BY id",
    );
    assert_eq!(kept, named);
}

/// Calls 1 to 3 of one driver in one second, without names, and others that have the names they would get.
fn with_taken_names() -> Connection {
    let connection = migrated_to(1);
    let call = |(id, sid): (u32, &str)| {
        let sid = if sid.is_empty() {
            "NULL".to_owned()
        } else {
            format!("'{sid}'")
        };
        format!("({id}, 'c{id}', 7, '', 'failed', '2025-11-21T10:30:00Z', '', {sid})")
    };
    let calls = [
        (1, ""),
        (2, ""),
        (3, ""),
        (4, "EL_7_1763721000_2"),
        (5, "EL_7_1763721000_2_2"),
        (6, "EL_7_1763721000_3"),
    ];
    let calls = calls.map(call).join(", ");
    connection
        .execute_batch(&format!("{CALL_WITH_SID} VALUES {calls}"))
        .unwrap();
    connection
}

#[test]
fn a_name_that_is_taken_is_never_given_even_if_it_ends_with_an_id() {
    let named = [
        "EL_7_1763721000",
        "EL_7_1763721000_2_3",
        "EL_7_1763721000_3_2",
        "EL_7_1763721000_2",
        "EL_7_1763721000_2_2",
        "EL_7_1763721000_3",
    ];
    let sids =
        |connection: &Connection| texts(connection, "SELECT call_sid FROM calls ORDER BY id");
    let connection = with_taken_names();
    migrate(&connection, 2, newest());
    assert_eq!(sids(&connection), named);
    // 0003 gives names by the same rule.
    let connection = with_taken_names();
    let skipped = "INSERT INTO d1_migrations (name) VALUES ('0002_backfill_call_sid.sql')";
    connection.execute_batch(skipped).unwrap();
    migrate(&connection, 3, newest());
    assert_eq!(sids(&connection), named);
}

#[test]
fn undoing_the_backfill_also_takes_back_names_that_had_to_give_way() {
    let connection = with_taken_names();
    let before = all_rows(&connection);
    migrate(&connection, 2, 2);
    roll_back(&connection, 2).unwrap();
    assert_eq!(all_rows(&connection), before);
}

#[test]
fn undoing_the_backfill_takes_back_only_its_own_names() {
    let connection = migrated_to(1);
    let call = |id: u32, sid: &str| {
        format!("({id}, 'c{id}', 7, '', 'failed', '2025-11-21T10:30:00Z', '', {sid})")
    };
    let calls = [
        call(1, "NULL"),
        call(2, "NULL"),
        call(3, "'EL_7_2025-11-21T10:30:00Z'"),
    ]
    .join(", ");
    connection
        .execute_batch(&format!("{CALL_WITH_SID} VALUES {calls}"))
        .unwrap();
    let before = all_rows(&connection);
    migrate(&connection, 2, 2);
    roll_back(&connection, 2).unwrap();
    assert_eq!(all_rows(&connection), before);
}

/// A database at 0004 with one call that has a conversation and a turn, and one that has none.
fn with_a_call_without_conversation() -> Connection {
    let connection = migrated_to(4);
    let calls = "(1, 'conv_1', 7, '', 'completed', '', '', 'EL_7_1'), (2, NULL, 8, '', 'in_progress', '', '', 'EL_8_1')";
    connection
        .execute_batch(&format!("{CALL_WITH_SID} VALUES {calls}"))
        .unwrap();
    connection
        .execute_batch(
            "INSERT INTO call_transcriptions VALUES (1, 'conv_1', 'agent', 'Hello', '', 1, '')",
        )
        .unwrap();
    connection
}

#[test]
fn conversations_stay_optional_while_a_call_has_none() {
    let connection = with_a_call_without_conversation();
    let state = |connection: &Connection| {
        let schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name";
        (
            all_rows(connection),
            rows(connection, schema),
            rows(connection, "SELECT * FROM d1_migrations"),
        )
    };
    let before = state(&connection);
    let error = roll_back(&connection, 4).unwrap_err().to_string();
    assert!(
        error.contains("NOT NULL constraint failed: call_transcriptions.conversation_id"),
        "{error}"
    );
    assert_eq!(state(&connection), before);
}

#[test]
fn the_clean_up_that_the_rollback_describes_lets_it_through_and_loses_nothing() {
    let connection = with_a_call_without_conversation();
    let before = all_rows(&connection);
    connection
        .execute_batch(
            "UPDATE calls SET conversation_id = 'none:' || call_sid WHERE conversation_id IS NULL",
        )
        .unwrap();
    roll_back(&connection, 4).unwrap();
    migrate(&connection, 4, 4);
    connection
        .execute_batch(
            "UPDATE calls SET conversation_id = NULL WHERE conversation_id = 'none:' || call_sid",
        )
        .unwrap();
    assert_eq!(all_rows(&connection), before);
}
