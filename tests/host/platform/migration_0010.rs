//! Migration 0010, which builds the table of turns anew: every row comes along, in both directions.

use call_ledger::model::transcription_id;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::migrations::{migrate, migrated_to, roll_back, rows, schema, texts};
use crate::support::sqlite::project;

const TURNS: &str = "SELECT id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at, \
    origin, original_text FROM call_transcriptions ORDER BY conversation_id, sequence_number";

/// A database under 0009 with 300 calls of one to seven turns, of every kind.
fn before() -> Connection {
    let connection = migrated_to(9);
    connection
        .execute_batch(
            "CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT i FROM n; \
             INSERT INTO calls (id, call_sid, conversation_id, call_start_time, status, transcript_revision, created_at, updated_at) \
             SELECT i * 2, 'EL_' || i, CASE WHEN i % 50 THEN 'conv_' || (i * 7919 % 1000) END, '', 'completed', i % 3, \
               strftime('%Y-%m-%dT%H:%M:%fZ', 1763721000 + i * 60, 'unixepoch'), '' FROM n; \
             INSERT INTO call_transcriptions (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at, \
               origin, original_text) \
             SELECT c.conversation_id, CASE t.i % 2 WHEN 0 THEN 'driver' ELSE 'agent' END, 'turn 😀 ' || t.i, c.created_at, t.i, \
               c.created_at, CASE c.id % 3 WHEN 0 THEN 'posted' WHEN 1 THEN 'transcript' ELSE 'unreported' END, \
               CASE WHEN t.i % 4 = 0 THEN 'meant' END \
             FROM n t JOIN calls c ON c.conversation_id IS NOT NULL AND t.i <= 1 + c.id % 7 ORDER BY t.i, c.id; \
             DELETE FROM call_transcriptions WHERE id % 11 = 0 AND sequence_number > 6; \
             DROP TABLE n",
        )
        .unwrap();
    connection
}

