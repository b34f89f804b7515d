//! The migration files and their rollbacks, executed by SQLite one transaction each.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;
use sha2::{Digest, Sha256};

use crate::support::sqlite::{apply, migrations, rollbacks};

/// SHA-256 of every migration, as `sha256sum *.sql` prints it in their folder. A file that a
/// database may have applied never changes: that database would not notice, and would differ
/// from a new one. What is wrong with one is mended by a new migration, whose line is added here.
const HASHES: &str = "\
a61ba8a6d9439ea412cebb660742b8e03b32531841a4c8f69a2b6e84be14e34f  0000_create_calls_and_transcriptions.sql
b6f6f815350283028dc87c9b9ac9a043ae4a1491a6e3c048c48f8571e15fc007  0001_add_call_sid_column.sql
55f7cf9b733c9e4eb8f9ed9c3bf3746fba0b1c3e5ca31f89542578681a9d8d6e  0002_backfill_call_sid.sql
5415e16873aeec85ebd660b925e6cad0e77c46e47a290b00dd9705969f6ec611  0003_add_call_sid_constraints.sql
c608c75ae9373746a3942c2dc0bdce274c28644d1931a19d7baf60febf58845f  0004_make_conversation_id_nullable.sql
ccdb2eada19893b775037d81462e3fcefb04e737ab1e4af43caae81ded20d685  0005_add_dial_and_outcome.sql
7f829cca8431fd1e3bb76c37a8f241aed577f856a1ff654ad6dd0f27f1f5ca22  0006_add_settlement.sql
dec5e4189a94148aaaa29b347f2559b90b1510b69a1bfcdc896e1612a6267590  0007_add_reading_indexes.sql
d5c5fb6f53a9f701e147417581f14ca14f0f6b0298a68a6df05c229a7a1d7c1a  0008_add_retention_progress.sql
9633d96d9a02b734477aed490f3d77a36560347a4a0d2e0944868d5814cb31b6  0009_add_conversation_claimed.sql
e4148ff67c4ee48b94bbddaf6e2da55deaeb1dcd6801759847c791267ef35ff7  0010_write_one_row_a_turn.sql
e5714bc2d3ca47ecd646bf63299cdfb809ba669ef61200596b44881b711826a0  0011_add_payload_in_bucket.sql
23beb6712f3a5ecb7c0aedb510abc1d8453d4c104bc86412c85c3e1019e59d50  0012_add_settling.sql
";

/// An empty database that keeps foreign keys, as D1 does.
pub fn empty() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    connection
}

/// A database with the migrations up to this number.
pub fn migrated_to(number: usize) -> Connection {
    let connection = empty();
    migrate(&connection, 0, number);
    connection
}

/// Applies the migrations from one number to another, both included.
pub fn migrate(connection: &Connection, from: usize, to: usize) {
    for file in &migrations()[from..=to] {
        apply(connection, file);
    }
}

/// The number of the newest migration.
pub fn newest() -> usize {
    migrations().len() - 1
}

/// Executes a rollback file as wrangler does: all of it or nothing.
pub fn roll_back(connection: &Connection, number: usize) -> rusqlite::Result<()> {
    let sql = std::fs::read_to_string(&rollbacks()[number]).unwrap();
    let done = connection.execute_batch(&format!("BEGIN; {sql}; COMMIT;"));
    if done.is_err() {
        connection.execute_batch("ROLLBACK").unwrap();
    }
    done
}

/// All rows of a query.
pub fn rows(connection: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..columns).map(|column| row.get(column)).collect()
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// A query's first column as texts.
pub fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let text = |row: Vec<Value>| match row.into_iter().next() {
        Some(Value::Text(text)) => text,
        other => panic!("{sql}: {other:?}"),
    };
    rows(connection, sql).into_iter().map(text).collect()
}

/// Every table and index with its SQL, without what a rename or an added column leaves different:
/// quotes and white space.
pub fn schema(connection: &Connection) -> Vec<String> {
    let sql = "SELECT type || ' ' || name || ': ' || sql FROM sqlite_schema \
        WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name <> 'd1_migrations' ORDER BY type, name";
    let bare = |sql: String| {
        sql.chars()
            .filter(|c| !c.is_whitespace() && *c != '"')
            .collect()
    };
    texts(connection, sql).into_iter().map(bare).collect()
}

/// All rows of both tables of the first migration.
pub fn all_rows(connection: &Connection) -> [Vec<Vec<Value>>; 2] {
    ["calls", "call_transcriptions"]
        .map(|table| rows(connection, &format!("SELECT * FROM {table} ORDER BY id")))
}

fn applied(connection: &Connection) -> Vec<String> {
    texts(connection, "SELECT name FROM d1_migrations ORDER BY name")
}

fn name(file: &Path) -> String {
    file.file_name().unwrap().to_str().unwrap().to_owned()
}

