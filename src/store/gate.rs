//! A batch of statements that changes one call completely or not at all.
//!
//! The batch is a compare-and-swap over several statements:
//!
//! 1. The first statement updates the call and sets `calls.settling` to 1, only if the call is
//!    unchanged since it was read. This is the compare.
//! 2. Each later statement works only while `settling` is 1. If the compare failed, none of them
//!    changes anything.
//! 3. The last statement sets `settling` back to NULL, and shows whether the compare succeeded.
//!
//! **Invariant:** a batch is one transaction, so no other request ever reads a call whose `settling`
//! is not NULL. The simulation checks this after each run.

use super::{Database, DatabaseError, ResultSet, Statement, Store};
use crate::platform::Runtime;
use crate::platform::never::never;

/// The statements of one batch so far.
#[derive(Debug)]
pub(super) struct Guarded {
    call_id: i64,
    statements: Vec<Statement>,
}

impl Guarded {
    /// Starts a batch: `UPDATE calls SET {set}` for this call, if the condition `unchanged` holds.
    ///
    /// `bind` binds the parameters `?1`, `?2`, … of `set` and `unchanged`.
    pub fn open(
        call_id: i64,
        set: &str,
        unchanged: &str,
        bind: impl FnOnce(Statement) -> Statement,
    ) -> Self {
        let bound = bind(Statement::new(""));
        let id = bound.params.len() + 1;
        let sql = format!("UPDATE calls SET settling = 1, {set} WHERE id = ?{id} AND {unchanged}");
        let update = Statement {
            sql: sql.into(),
            ..bound
        };
        Self {
            call_id,
            statements: vec![update.bind(call_id)],
        }
    }

    /// Adds a statement, which works only if the first one found the call unchanged.
    ///
    /// The SQL text must end with a `WHERE` clause whose terms are joined by `AND`: the guard is
    /// added as one more term.
    pub fn then(&mut self, statement: Statement) {
        let id = statement.params.len() + 1;
        let sql = format!(
            "{} AND (SELECT settling FROM calls WHERE id = ?{id}) = 1",
            statement.sql
        );
        let guarded = Statement {
            sql: sql.into(),
            ..statement
        };
        self.statements.push(guarded.bind(self.call_id));
    }

    /// Runs the batch in one round trip. Returns `false`, and changed nothing, if the call was no
    /// longer as it was read.
    ///
    /// The batch is idempotent if `unchanged` is false after it: then a retry after a lost answer
    /// changes nothing, and returns `false`.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn commit<D: Database, R: Runtime>(
        mut self,
        store: &Store<D, R>,
        operation: &'static str,
    ) -> Result<bool, DatabaseError> {
        let close = "UPDATE calls SET settling = NULL WHERE id = ?1 AND settling = 1 RETURNING id";
        self.statements
            .push(Statement::new(close).bind(self.call_id));
        let results = store.run(operation, &self.statements).await?;
        never!(
            &store.runtime,
            results.len() != self.statements.len(),
            "a batch has not one result for each statement"
        );
        Ok(results.last().is_some_and(ResultSet::has_rows))
    }
}

#[cfg(test)]
mod tests {
    use super::Guarded;
    use crate::store::{Param, Statement};

    #[test]
    fn every_statement_after_the_first_works_only_while_the_call_is_marked() {
        let mut batch = Guarded::open(7, "status = ?1", "status = ?2", |update| {
            update.bind("completed").bind("in_progress")
        });
        batch.then(Statement::new("DELETE FROM t WHERE a = ?1").bind("x"));
        batch.then(Statement::new("INSERT INTO t SELECT 1 WHERE true"));
        let texts: Vec<_> = batch.statements.iter().map(|one| &*one.sql).collect();
        assert_eq!(
            texts,
            [
                "UPDATE calls SET settling = 1, status = ?1 WHERE id = ?3 AND status = ?2",
                "DELETE FROM t WHERE a = ?1 AND (SELECT settling FROM calls WHERE id = ?2) = 1",
                "INSERT INTO t SELECT 1 WHERE true AND (SELECT settling FROM calls WHERE id = ?1) = 1",
            ]
        );
        for statement in &batch.statements {
            assert_eq!(statement.params.last(), Some(&Param::Integer(7)));
        }
    }
}