fn count(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// What the document says to do with millions of turns, before the migration. Also for `measure.rs`.
pub fn move_turns(connection: &Connection) {
    let text = std::fs::read_to_string(project().join("docs/deploying.md")).unwrap();
    let (_, section) = text
        .split_once("## Migration 0010 with millions of turns")
        .unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks: Vec<_> = section
        .split("```sql\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap())
        .collect();
    let [prepare, step, finish] = blocks[..] else {
        panic!("{blocks:?}");
    };
    let all_or_nothing = |sql: &str| {
        connection
            .execute_batch(&format!("BEGIN; {sql}; COMMIT"))
            .unwrap();
    };
    all_or_nothing(prepare);
    // No turn can be stored meanwhile.
    let turn = "INSERT INTO call_transcriptions (conversation_id, speaker_type, message_text, timestamp, \
        sequence_number, created_at) VALUES ('conv_1', 'agent', 'x', '', 99, '')";
    assert!(connection.execute_batch(turn).is_err());
    let mut steps = 0;
    while count(
        connection,
        "SELECT EXISTS (SELECT 1 FROM call_transcriptions_moving)",
    ) == 1
    {
        all_or_nothing(step);
        steps += 1;
        assert!(steps < 1_000);
    }
    all_or_nothing(finish);
    assert!(connection.execute_batch(turn).is_err());
}

#[test]
fn every_turn_comes_along_and_back_and_again() {
    let connection = before();
    let turns = rows(&connection, TURNS);
    assert!(turns.len() > 1_000, "{}", turns.len());
    for _ in 0..2 {
        migrate(&connection, 10, 10);
        assert_eq!(rows(&connection, TURNS), turns);
        assert_eq!(rows(&connection, "PRAGMA foreign_key_check").len(), 0);
        assert_eq!(texts(&connection, "PRAGMA integrity_check"), ["ok"]);
        assert_eq!(
            count(&connection, "SELECT SUM(turns_removed) FROM calls"),
            0
        );
        roll_back(&connection, 10).unwrap();
        assert_eq!(rows(&connection, TURNS), turns);
    }
}

#[test]
fn turns_that_were_moved_in_parts_before_end_the_same() {
    let (at_once, in_parts) = (before(), before());
    migrate(&at_once, 10, 10);
    move_turns(&in_parts);
    migrate(&in_parts, 10, 10);
    assert_eq!(rows(&in_parts, TURNS), rows(&at_once, TURNS));
    assert_eq!(schema(&in_parts), schema(&at_once));
    assert_eq!(rows(&in_parts, "PRAGMA foreign_key_check").len(), 0);
}

#[test]
fn what_the_table_refuses_is_what_it_refused_before() {
    let connection = before();
    migrate(&connection, 10, 10);
    let turn = |values: &str| {
        let sql = format!(
            "INSERT INTO call_transcriptions (conversation_id, speaker_type, message_text, timestamp, sequence_number, \
             created_at, origin) VALUES ({values})"
        );
        connection
            .execute_batch(&sql)
            .map_err(|error| error.to_string())
    };
    let known = texts(
        &connection,
        "SELECT conversation_id FROM calls WHERE conversation_id IS NOT NULL LIMIT 1",
    );
    let known = &known[0];
    for (values, refusal) in [
        (
            format!("'{known}', 'agent', 'Hello', '', 1, '', 'posted'"),
            "UNIQUE constraint failed",
        ),
        (
            format!("'{known}', 'robot', 'Hello', '', 99, '', 'posted'"),
            "CHECK constraint failed",
        ),
        (
            format!("'{known}', 'agent', 'Hello', '', 99, '', 'guessed'"),
            "CHECK constraint failed",
        ),
        (
            format!("'{known}', 'agent', NULL, '', 99, '', 'posted'"),
            "NOT NULL constraint failed",
        ),
        (
            "'nobody', 'agent', 'Hello', '', 1, '', 'posted'".to_owned(),
            "FOREIGN KEY constraint failed",
        ),
        (
            "NULL, 'agent', 'Hello', '', 1, '', 'posted'".to_owned(),
            "NOT NULL constraint failed",
        ),
    ] {
        let error = turn(&values).unwrap_err();
        assert!(error.contains(refusal), "{values}: {error}");
    }
    // Code from before stores turns without an id, and each gets one.
    for number in 100..200 {
        turn(&format!(
            "'{known}', 'agent', 'Hello', '', {number}, '', 'posted'"
        ))
        .unwrap();
    }
    assert_eq!(
        count(
            &connection,
            "SELECT COUNT(*) - COUNT(DISTINCT id) FROM call_transcriptions"
        ),
        0
    );
    let range = "SELECT COUNT(*) FROM call_transcriptions WHERE id >= 1 << 52 AND id < 1 << 53";
    assert_eq!(count(&connection, range), 100);
}

#[test]
fn ids_of_the_new_kind_are_not_given_again_after_a_rollback() {
    let connection = before();
    migrate(&connection, 10, 10);
    let turn = |id: i64, number: i64| {
        format!(
            "INSERT INTO call_transcriptions (id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
             SELECT {id}, conversation_id, 'agent', 'Hello', '', {number}, '' FROM calls WHERE id = 2"
        )
    };
    // Call 2 has three turns with old ids, two new ones, and the last of them has moved up after a removal.
    let there = count(
        &connection,
        "SELECT COUNT(*) FROM call_transcriptions t JOIN calls c USING (conversation_id) WHERE c.id = 2",
    );
    let (first, second) = (
        transcription_id(2, there + 1),
        transcription_id(2, there + 4),
    );
    connection.execute_batch(&turn(first, there + 1)).unwrap();
    connection.execute_batch(&turn(second, there + 2)).unwrap();
    roll_back(&connection, 10).unwrap();
    migrate(&connection, 10, 10);
    // All that the call ever had: those that are there and those that were removed.
    let removed = "SELECT turns_removed FROM calls WHERE id = 2";
    assert_eq!(count(&connection, removed) + there + 2, there + 4);
    assert_eq!(
        count(&connection, "SELECT SUM(turns_removed) FROM calls"),
        2
    );
}

#[test]
fn retention_goes_on_where_it_stood() {
    let marks = |cleared_to: Option<i64>| {
        let connection = before();
        if let Some(id) = cleared_to {
            let row =
                format!("INSERT INTO retention_progress VALUES ('call_transcriptions', {id})");
            connection.execute_batch(&row).unwrap();
        }
        migrate(&connection, 10, 10);
        let passed = rows(
            &connection,
            "SELECT cleared_to_id FROM retention_progress WHERE table_name = 'turns_of_calls'",
        );
        let passed = match passed.first().map(Vec::as_slice) {
            Some([Value::Integer(id)]) => Some(*id),
            _ => None,
        };
        // Every turn after the last cleared one is of a call that is still to come, or marked.
        let forgotten = format!(
            "SELECT COUNT(*) FROM call_transcriptions t JOIN calls c USING (conversation_id) \
             WHERE t.id > {} AND c.id <= {} AND (c.turns_due_at IS NULL OR c.turns_due_at > t.created_at)",
            cleared_to.unwrap_or(0),
            passed.unwrap_or(0)
        );
        assert_eq!(count(&connection, &forgotten), 0);
        let marked = count(
            &connection,
            "SELECT COUNT(*) FROM calls WHERE turns_due_at IS NOT NULL",
        );
        (passed, marked)
    };
    assert_eq!(marks(None), (None, 0));
    assert_eq!(marks(Some(0)), (None, 0));
    let (passed, marked) = marks(Some(400));
    assert!(passed.is_some() && marked > 0, "{passed:?}, {marked}");
    // All are cleared: no call is marked.
    assert_eq!(marks(Some(1_000_000)).1, 0);
}
