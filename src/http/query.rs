//! Reads the parameters of a query and collects every fault, not only the first.
//!
//! An empty value counts as absent. Unknown names are ignored. If a name is repeated, each value
//! must be valid, and the last one counts.

use std::borrow::Cow;

use super::cursor;
use super::fields::Fault;
use super::takes::TakesQuery;
use crate::model::{CallStatus, DriverId, UtcTime};
use crate::store::reading::Position;

/// A query being read.
#[derive(Debug, Default)]
pub struct Query<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Each fault, with the index of its pair.
    faults: Vec<(usize, Fault)>,
}

impl<'a> Query<'a> {
    /// The query of this percent-encoded text.
    pub fn of(text: &'a str) -> Self {
        Self {
            pairs: form_urlencoded::parse(text.as_bytes()).collect(),
            ..Self::default()
        }
    }

    /// What was read, if there was no fault.
    ///
    /// # Errors
    /// The faults, in the order of the query.
    pub fn or<T>(self, read: T) -> Result<T, Vec<Fault>> {
        if self.faults.is_empty() {
            return Ok(read);
        }
        Err(self.faults.into_iter().map(|(_, fault)| fault).collect())
    }

    /// Calls `read` with each value of a name, and records the fault that it returns.
    fn each(&mut self, name: &str, read: &mut dyn FnMut(&str) -> Option<String>) {
        for (place, (given, value)) in self.pairs.iter().enumerate() {
            if given != name || value.is_empty() {
                continue;
            }
            if let Some(message) = read(value) {
                let field = name.to_owned();
                // Insert in the order of the query. A sort would add some kilobytes to the bundle.
                let at = self.faults.partition_point(|(other, _)| *other < place);
                self.faults.insert(at, (place, Fault { field, message }));
            }
        }
    }
}

impl TakesQuery for Query<'_> {
    fn status(&mut self, name: &'static str) -> Option<CallStatus> {
        let mut status = None;
        self.each(name, &mut |value| {
            status = CallStatus::parse(value);
            let wrong = status.is_none();
            wrong.then(|| "must be in_progress, completed or failed".to_owned())
        });
        status
    }

    fn driver_id(&mut self, name: &'static str) -> Option<DriverId> {
        let mut driver_id = None;
        self.each(name, &mut |value| match DriverId::parse(value) {
            Ok(read) => {
                driver_id = Some(read);
                None
            }
            Err(error) => Some(error.to_string()),
        });
        driver_id
    }

    fn time(&mut self, name: &'static str, _: &'static str) -> Option<UtcTime> {
        let mut time = None;
        self.each(name, &mut |value| match UtcTime::parse(value) {
            Ok(read) => {
                time = Some(read);
                None
            }
            Err(error) => Some(error.to_string()),
        });
        time
    }

    fn number(&mut self, name: &'static str, greatest: i64, default: i64) -> i64 {
        let mut number = default;
        self.each(name, &mut |value| match value.parse() {
            Ok(read) if (1..=greatest).contains(&read) => {
                number = read;
                None
            }
            _ => Some(format!("must be a whole number from 1 to {greatest}")),
        });
        number
    }

    fn cursor(&mut self, name: &'static str) -> Option<Position> {
        let mut position = None;
        self.each(name, &mut |value| {
            position = cursor::decode(value);
            let wrong = position.is_none();
            wrong.then(|| "must be the next_cursor of a page, unchanged".to_owned())
        });
        position
    }
}
