//! The migrations and their rollbacks on a local D1, through the tools that people use. Every command of wrangler
//! takes seconds, so one database goes all the way in one test; the tests on the host look at each step alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::database::rows;
use crate::old_calls::{assert_sound, assert_upgraded, original_rows, seed};
use crate::wrangler::{command, database_file, project, run, run_well};

/// The program behind `make migrate` and `make rollback`, for the database in this folder.
pub fn tool(subcommand: &str, state: &Path) -> Command {
    let mut cargo = command("cargo");
    cargo.args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "ledger-tools",
        "--",
        subcommand,
    ]);
    cargo.env("PERSIST", state);
    cargo
}

fn migrate(state: &Path, up_to: Option<&str>) -> String {
    let mut tool = tool("migrate", state);
    if let Some(number) = up_to {
        tool.env("UPTO", number);
    }
    run_well(&mut tool)
}

fn rollback(state: &Path, number: &str) -> (bool, String) {
    run(tool("rollback", state).env("MIGRATION", number))
}

fn assert_rolls_back(state: &Path, number: &str) {
    let (success, said) = rollback(state, number);
    assert!(success, "{number}: {said}");
}

/// Applies these rollback files, one after the other, in one command.
fn rollback_files(state: &Path, numbers: &[String]) {
    let mut sql = String::new();
    for number in numbers {
        let files = std::fs::read_dir(project().join("migrations/rollback")).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        let named = |path: &PathBuf| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(number)
        };
        sql += &std::fs::read_to_string(files.find(named).unwrap()).unwrap();
    }
    let file = state.join("rollback.sql");
    std::fs::write(&file, sql).unwrap();
    let mut wrangler = command("wrangler");
    wrangler.args([
        "d1",
        "execute",
        "call-ledger",
        "--env",
        "",
        "--local",
        "--yes",
    ]);
    run_well(
        wrangler
            .arg("--persist-to")
            .arg(state)
            .arg("--file")
            .arg(&file),
    );
}

fn open(state: &Path) -> Connection {
    let connection = Connection::open(database_file(state)).unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    connection
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
    seed(&open(state));
    let original = original_rows(&open(state));
    assert!(original[0].len() == 3014 && original[1].len() > 7000);
    let said = migrate(state, None);
    assert!(said.contains("0002 named 3014 calls"), "{said}");
    let upgraded = everything(&open(state));
    assert_upgraded(&open(state), &original);
    assert_eq!(upgraded["d1_migrations"].len(), numbers.len());

    // Down, newest first; nothing else is accepted. The tool is watched at three of them: it asks wrangler three times
    // for each.
    let (newest, others) = numbers.split_last().unwrap();
    let reversed = |from: &str, to: &str| {
        let between = others
            .iter()
            .rev()
            .filter(|number| (from..=to).contains(&number.as_str()));
        between.cloned().collect::<Vec<_>>()
    };
    let (success, said) = rollback(state, "0004");
    assert!(!success && said.contains("has to go first"), "{said}");
    assert_rolls_back(state, newest);
    rollback_files(state, &reversed("0005", "9999"));
    assert_that_a_call_without_conversation_stops_0004(state);
    assert_rolls_back(state, "0004");
    rollback_files(state, &reversed("0001", "0003"));
    assert_eq!(original_rows(&open(state)), original);
    assert_sound(&open(state));
    let copy = copy(state);
    assert_rolls_back(copy.path(), "0000");
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
