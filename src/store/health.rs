//! How the database is doing.

use super::{Database, DatabaseError, FromRow, Row, Statement, Store};
use crate::platform::Runtime;

/// What the detailed health check tells of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The newest migration that is applied.
    pub migration: Option<String>,
    /// Calls that no evidence has settled yet, counted up to 1,001.
    pub unsettled_calls: i64,
    /// Events that wait for their call, counted up to 1,001.
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
    /// Whether the database answers at all. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] when it does not, after the retries.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.run_one("ping", Statement::new("SELECT 1 AS one"))
            .await?;
        Ok(())
    }

    /// How the database is doing. One round trip; both counts are read off partial indexes that
    /// hold only what they count.
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
