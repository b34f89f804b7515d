//! SQLite with the product's own migration files, as the ledger's database.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use call_ledger::store::{Database, DatabaseError, Param, ResultSet, Statement};
use rusqlite::backup::Backup;
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, StatementStatus, params_from_iter};
use serde_json::{Map, Value};

use super::bucket::MemoryBucket;

fn migrated() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    for file in migrations() {
        apply(&connection, &file);
    }
    connection
}

/// What goes wrong with one round trip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: this round trip goes well, a later one does not.
    None,
    /// Nothing is executed.
    Refused(&'static str),
    /// Everything is executed and committed, but the answer is lost.
    AnswerLost(&'static str),
}

/// The message of a transient error, as D1 words it.
pub const TRANSIENT: &str = "D1_ERROR: Network connection lost.";

/// A SQLite database, in memory, under the ledger's schema.
pub struct Sqlite {
    connection: RefCell<Connection>,
    faults: RefCell<VecDeque<Fault>>,
    steps: Cell<i64>,
    round_trips: Cell<u32>,
    sent: Cell<usize>,
    statements: RefCell<Vec<Statement>>,
    /// What is in it stays there while it is not bound.
    pub bucket: MemoryBucket,
    bound: Cell<bool>,
}

impl Sqlite {
    /// A new database with all migrations applied.
    pub fn new() -> Self {
        // Migrated once for the whole binary: each test runs in a thread of its own.
        static MIGRATED: LazyLock<Mutex<Connection>> = LazyLock::new(|| Mutex::new(migrated()));
        let mut connection = Connection::open_in_memory().unwrap();
        {
            let migrated = MIGRATED.lock().unwrap();
            let copy = Backup::new(&migrated, &mut connection).unwrap();
            copy.run_to_completion(1000, Duration::ZERO, None).unwrap();
        }
        connection
            .pragma_update(None, "foreign_keys", true)
            .unwrap();
        Self::over(connection)
    }

    pub fn over(connection: Connection) -> Self {
        // More than there are statements, so that none is prepared twice.
        connection.set_prepared_statement_cache_capacity(256);
        Self {
            connection: RefCell::new(connection),
            faults: RefCell::default(),
            steps: Cell::default(),
            round_trips: Cell::default(),
            sent: Cell::default(),
            statements: RefCell::default(),
            bucket: MemoryBucket::default(),
            bound: Cell::default(),
        }
    }

    /// Binds the bucket, or unbinds it. It is not bound at first.
    pub fn bind_bucket(&self, bound: bool) {
        self.bound.set(bound);
    }

    /// The next round trips go wrong in these ways, one each.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.borrow_mut().extend(faults);
    }

    /// How many faults have not happened yet.
    pub fn faults_left(&self) -> usize {
        self.faults.borrow().len()
    }

    /// From now on nothing goes wrong.
    pub fn clear_faults(&self) {
        self.faults.borrow_mut().clear();
    }

    /// Steps of SQLite's virtual machine since the last call of this: what the work cost.
    pub fn take_steps(&self) -> i64 {
        self.steps.take()
    }

    pub fn round_trips(&self) -> u32 {
        self.round_trips.get()
    }

    /// How many statements the ledger has sent.
    pub fn sent(&self) -> usize {
        self.sent.get()
    }

    /// Executes SQL past the ledger.
    pub fn execute(&self, sql: &str) {
        self.connection.borrow().execute_batch(sql).unwrap();
    }

    /// The rows of a query past the ledger, as JSON objects.
    pub fn query(&self, sql: &str) -> Vec<Value> {
        let connection = self.connection.borrow();
        let mut statement = connection.prepare_cached(sql).unwrap();
        rows(&mut statement, &[]).unwrap()
    }

    /// The one value of a query past the ledger.
    pub fn value(&self, sql: &str) -> Value {
        let rows = self.query(sql);
        assert_eq!(rows.len(), 1, "{sql}");
        let row = rows[0].as_object().unwrap();
        row.values().next().unwrap().clone()
    }

    /// The lines of `EXPLAIN QUERY PLAN`.
    pub fn plan(&self, sql: &str) -> Vec<String> {
        let details = self.query(&format!("EXPLAIN QUERY PLAN {sql}"));
        let detail = |row: &Value| row["detail"].as_str().unwrap().to_owned();
        details.iter().map(detail).collect()
    }

    /// Every statement the ledger has sent, each SQL text once.
    pub fn statements(&self) -> Vec<Statement> {
        self.statements.borrow().clone()
    }

    /// The lines of `EXPLAIN QUERY PLAN` for a statement with its parameters.
    pub fn plan_of(&self, statement: &Statement) -> Vec<String> {
        let connection = self.connection.borrow();
        let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
        let mut prepared = connection.prepare(&sql).unwrap();
        let rows = rows(&mut prepared, &statement.params).unwrap();
        let detail = |row: &Value| row["detail"].as_str().unwrap().to_owned();
        rows.iter().map(detail).collect()
    }

    fn remember(&self, statements: &[Statement]) {
        let mut seen = self.statements.borrow_mut();
        for statement in statements {
            if !seen.iter().any(|known| known.sql == statement.sql) {
                seen.push(statement.clone());
            }
        }
    }

    pub fn transaction(&self, statements: &[Statement]) -> rusqlite::Result<Vec<ResultSet>> {
        let mut connection = self.connection.borrow_mut();
        let transaction = connection.transaction()?;
        let mut results = Vec::new();
        for statement in statements {
            let before = transaction.total_changes();
            let mut prepared = transaction.prepare_cached(&statement.sql)?;
            prepared.reset_status(StatementStatus::VmStep);
            let found = rows(&mut prepared, &statement.params)?;
            let steps = i64::from(prepared.get_status(StatementStatus::VmStep));
            self.steps.set(self.steps.get() + steps);
            drop(prepared);
            results.push(ResultSet {
                rows: Value::Array(found).to_string(),
                rows_read: 0,
                rows_written: transaction.total_changes() - before,
                operation: None,
            });
        }
        transaction.commit()?;
        Ok(results)
    }
}

