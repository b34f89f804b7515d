//! A stand-in for `wrangler d1 execute` over a SQLite file, for the tests of the import. It keeps D1's limits: 100 kB a
//! statement, foreign keys on, a file in one transaction.
//!
//! The file `faults` beside the database names what goes wrong with each file: `ok`, `refused` (nothing is done) or `lost` (all is done, and the
//! answer is lost).

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a stand-in that breaks fails the test"
)]

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};

const LONGEST_STATEMENT: usize = 100_000;

fn main() {
    eprintln!("▲ [WARNING] Processing wrangler.toml configuration: [ {{ \"unexpected\": 1 }} ]");
    let arguments: Vec<_> = std::env::args().collect();
    let after = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag);
        at.and_then(|at| arguments.get(at + 1))
    };
    let state = PathBuf::from(after("--persist-to").unwrap());
    let connection = Connection::open(state.join("ledger.sqlite")).unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    // A crash of the machine is not what is tested.
    connection
        .pragma_update(None, "synchronous", "OFF")
        .unwrap();
    let done = match (after("--command"), after("--file")) {
        (Some(sql), None) => rows(&connection, sql),
        (None, Some(file)) => execute_file(&connection, &state, Path::new(file)),
        _ => panic!("{arguments:?}"),
    };
    match done {
        Ok(rows) => println!(
            "{}",
            json!([{ "results": rows, "success": true, "meta": {} }])
        ),
        Err(text) => {
            println!("{}", json!({ "error": { "text": text } }));
            std::process::exit(1);
        }
    }
}

fn execute_file(connection: &Connection, state: &Path, file: &Path) -> Result<Vec<Value>, String> {
    let fault = next_fault(&state.join("faults"));
    if fault == "refused" {
        return Err("Network connection lost.".to_owned());
    }
    let sql = std::fs::read_to_string(file).unwrap();
    if let Some(long) = sql
        .split(';')
        .find(|statement| statement.len() > LONGEST_STATEMENT)
    {
        return Err(format!("statement too long: {} bytes", long.len()));
    }
    let done = connection.execute_batch(&format!("BEGIN; {sql} COMMIT;"));
    if let Err(error) = done {
        connection.execute_batch("ROLLBACK").unwrap();
        return Err(error.to_string());
    }
    match fault.as_str() {
        "lost" => Err("Network connection lost.".to_owned()),
        _ => Ok(Vec::new()),
    }
}

/// The first word of the file, which is taken away.
fn next_fault(file: &Path) -> String {
    let words = std::fs::read_to_string(file).unwrap_or_default();
    let (first, rest) = words.split_once(' ').unwrap_or((&words, ""));
    std::fs::write(file, rest).unwrap();
    first.to_owned()
}

fn rows(connection: &Connection, sql: &str) -> Result<Vec<Value>, String> {
    if sql.len() > LONGEST_STATEMENT {
        return Err(format!("statement too long: {} bytes", sql.len()));
    }
    let mut statement = connection.prepare(sql).map_err(|error| error.to_string())?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([]).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(|error| error.to_string())? {
        let mut object = Map::new();
        for (at, column) in columns.iter().enumerate() {
            let value = match row.get_ref(at).unwrap() {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => number.into(),
                ValueRef::Real(number) => number.into(),
                ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap().into(),
                ValueRef::Blob(_) => panic!("{column} is a blob"),
            };
            object.insert(column.clone(), value);
        }
        found.push(Value::Object(object));
    }
    Ok(found)
}
