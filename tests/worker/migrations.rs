//! The migrations and their rollbacks on a local D1, through the scripts that people use. Every command of wrangler
//! takes seconds, so one database goes all the way in one test; the tests on the host look at each step alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::database::rows;
use crate::wrangler::{command, database_file, project, run, run_well};

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

fn migrate(state: &Path, up_to: Option<&str>) {
    let mut script = command("sh");
    script.arg("scripts/migrate.sh").env("PERSIST", state);
    if let Some(number) = up_to {
        script.env("UPTO", number);
    }
    run_well(&mut script);
}

fn rollback(state: &Path, number: &str) -> (bool, String) {
    let mut script = command("sh");
    run(script
        .arg("scripts/rollback.sh")
        .env("PERSIST", state)
        .env("MIGRATION", number))
}

fn open(state: &Path) -> Connection {
    let connection = Connection::open(database_file(state)).unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    connection
}

fn seed(state: &Path) {
    let connection = open(state);
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
fn original_rows(connection: &Connection) -> [Vec<Value>; 2] {
    [
        "SELECT id, conversation_id, driver_id, call_start_time, call_end_time, status, created_at, updated_at FROM calls ORDER BY id",
        "SELECT id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at \
         FROM call_transcriptions ORDER BY id",
    ]
    .map(|sql| rows(connection, sql, &[]))
}

/// Schema and rows of everything, but for the moments at which migrations were applied.
fn everything(connection: &Connection) -> BTreeMap<String, Vec<Value>> {
    let schema = "SELECT type, name, tbl_name, sql FROM sqlite_master \
                  WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name NOT LIKE '!_cf%' ESCAPE '!' ORDER BY type, name";
    let schema = rows(connection, schema, &[]);
    let mut everything = BTreeMap::new();
    for table in schema.iter().filter(|object| object["type"] == "table") {
        let name = table["name"].as_str().unwrap();
        let columns = if name == "d1_migrations" { "name" } else { "*" };
        let all = rows(
            connection,
            &format!("SELECT {columns} FROM \"{name}\" ORDER BY 1"),
            &[],
        );
        everything.insert(name.to_owned(), all);
    }
    everything.insert("schema".to_owned(), schema);
    everything
}

fn assert_sound(connection: &Connection) {
    assert_eq!(
        rows(connection, "PRAGMA foreign_key_check", &[]),
        Vec::<Value>::new()
    );
    assert_eq!(
        rows(connection, "PRAGMA integrity_check", &[]),
        [json!({ "integrity_check": "ok" })]
    );
}

/// Every row is as it was, and every call has its name.
fn assert_upgraded(connection: &Connection, original: &[Vec<Value>; 2]) {
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

fn numbers() -> Vec<String> {
    let files = std::fs::read_dir(project().join("migrations")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let numbers: BTreeSet<_> = names
        .filter(|name| name.ends_with(".sql"))
        .map(|name| name[..4].to_owned())
        .collect();
    numbers.into_iter().collect()
}

/// A copy of a database nobody has open.
fn copy(state: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let from = database_file(state);
    // All of it into the one file, without a log beside it.
    Connection::open(&from)
        .unwrap()
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let to = copy.path().join(from.strip_prefix(state).unwrap());
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(from, to).unwrap();
    copy
}

#[test]
fn a_database_full_of_old_calls_goes_all_the_way_up_and_down_and_up() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    let numbers = numbers();
    assert!(numbers.len() >= 5 && numbers[0] == "0000", "{numbers:?}");

    // Up, over what a ledger of the first days may hold.
    migrate(state, Some("0000"));
    seed(state);
    let original = original_rows(&open(state));
    assert!(original[0].len() == 3014 && original[1].len() > 7000);
    migrate(state, None);
    let upgraded = everything(&open(state));
    assert_upgraded(&open(state), &original);
    assert_eq!(upgraded["d1_migrations"].len(), numbers.len());

    // Down, newest first. Nothing else is accepted.
    let (success, said) = rollback(state, "0004");
    assert!(!success && said.contains("has to go first"), "{said}");
    for number in numbers.iter().skip(1).rev() {
        if number == "0004" {
            assert_that_a_call_without_conversation_stops_0004(state);
        }
        let (success, said) = rollback(state, number);
        assert!(success, "{number}: {said}");
    }
    assert_eq!(original_rows(&open(state)), original);
    assert_sound(&open(state));
    let copy = copy(state);
    let (success, said) = rollback(copy.path(), "0000");
    assert!(success, "{said}");
    let left = everything(&open(copy.path()));
    assert_eq!(
        left.into_keys().collect::<Vec<_>>(),
        ["d1_migrations", "schema"]
    );

    // And up again, to the same.
    migrate(state, None);
    assert_upgraded(&open(state), &original);
    let again = everything(&open(state));
    for (table, rows) in &upgraded {
        assert!(
            again[table] == *rows,
            "{table} is not what it was:\n{:?}",
            again["schema"]
        );
    }
}

fn assert_that_a_call_without_conversation_stops_0004(state: &Path) {
    open(state)
        .execute_batch(
            "INSERT INTO calls (call_sid, driver_id, call_start_time, status, created_at, updated_at) \
             VALUES ('EL_7_2025-11-21T10:30:00Z', 7, '2025-11-21T10:30:00.000Z', 'in_progress', \
                     '2025-11-21T10:30:00.000Z', '2025-11-21T10:30:00.000Z')",
        )
        .unwrap();
    let before = everything(&open(state));
    let (success, said) = rollback(state, "0004");
    assert!(
        !success && said.contains("NOT NULL constraint failed"),
        "{said}"
    );
    assert!(
        everything(&open(state)) == before,
        "the failed rollback changed something"
    );
    assert_sound(&open(state));
    open(state)
        .execute("DELETE FROM calls WHERE conversation_id IS NULL", [])
        .unwrap();
}
