//! All SQL, and the one way to the database.
//!
//! Every operation goes through [`Store::run`], which retries transient errors and counts what the
//! database is asked.
//!
//! **Invariant:** every operation here is idempotent. A retry after a lost answer changes nothing
//! more.

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

/// The message of the error for fewer results than statements.
const NO_RESULT: &str = "the database answered without a result";
/// Maximum tries of an operation, the first one included.
pub const MAX_TRIES: u32 = 3;
/// Maximum pause before the first retry, in milliseconds. It doubles with each retry.
pub const BACKOFF_MS: u32 = 50;

/// The ledger's tables. Each request makes its own store.
#[derive(Debug)]
pub struct Store<D, R> {
    database: D,
    runtime: R,
    usage: Cell<Usage>,
    /// How many more statements may be sent; `None` for no limit.
    allowed: Cell<Option<u32>>,
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// A store over this database. Its usage begins at 0.
    pub fn new(database: D, runtime: R) -> Self {
        Self {
            database,
            runtime,
            usage: Cell::default(),
            allowed: Cell::default(),
        }
    }

    /// The same store, usage and limit included, over another runtime.
    pub fn with_runtime<N>(self, runtime: N) -> Store<D, N> {
        Store {
            database: self.database,
            runtime,
            usage: self.usage,
            allowed: self.allowed,
        }
    }

    /// The database's usage by this store so far.
    pub fn usage(&self) -> Usage {
        self.usage.get()
    }

    /// Limits the statements that are sent from now on, retries included. An operation that would
    /// send more fails before it sends any.
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

    /// Runs the statements in one round trip and one transaction. Retries a transient error, up to
    /// [`MAX_TRIES`] tries, with full jitter between them.
    ///
    /// `operation` is the name of the calling method. An error carries it into the log.
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

    /// Pauses after this many tries: a random time up to [`BACKOFF_MS`], doubled with each try.
    async fn pause_before_retry(&self, tries: u32) {
        let longest = u64::from(BACKOFF_MS << (tries - 1));
        // Without random numbers, wait for the whole time.
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
