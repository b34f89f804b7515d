//! A file of rows with named columns, whose values are read one by one. Every fault is noted with its line.

use std::collections::HashMap;
use std::path::Path;

use super::csv::{Field, Malformed, Record, Records};
use super::faults::Lines;
use crate::failure::{Failure, fail};

/// The text of a file, and what messages call it.
pub struct File {
    /// Its name without the folder.
    pub name: String,
    text: String,
}

/// One row; its values are taken by the names of their columns.
pub struct Row<'a> {
    /// The line of the file on which it begins.
    pub line: usize,
    file: &'a str,
    columns: &'a HashMap<String, usize>,
    fields: &'a [Field<'a>],
    faults: &'a mut Lines,
}

impl File {
    /// Reads a file as UTF-8.
    ///
    /// # Errors
    /// It cannot be read, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned();
        let bytes = std::fs::read(path).map_err(Failure::at(path))?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => {
                let valid = error
                    .as_bytes()
                    .iter()
                    .take(error.utf8_error().valid_up_to());
                let line = 1 + valid.filter(|byte| **byte == b'\n').count();
                fail!(
                    "{name}:{line}: is not UTF-8. In psql: SET client_encoding TO 'UTF8', then export again"
                )
            }
        }
    }

    /// Reads each row; the faulty ones are left out.
    ///
    /// # Errors
    /// A column is missing.
    pub fn rows<T>(
        &self,
        required: &[&str],
        faults: &mut Lines,
        mut read: impl FnMut(&mut Row<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        let mut records = Records::new(&self.text);
        let columns = self.columns(records.next(), required)?;
        let mut rows = Vec::new();
        for record in records {
            match record {
                Err(Malformed { line, fault }) => faults.note(&self.name, line, fault),
                Ok(Record { line, fields }) if fields.len() != columns.len() => {
                    let sentence = format!(
                        "has {} fields, the header has {}",
                        fields.len(),
                        columns.len()
                    );
                    faults.note(&self.name, line, sentence);
                }
                Ok(Record { line, fields }) => {
                    let mut row = Row {
                        line,
                        file: &self.name,
                        columns: &columns,
                        fields: &fields,
                        faults,
                    };
                    rows.extend(read(&mut row));
                }
            }
        }
        Ok(rows)
    }

    /// Where each column is.
    fn columns(
        &self,
        header: Option<Result<Record<'_>, Malformed>>,
        required: &[&str],
    ) -> Result<HashMap<String, usize>, Failure> {
        let fields = match header {
            Some(Ok(header)) => header.fields,
            Some(Err(Malformed { line, fault })) => {
                fail!("{}:{line}: the header {fault}", self.name)
            }
            None => fail!(
                "{} is empty: it needs a header (\\copy … CSV HEADER)",
                self.name
            ),
        };
        let names: Vec<_> = fields
            .into_iter()
            .map(|field| field.text.into_owned())
            .collect();
        let missing: Vec<_> = required
            .iter()
            .filter(|name| !names.iter().any(|one| one == *name))
            .copied()
            .collect();
        if !missing.is_empty() {
            fail!(
                "{}:1: the header lacks {}; it has {} (\\copy … CSV HEADER)",
                self.name,
                missing.join(", "),
                shortened(&names.join(", "))
            );
        }
        let count = names.len();
        let columns: HashMap<_, _> = names
            .into_iter()
            .enumerate()
            .map(|(at, name)| (name, at))
            .collect();
        if columns.len() < count {
            fail!("{}:1: the header names a column twice", self.name);
        }
        Ok(columns)
    }
}

impl Row<'_> {
    /// Reads one value. The reader gets `None` for NULL and for a column that the file does not have. What it says
    /// against the value is noted as a fault of this line.
    pub fn take<T>(
        &mut self,
        column: &str,
        read: impl FnOnce(Option<&str>) -> Result<T, String>,
    ) -> Option<T> {
        let field = self.columns.get(column).and_then(|at| self.fields.get(*at));
        // NULL is an unquoted empty field, or `\N` in an export with that option.
        let is_null =
            |field: &&Field<'_>| !field.quoted && (field.text.is_empty() || field.text == "\\N");
        let value = field
            .filter(|field| !is_null(field))
            .map(|field| &*field.text);
        match read(value) {
            Ok(value) => Some(value),
            Err(sentence) => {
                self.fault(format!("{column} {sentence}"));
                None
            }
        }
    }

    /// The text of a field as it stands there; empty for NULL.
    pub fn text(&self, column: &str) -> &str {
        let field = self.columns.get(column).and_then(|at| self.fields.get(*at));
        field.map_or("", |field| &*field.text)
    }

    /// Notes a fault of this line.
    pub fn fault(&mut self, sentence: String) {
        self.faults.note(self.file, self.line, sentence);
    }
}

/// A value that must be there.
pub fn required<T>(
    read: impl FnOnce(&str) -> Result<T, String>,
) -> impl FnOnce(Option<&str>) -> Result<T, String> {
    |value| read(value.ok_or("is NULL, and must have a value")?)
}

/// A value that may be NULL.
pub fn optional<T>(
    read: impl FnOnce(&str) -> Result<T, String>,
) -> impl FnOnce(Option<&str>) -> Result<Option<T>, String> {
    |value| value.map(read).transpose()
}

/// A whole number that a JSON reader does not round.
pub fn integer(text: &str) -> Result<i64, String> {
    const LARGEST: i64 = (1 << 53) - 1;
    let number = text
        .parse()
        .ok()
        .filter(|number| (-LARGEST..=LARGEST).contains(number));
    number.ok_or_else(|| {
        format!(
            "is {}, and must be a whole number, at most {LARGEST}",
            shortened(text)
        )
    })
}

/// A name of a call or a conversation: 1 to 200 bytes, which is what the API takes.
pub fn name(text: &str) -> Result<String, String> {
    match text.len() {
        0 => Err("is an empty text: make it NULL, or give it a name".to_owned()),
        1..=200 => Ok(text.to_owned()),
        length => Err(format!("has {length} bytes, and may have 200")),
    }
}

/// A value for a message: not too long.
pub fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
