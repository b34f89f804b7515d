//! The worker's database: Cloudflare D1, through the effect `query` of `src/effects.js`.

use super::r2::R2;
use super::{Database, DatabaseError, ResultSet, Statement};
use crate::platform::effects::Effects;

/// D1 behind the binding `DB`, and the bucket. If no database is bound, every operation fails.
#[derive(Debug, Clone)]
pub struct D1 {
    effects: Effects,
    bucket: Option<R2>,
}

impl D1 {
    /// The database for the task of these effects, with the bucket if one is bound.
    #[must_use]
    pub fn new(effects: Effects, has_bucket: bool) -> Self {
        Self {
            bucket: has_bucket.then(|| R2::new(effects.clone())),
            effects,
        }
    }
}

impl Database for D1 {
    type Bucket = R2;

    fn bucket(&self) -> Option<&R2> {
        self.bucket.as_ref()
    }

    async fn run(&self, statements: &[Statement]) -> Result<Vec<ResultSet>, DatabaseError> {
        let answer = self.effects.ask("query", &statements).await.text();
        let answer = answer.map_err(DatabaseError::new)?;
        results(&answer)
            .filter(|results| results.len() == statements.len())
            .ok_or_else(|| DatabaseError::new("the database's answer cannot be read"))
    }
}

/// Reads two lines for each statement: rows read and written, and the rows as JSON.
fn results(text: &str) -> Option<Vec<ResultSet>> {
    let mut results = Vec::new();
    // The JSON has no line ends: those in texts are escaped.
    let mut lines = text.split('\n');
    while let (Some(counts), Some(rows)) = (lines.next(), lines.next()) {
        let (read, written) = counts.split_once(' ')?;
        results.push(ResultSet {
            rows: rows.to_owned(),
            rows_read: read.parse().ok()?,
            rows_written: written.parse().ok()?,
            ..ResultSet::default()
        });
    }
    Some(results)
}

#[cfg(test)]
mod tests {
    use super::{ResultSet, results};

    #[test]
    fn each_statement_has_two_lines() {
        let result = |rows: &str, rows_read, rows_written| ResultSet {
            rows: rows.to_owned(),
            rows_read,
            rows_written,
            ..ResultSet::default()
        };
        assert_eq!(
            results("4 1\n[{\"a\":\"x\\ny\"}]\n0 0\n\n"),
            Some(vec![result("[{\"a\":\"x\\ny\"}]", 4, 1), result("", 0, 0)])
        );
        assert_eq!(results(""), Some(Vec::new()));
        for text in ["x 1\n[]\n", "4\n[]\n", "4 -1\n[]\n"] {
            assert_eq!(results(text), None, "{text}");
        }
    }
}
