//! The interface to the database: statements in SQLite's SQL, one transaction per round trip.

use core::fmt;
use core::future::Future;
use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use super::bucket::Bucket;
use super::row::{FromRow, Row, unexpected};
use crate::platform::log::Line;

/// One SQL statement with its parameters `?1`, `?2`, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub sql: Cow<'static, str>,
    /// The bound values, `?1` first.
    pub params: Vec<Param>,
}

impl Statement {
    /// A statement without parameters yet.
    pub fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self {
            sql: sql.into(),
            params: Vec::new(),
        }
    }

    /// Binds the next parameter.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Param>) -> Self {
        self.params.push(value.into());
        self
    }
}

/// As a pair of SQL text and parameters.
impl Serialize for Statement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.sql, &self.params).serialize(serializer)
    }
}

/// A bound value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Param {
    /// SQL `NULL`.
    Null,
    /// A whole number. D1 is exact only up to 2^53.
    Integer(i64),
    /// A text.
    Text(String),
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<crate::model::UtcTime> for Param {
    fn from(value: crate::model::UtcTime) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<&crate::model::FailureReason> for Param {
    fn from(value: &crate::model::FailureReason) -> Self {
        Self::Text(value.text().into_owned())
    }
}

impl<T: Into<Self>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The result of one statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultSet {
    /// The rows as a JSON array of objects, column name to value.
    pub rows: String,
    /// Rows read, as the database bills them.
    pub rows_read: u64,
    /// Rows written, index entries included, as the database bills them.
    pub rows_written: u64,
    /// The operation, for errors about the rows. The store sets it.
    pub operation: Option<&'static str>,
}

impl ResultSet {
    /// Whether there is any row.
    #[must_use]
    pub fn has_rows(&self) -> bool {
        !self.rows.is_empty() && self.rows != "[]"
    }

    /// The rows as values of one type.
    ///
    /// # Errors
    /// A permanent [`DatabaseError`] when a row does not have the shape of `T`.
    pub fn rows<T: FromRow>(&self) -> Result<Vec<T>, DatabaseError> {
        self.read_with(|json| Row::all(json)?.iter_mut().map(T::from_row).collect())
    }

    /// The rows as values of one type whose fields have the names of the columns. For lists: it is
    /// several times as fast as [`ResultSet::rows`].
    ///
    /// # Errors
    /// A permanent [`DatabaseError`] when a row does not have the shape of `T`.
    pub fn list<T: DeserializeOwned>(&self) -> Result<Vec<T>, DatabaseError> {
        // The parser's own message may quote what was said in a call, so it is not logged.
        let shape = |error: serde_json::Error| unexpected(&format!("at byte {}", error.column()));
        self.read_with(|json| serde_json::from_str(json).map_err(shape))
    }

    fn read_with<T>(
        &self,
        read: impl FnOnce(&str) -> Result<Vec<T>, DatabaseError>,
    ) -> Result<Vec<T>, DatabaseError> {
        if !self.has_rows() {
            return Ok(Vec::new());
        }
        read(&self.rows).map_err(|error| match self.operation {
            Some(operation) => error.during(operation),
            None => error,
        })
    }
}

const NOT_ALLOWED: &str = "the plan allows this run no more statements";

/// Why an operation of the database failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseError {
    message: String,
    /// The method of the store that failed, such as `save_transcription`.
    operation: Option<&'static str>,
}

impl DatabaseError {
    /// An error with the database's own message. It may contain SQL, so it goes into the log only.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            operation: None,
        }
    }

    /// The error with the operation that failed. An operation that it already names stays.
    #[must_use]
    pub fn during(self, operation: &'static str) -> Self {
        Self {
            operation: self.operation.or(Some(operation)),
            ..self
        }
    }

    /// The log line with the operation that failed and the message.
    #[must_use]
    pub fn log(&self, line: Line) -> Line {
        Line {
            operation: self.operation,
            cause: Some(self.message.clone()),
            ..line
        }
    }

    /// The error of an operation that would exceed the limit of [`super::Store::allow`].
    #[must_use]
    pub fn not_allowed() -> Self {
        Self::new(NOT_ALLOWED)
    }

    /// Whether it is [`DatabaseError::not_allowed`]. Then nothing was sent.
    #[must_use]
    pub fn is_not_allowed(&self) -> bool {
        self.message == NOT_ALLOWED
    }

    /// Whether a retry may succeed. D1's documentation names these messages as transient.
    /// Constraint, type and syntax errors and daily limits are permanent.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        const TRANSIENT: [&str; 6] = [
            "Network connection lost",
            "storage caused object to be reset",
            "reset because its code was updated",
            "Cannot resolve D1 DB due to transient issue",
            "overloaded",
            "Too many requests queued",
        ];
        TRANSIENT.iter().any(|part| self.message.contains(part))
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DatabaseError {}

/// A SQLite database: D1 in the worker, SQLite itself in the tests. A bucket for large texts may be
/// bound with it.
pub trait Database {
    /// The type of the bucket.
    type Bucket: Bucket;

    /// The bucket, if one is bound.
    fn bucket(&self) -> Option<&Self::Bucket>;

    /// Runs the statements in one round trip and one transaction, so all of them or none.
    ///
    /// # Errors
    /// [`DatabaseError`]. The statements may be committed nevertheless: the answer may be lost.
    fn run(
        &self,
        statements: &[Statement],
    ) -> impl Future<Output = Result<Vec<ResultSet>, DatabaseError>>;
}

#[cfg(test)]
mod tests {
    use super::{DatabaseError, ResultSet};

    #[test]
    fn a_row_of_another_shape_is_an_error_that_quotes_nothing() {
        let result = |rows: &str| ResultSet {
            rows: rows.to_owned(),
            ..ResultSet::default()
        };
        assert_eq!(result("[1,2]").list::<i64>().unwrap(), [1, 2]);
        assert_eq!(result("").list::<i64>().unwrap(), Vec::<i64>::new());
        let error = result(r#"["said in confidence"]"#).list::<i64>();
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("unexpected row shape") && !error.contains("said"),
            "{error}"
        );
    }

    #[test]
    fn only_the_named_messages_are_transient() {
        for message in [
            "D1_ERROR: Network connection lost.",
            "D1_ERROR: D1 DB storage caused object to be reset.",
            "D1_ERROR: D1 DB reset because its code was updated.",
            "D1_ERROR: Cannot resolve D1 DB due to transient issue on remote node.",
            "D1_ERROR: D1 DB is overloaded. Requests queued for too long.",
            "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
        ] {
            assert!(DatabaseError::new(message).is_transient(), "{message}");
        }
        for message in [
            "D1_ERROR: UNIQUE constraint failed: calls.call_sid: SQLITE_CONSTRAINT",
            "D1_ERROR: near \"SELEC\": syntax error",
            "D1_TYPE_ERROR: Type 'bigint' not supported for value '1'",
            "D1_ERROR: Exceeded maximum DB size",
            "D1_ERROR: Your account has exceeded D1's maximum account limits for the day",
        ] {
            assert!(!DatabaseError::new(message).is_transient(), "{message}");
        }
    }
}