impl Database for &Sqlite {
    type Bucket = MemoryBucket;

    fn bucket(&self) -> Option<&MemoryBucket> {
        self.bound.get().then_some(&self.bucket)
    }

    async fn run(&self, statements: &[Statement]) -> Result<Vec<ResultSet>, DatabaseError> {
        self.round_trips.set(self.round_trips.get() + 1);
        self.sent.set(self.sent.get() + statements.len());
        self.remember(statements);
        // The round trip ends in another turn of the executor, as it does at the edge.
        tokio::task::yield_now().await;
        let fault = self.faults.borrow_mut().pop_front();
        if let Some(Fault::Refused(message)) = fault {
            return Err(DatabaseError::new(message));
        }
        let results = self
            .transaction(statements)
            .map_err(|error| DatabaseError::new(format!("D1_ERROR: {error}")));
        match fault {
            Some(Fault::AnswerLost(message)) => Err(DatabaseError::new(message)),
            _ => results,
        }
    }
}

fn rows(statement: &mut rusqlite::Statement<'_>, params: &[Param]) -> rusqlite::Result<Vec<Value>> {
    let params = params.iter().map(|param| match param {
        Param::Null => Sql::Null,
        // As D1 does: every number arrives as a double.
        Param::Integer(number) => Sql::Real(*number as f64),
        Param::Text(text) => Sql::Text(text.clone()),
    });
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = Vec::new();
    let mut rows = statement.query(params_from_iter(params))?;
    while let Some(row) = rows.next()? {
        let mut object = Map::new();
        for (index, column) in columns.iter().enumerate() {
            let value = match row.get_ref(index)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => number.into(),
                ValueRef::Real(number) => number.into(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
                ValueRef::Blob(_) => panic!("the ledger stores no blobs"),
            };
            object.insert(column.clone(), value);
        }
        found.push(Value::Object(object));
    }
    Ok(found)
}

/// The project's folder.
pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The migration files in the order wrangler applies them.
pub fn migrations() -> Vec<PathBuf> {
    sql_files(&project().join("migrations"))
}

/// The rollback files, in the order of the migrations.
pub fn rollbacks() -> Vec<PathBuf> {
    sql_files(&project().join("migrations/rollback"))
}

fn sql_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    files
}

/// Applies one migration as wrangler does: the file and its row in `d1_migrations` together.
pub fn apply(connection: &Connection, file: &Path) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let sql = std::fs::read_to_string(file).unwrap();
    let ledger = "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, \
        name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)";
    connection.execute_batch(ledger).unwrap();
    let sql = format!("BEGIN; {sql}; INSERT INTO d1_migrations (name) VALUES ('{name}'); COMMIT;");
    connection
        .execute_batch(&sql)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
}
