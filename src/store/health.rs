//! What the health checks ask the database.

use super::{Database, DatabaseError, FromRow, Row, Statement, Store};
use crate::platform::Runtime;

/// The database's part of the detailed health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub migration: Option<String>,
    /// Number of calls that wait to be settled, at most 1,001.
    pub unsettled_calls: i64,
    /// Number of events that wait for their call, at most 1,001.
    pub waiting_events: i64,
}

impl FromRow for Condition {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            migration: row.optional_text("migration")?,
            unsettled_calls: row.integer("unsettled_calls")?,
            waiting_events: row.integer("waiting_events")?,
        })
    }
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// Asks the database for an answer. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.run_one("ping", Statement::new("SELECT 1 AS one"))
            .await?;
        Ok(())
    }

    /// Reads the newest migration and counts what waits. One round trip. Both counts use partial
    /// indexes, which hold only what waits.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries, or when it was never migrated.
    pub async fn condition(&self) -> Result<Condition, DatabaseError> {
        let select = Statement::new(
            "SELECT (SELECT name FROM d1_migrations ORDER BY id DESC LIMIT 1) AS migration, \
               (SELECT COUNT(*) FROM (SELECT 1 FROM calls \
                  WHERE status = 'in_progress' OR failure_reason = 'outcome_unknown' LIMIT 1001)) \
                 AS unsettled_calls, \
               (SELECT COUNT(*) FROM (SELECT 1 FROM elevenlabs_events WHERE outcome = 'kept' LIMIT 1001)) \
                 AS waiting_events",
        );
        let operation = "condition";
        let condition = self.run_one(operation, select).await?.rows()?.pop();
        condition.ok_or_else(|| DatabaseError::new("no row").during(operation))
    }
}
