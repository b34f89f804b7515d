//! All SQL, and the one way to the database.
//!
//! Every operation goes through [`Store::run`]: it repeats what the platform calls transient,
//! and counts what the database was asked. That is only sound because each statement here is
//! written so that repeating it after a lost answer changes nothing more.

mod arranging;
pub mod bucket;
mod call_row;
pub mod calls;
pub mod d1;
mod database;
pub mod events;
mod gate;
pub mod health;
mod links;
pub mod payloads;
mod r2;
pub mod reading;
pub mod reconciling;
pub mod retention;
mod row;
pub mod settlement;
mod turn_rows;
pub mod turns;

use core::cell::Cell;

pub use call_row::CallRow;
pub use database::{Database, DatabaseError, Param, ResultSet, Statement};
pub use row::{FromRow, Row};

use crate::platform::Runtime;
pub use crate::platform::log::Usage;

/// What an error says when there are fewer results than statements.
const NO_RESULT: &str = "the database answered without a result";
/// Tries per operation, the first included.
pub const MAX_TRIES: u32 = 3;
/// The greatest pause before the first repeat, in milliseconds; it doubles with each repeat.
pub const BACKOFF_MS: u32 = 50;

/// The ledger's books in a database. One is made for each request.
#[derive(Debug)]
pub struct Store<D, R> {
    database: D,
    runtime: R,
    usage: Cell<Usage>,
    /// How many more statements may be sent; `None` is as many as it takes.
    allowed: Cell<Option<u32>>,
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// A store over this database, with no usage yet.
    pub fn new(database: D, runtime: R) -> Self {
        Self {
            database,
            runtime,
            usage: Cell::default(),
            allowed: Cell::default(),
        }
    }

    /// The same store over another runtime.
    pub fn with_runtime<N>(self, runtime: N) -> Store<D, N> {
        Store {
            database: self.database,
            runtime,
            usage: self.usage,
            allowed: self.allowed,
        }
    }

    /// What the database was asked so far.
    pub fn usage(&self) -> Usage {
        self.usage.get()
    }

    /// Limits the statements that are sent from now on, retries included. What would send more
    /// fails, and changes nothing.
    pub fn allow(&self, statements: u32) {
        self.allowed.set(Some(statements));
    }

    fn allows(&self, statements: usize) -> bool {
        let statements = u32::try_from(statements).unwrap_or(u32::MAX);
        self.allowed.get().is_none_or(|left| statements <= left)
    }

    /// Runs one statement; see [`Store::run`].
    async fn run_one(
        &self,
        operation: &'static str,
        statement: Statement,
    ) -> Result<ResultSet, DatabaseError> {
        let result = self.run(operation, &[statement]).await?.pop();
        result.ok_or_else(|| DatabaseError::new(NO_RESULT))
    }

    /// Runs the statements in one round trip, at most [`MAX_TRIES`] times, with full jitter
    /// between the tries, and only when the error is transient.
    ///
    /// `operation` is the name of the method that asks; an error carries it into the log.
    async fn run(
        &self,
        operation: &'static str,
        statements: &[Statement],
    ) -> Result<Vec<ResultSet>, DatabaseError> {
        if !self.allows(statements.len()) {
            return Err(DatabaseError::not_allowed().during(operation));
        }
        let mut tries = 1;
        loop {
            let asked = self.runtime.now();
            let answer = self.database.run(statements).await;
            let millis = self.runtime.now().as_millis().abs_diff(asked.as_millis());
            self.count(statements.len(), tries, millis, &answer);
            match answer {
                Err(error)
                    if tries < MAX_TRIES
                        && error.is_transient()
                        && self.allows(statements.len()) =>
                {
                    self.pause_before_retry(tries).await;
                    tries += 1;
                }
                Err(error) => return Err(error.during(operation)),
                Ok(results) if results.len() != statements.len() => {
                    return Err(DatabaseError::new(NO_RESULT).during(operation));
                }
                Ok(mut results) => {
                    for result in &mut results {
                        result.operation = Some(operation);
                    }
                    return Ok(results);
                }
            }
        }
    }

    /// Waits after so many tries: up to [`BACKOFF_MS`], doubled with each try, with full jitter.
    async fn pause_before_retry(&self, tries: u32) {
        let longest = u64::from(BACKOFF_MS << (tries - 1));
        // Without random numbers the full pause is still a pause.
        let pause = self
            .runtime
            .random()
            .map_or(longest, |bytes| u64::from(bytes[0]) * longest / 255);
        self.runtime.sleep(pause).await;
    }

    fn count_bucket_request(&self) {
        let mut usage = self.usage.get();
        usage.bucket_requests += 1;
        self.usage.set(usage);
    }

    fn count(
        &self,
        statements: usize,
        tries: u32,
        millis: u64,
        answer: &Result<Vec<ResultSet>, DatabaseError>,
    ) {
        let statements = u32::try_from(statements).unwrap_or(u32::MAX);
        let left = self.allowed.get();
        self.allowed
            .set(left.map(|left| left.saturating_sub(statements)));
        let mut usage = self.usage.get();
        usage.millis += millis;
        usage.round_trips += 1;
        usage.statements += statements;
        usage.retries += u32::from(tries > 1);
        for result in answer.iter().flatten() {
            usage.rows_read += result.rows_read;
            usage.rows_written += result.rows_written;
        }
        self.usage.set(usage);
    }
}
