//! Reading rows column by column.

use super::DatabaseError;
use crate::json::{Json, Object};
use crate::model::{CallSid, FailureReason, StoredTime};

/// One row: values by column name.
#[derive(Debug)]
pub struct Row<'a>(Object<'a>);

/// A type that is read from a row.
pub trait FromRow: Sized {
    /// Reads the row.
    ///
    /// # Errors
    /// [`DatabaseError`] when a column is missing or holds something else.
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError>;
}

impl<'a> Row<'a> {
    /// The rows of a JSON array of objects.
    ///
    /// # Errors
    /// A permanent [`DatabaseError`] when the text is not one.
    pub fn all(json: &'a str) -> Result<Vec<Self>, DatabaseError> {
        match Json::read(json.as_bytes()) {
            Ok(Json::List(rows)) => rows.into_iter().map(Self::of).collect(),
            Ok(_) => Err(unexpected("not a list")),
            Err(error) => Err(unexpected(&error.to_string())),
        }
    }

    fn of(value: Json<'a>) -> Result<Self, DatabaseError> {
        match value {
            Json::Object(columns) => Ok(Self(columns)),
            _ => Err(unexpected("a row is no object")),
        }
    }

    /// A text, or `None` for NULL.
    ///
    /// # Errors
    /// [`DatabaseError`] when the column is missing or holds another type.
    pub fn optional_text(&mut self, column: &str) -> Result<Option<String>, DatabaseError> {
        match self.0.take(column) {
            Json::Null => Ok(None),
            Json::Text(text) => Ok(Some(text.into_owned())),
            _ => Err(unexpected(column)),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// [`DatabaseError`] when the column is missing or holds another type.
    pub fn text(&mut self, column: &str) -> Result<String, DatabaseError> {
        let text = self.optional_text(column)?;
        text.ok_or_else(|| unexpected(column))
    }

    /// A whole number, or `None` for NULL.
    ///
    /// # Errors
    /// [`DatabaseError`] when the column is missing or holds another type.
    pub fn optional_integer(&mut self, column: &str) -> Result<Option<i64>, DatabaseError> {
        match self.0.take(column) {
            Json::Null => Ok(None),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole, and D1 carries them exactly up to 2^53 only"
            )]
            Json::Number(number) if number.fract() == 0.0 => Ok(Some(number as i64)),
            _ => Err(unexpected(column)),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// [`DatabaseError`] when the column is missing or holds another type.
    pub fn integer(&mut self, column: &str) -> Result<i64, DatabaseError> {
        let number = self.optional_integer(column)?;
        number.ok_or_else(|| unexpected(column))
    }

    /// A word that `parse` knows.
    ///
    /// # Errors
    /// [`DatabaseError`] when the column is missing or holds another type.
    pub fn word<T>(
        &mut self,
        column: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, DatabaseError> {
        let word = self.text(column)?;
        parse(&word).ok_or_else(|| unexpected(column))
    }

    /// The column `call_sid`.
    ///
    /// # Errors
    /// [`DatabaseError`] when it holds no text.
    pub fn call_sid(&mut self) -> Result<CallSid, DatabaseError> {
        self.text("call_sid").map(CallSid::from_text)
    }

    /// The column `failure_reason`.
    ///
    /// # Errors
    /// [`DatabaseError`] when it holds something other than a text or NULL.
    pub fn failure_reason(&mut self) -> Result<Option<FailureReason>, DatabaseError> {
        let text = self.optional_text("failure_reason")?;
        Ok(text.as_deref().map(FailureReason::parse))
    }

    /// A time, spelt as it is stored.
    ///
    /// # Errors
    /// [`DatabaseError`] when the column holds no text.
    pub fn time(&mut self, column: &str) -> Result<StoredTime, DatabaseError> {
        self.text(column).map(StoredTime::from_stored)
    }

    /// A time, spelt as it is stored, or `None` for NULL.
    ///
    /// # Errors
    /// [`DatabaseError`] when the column is missing or holds another type.
    pub fn optional_time(&mut self, column: &str) -> Result<Option<StoredTime>, DatabaseError> {
        let text = self.optional_text(column)?;
        Ok(text.map(StoredTime::from_stored))
    }
}

/// The error for a row of another shape than expected.
pub(super) fn unexpected(what: &str) -> DatabaseError {
    DatabaseError::new(format!("unexpected row shape: {what}"))
}

#[cfg(test)]
mod tests {
    use super::Row;

    #[test]
    fn columns_are_read_and_another_shape_is_an_error() {
        let mut rows = Row::all(r#"[{"a":"x","b":7,"c":null,"d":1.5}]"#).unwrap();
        let row = rows.first_mut().unwrap();
        assert_eq!(row.optional_integer("b").unwrap(), Some(7));
        assert_eq!(row.optional_text("c").unwrap(), None);
        assert_eq!(row.optional_text("absent").unwrap(), None);
        for error in [
            row.text("c").map(drop),
            row.integer("d").map(drop),
            row.integer("a").map(drop),
            row.text("absent").map(drop),
        ] {
            assert!(!error.unwrap_err().is_transient());
        }
        for json in ["", "{}", "[5]", "[{}"] {
            assert!(Row::all(json).is_err(), "{json}");
        }
    }
}