fn hash(file: &Path) -> String {
    let digest = Sha256::digest(std::fs::read(file).unwrap());
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn a_migration_never_changes() {
    let line = |file: &PathBuf| format!("{}  {}\n", hash(file), name(file));
    let found: String = migrations().iter().map(line).collect();
    for line in HASHES.lines() {
        assert!(found.contains(line), "changed or gone: {line}");
    }
    assert_eq!(found, HASHES, "a new migration's line is missing in HASHES");
}

#[test]
fn migrations_are_numbered_without_gap() {
    for (number, file) in migrations().iter().enumerate() {
        assert!(
            name(file).starts_with(&format!("{number:04}_")),
            "{}",
            name(file)
        );
    }
}

#[test]
fn every_migration_has_a_rollback_of_its_name() {
    let names = |files: Vec<PathBuf>| files.iter().map(|file| name(file)).collect::<Vec<_>>();
    assert_eq!(names(rollbacks()), names(migrations()));
}

#[test]
fn no_file_holds_what_d1_refuses_or_ignores() {
    for file in migrations().into_iter().chain(rollbacks()) {
        let sql = std::fs::read_to_string(&file).unwrap();
        let code: String = sql
            .lines()
            .map(|line| line.split("--").next().unwrap().to_uppercase() + "\n")
            .collect();
        for word in [
            "BEGIN",
            "COMMIT",
            "PRAGMA",
            "TRIGGER",
            "TEMP",
            "VACUUM",
            "ALTER COLUMN",
            "CASCADE",
            "AUTOINCREMENT",
        ] {
            assert!(!code.contains(word), "{}: {word}", file.display());
        }
    }
}

#[test]
fn up_down_and_up_again_is_the_same_schema() {
    let connection = migrated_to(newest());
    let first = schema(&connection);
    for number in (0..=newest()).rev() {
        roll_back(&connection, number).unwrap();
    }
    assert_eq!(schema(&connection), [""; 0]);
    assert_eq!(applied(&connection), [""; 0]);
    migrate(&connection, 0, newest());
    assert_eq!(schema(&connection), first);
}

#[test]
fn each_rollback_undoes_exactly_its_own_migration() {
    for number in 1..=newest() {
        let before = migrated_to(number - 1);
        let after = migrated_to(number);
        roll_back(&after, number).unwrap();
        assert_eq!(schema(&after), schema(&before), "{number}");
        assert_eq!(applied(&after), applied(&before), "{number}");
    }
}

#[test]
fn a_rollback_out_of_order_is_refused_and_changes_nothing() {
    for applied_to in 1..=newest() {
        let connection = migrated_to(applied_to);
        let before = (schema(&connection), applied(&connection));
        for number in 0..applied_to {
            let error = roll_back(&connection, number).unwrap_err().to_string();
            assert!(
                error.contains("UNIQUE constraint failed: d1_migrations"),
                "{number}: {error}"
            );
        }
        assert_eq!((schema(&connection), applied(&connection)), before);
    }
}

#[test]
fn the_names_and_indexes_of_call_sid_are_there() {
    let connection = migrated_to(newest());
    let index = |name: &str| {
        let columns = format!("SELECT name FROM pragma_index_info('{name}') ORDER BY seqno");
        texts(&connection, &columns)
    };
    assert_eq!(index("idx_calls_call_sid"), ["call_sid"]);
    assert_eq!(index("idx_calls_call_sid_status"), ["call_sid", "status"]);
    let calls = &texts(
        &connection,
        "SELECT sql FROM sqlite_schema WHERE name = 'calls'",
    )[0];
    assert!(
        calls.contains("CONSTRAINT uq_calls_call_sid UNIQUE (call_sid)"),
        "{calls}"
    );
    let nullable = "SELECT name FROM pragma_table_info('calls') \
        WHERE name IN ('call_sid', 'conversation_id') AND \"notnull\" = 0";
    assert_eq!(texts(&connection, nullable), ["conversation_id"]);
}

#[test]
fn the_turns_table_keeps_its_structure_through_the_rebuilds() {
    let of = |connection: &Connection| {
        schema(connection)
            .into_iter()
            .find(|sql| sql.starts_with("tablecall_transcriptions"))
    };
    let first = of(&migrated_to(0));
    for number in 1..=4 {
        assert_eq!(of(&migrated_to(number)), first);
    }
}

#[test]
fn a_call_with_turns_cannot_be_deleted() {
    let connection = migrated_to(newest());
    let call = "INSERT INTO calls (call_sid, conversation_id, call_start_time, status, created_at, updated_at) \
        VALUES ('EL_7_1', 'conv_7', '', 'in_progress', '', '')";
    let turn = "INSERT INTO call_transcriptions \
        (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
        VALUES ('conv_7', 'agent', 'Hello', '', 1, '')";
    connection
        .execute_batch(&format!("{call}; {turn}"))
        .unwrap();
    assert!(connection.execute_batch("DELETE FROM calls").is_err());
    assert!(
        connection
            .execute_batch("UPDATE calls SET conversation_id = 'conv_8'")
            .is_err()
    );
    assert!(
        connection.execute_batch(turn).is_err(),
        "a number is given once"
    );
}
