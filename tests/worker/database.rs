//! The server's database: read past the server, changed through it.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value, json};

use crate::ledger::Ledger;
use crate::wrangler::{PATIENCE, database_id};

impl Ledger {
    /// The rows of a query, read past the worker and wrangler: only what is committed.
    pub fn rows(&self, sql: &str, params: &[&str]) -> Vec<Value> {
        rows(
            &self.connection(OpenFlags::SQLITE_OPEN_READ_ONLY),
            sql,
            params,
        )
    }

    /// The call's row; `None` when there is none.
    pub fn call(&self, call_sid: &str) -> Option<Value> {
        self.rows("SELECT * FROM calls WHERE call_sid = ?1", &[call_sid])
            .pop()
    }

    /// The turns of a conversation in order.
    pub fn turns(&self, conversation_id: &str) -> Vec<Value> {
        let sql = "SELECT * FROM call_transcriptions WHERE conversation_id = ?1 ORDER BY sequence_number, id";
        self.rows(sql, &[conversation_id])
    }

    /// Changes the database through the server, which so keeps its hold on the file: a second writer could lock it out.
    pub async fn execute(&self, sql: &str) {
        let path = format!("/cdn-cgi/explorer/api/d1/database/{}/raw", database_id());
        let reply = self
            .http
            .post(&path)
            .header("content-type", "application/json")
            .json(&json!({ "sql": sql }))
            .send()
            .await;
        assert!(
            reply.status == 200 && reply.body["success"] == true,
            "{sql}: {}",
            reply.text
        );
    }

    /// A conversation on record that no simulator knows of: its `call_sid` and `conversation_id`.
    pub async fn seed_call(&self) -> (String, String) {
        let driver = self.driver();
        let (call_sid, conversation_id) = (
            format!("EL_{driver}_1763721000"),
            format!("conv_seeded_{driver}"),
        );
        self.execute(&format!(
            "INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, created_at, updated_at) \
             VALUES ('{call_sid}', '{conversation_id}', {driver}, strftime('%Y-%m-%dT%H:%M:%fZ'), 'in_progress', \
                     '2025-11-21 10:30:00', '2025-11-21 10:30:00')"
        ))
        .await;
        (call_sid, conversation_id)
    }

    /// A connection for whatever else a test is up to.
    pub fn connection(&self, flags: OpenFlags) -> Connection {
        let connection = Connection::open_with_flags(&self.database, flags).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }
}

/// The rows of a query as JSON objects.
pub fn rows(connection: &Connection, sql: &str, params: &[&str]) -> Vec<Value> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let found = statement.query_map(rusqlite::params_from_iter(params), |row| {
        let mut object = Map::new();
        for (index, column) in columns.iter().enumerate() {
            let value = match row.get_ref(index)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => number.into(),
                ValueRef::Real(number) => number.into(),
                ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap().into(),
                ValueRef::Blob(_) => panic!("the ledger stores no blobs"),
            };
            object.insert(column.clone(), value);
        }
        Ok(Value::Object(object))
    });
    found.unwrap().map(Result::unwrap).collect()
}
