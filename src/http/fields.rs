//! Reads the fields of a JSON body and collects every fault, not only the first.

use core::fmt::Display;

use schemars::JsonSchema;
use serde::Serialize;

use super::takes::Takes;
use crate::json::{Json, Object};
use crate::model::{DriverId, DriverIdError, ExactTime, PhoneNumber, Speaker, UtcTime};

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    /// The field's path from the body's root, such as `drivers[0].phoneNumber`.
    pub field: String,
    /// What it must be.
    pub message: String,
}

/// Maximum number of faults that an answer lists. It always gives the total. A body of 1 MiB has
/// room for 300,000 faults, and each takes about 100 bytes of the answer: 30 MB without this cap.
pub const MAX_FAULTS: usize = 100;

/// The faults of a request.
#[derive(Debug, Default)]
pub struct Faults {
    /// The first [`MAX_FAULTS`] of them.
    found: Vec<Fault>,
    /// The total.
    count: usize,
}

impl Faults {
    /// The first [`MAX_FAULTS`] faults, and the total.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Fault>, usize) {
        (self.found, self.count)
    }

    /// Counts a fault, and keeps it if it is one of the first [`MAX_FAULTS`].
    pub(super) fn push(&mut self, field: String, message: &dyn Display) {
        self.count += 1;
        if self.found.len() < MAX_FAULTS {
            let message = message.to_string();
            self.found.push(Fault { field, message });
        }
    }
}

/// A JSON object being read: the body, or an object in one of its lists.
#[derive(Debug)]
pub struct Fields<'a> {
    /// The object's path from the body's root; empty for the body itself.
    path: String,
    object: &'a Object<'a>,
    faults: Faults,
}

const NOT_AN_OBJECT: &str = "must be a JSON object";

/// Reads a body as a route takes it.
///
/// # Errors
/// The faults.
pub fn read<'a, V>(
    body: &'a Json<'a>,
    takes: impl FnOnce(&mut Fields<'a>) -> Option<V>,
) -> Result<V, Faults> {
    let mut faults = Faults::default();
    let Some(object) = body.as_object() else {
        faults.push("body".to_owned(), &NOT_AN_OBJECT);
        return Err(faults);
    };
    let mut fields = Fields {
        path: String::new(),
        object,
        faults,
    };
    match takes(&mut fields) {
        Some(read) if fields.faults.count == 0 => Ok(read),
        _ => Err(fields.faults),
    }
}

impl<'a> Fields<'a> {
    /// The path of a field of this object.
    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Records a fault and reads nothing.
    fn wrong<V>(&mut self, name: &str, message: &dyn Display) -> Option<V> {
        self.record(name, message);
        None
    }

    fn record(&mut self, name: &str, message: &dyn Display) {
        let path = self.path_of(name);
        self.faults.push(path, message);
    }

    fn required(&mut self, name: &str) -> Option<&'a Json<'a>> {
        match self.object.get(name) {
            None => self.wrong(name, &"is required"),
            value => value,
        }
    }

    fn optional_text(&mut self, name: &str) -> Option<&'a str> {
        let value = self.object.get(name)?;
        self.as_text(name, value)
    }

    fn required_text(&mut self, name: &str) -> Option<&'a str> {
        let value = self.required(name)?;
        self.as_text(name, value)
    }

    fn as_text(&mut self, name: &str, value: &'a Json<'a>) -> Option<&'a str> {
        match value.as_text() {
            None => self.wrong(name, &"must be a string"),
            text => text,
        }
    }

    fn within(&mut self, name: &str, text: String, most_bytes: usize) -> Option<String> {
        if text.len() > most_bytes {
            return self.wrong(name, &format_args!("must have at most {most_bytes} bytes"));
        }
        Some(text)
    }

    fn as_time(&mut self, name: &str, text: &str) -> Option<ExactTime> {
        ExactTime::parse(text).map_or_else(|error| self.wrong(name, &error), Some)
    }

    fn as_list(&mut self, name: &str, value: &'a Json<'a>) -> Option<&'a [Json<'a>]> {
        match value {
            Json::List(items) => Some(items),
            _ => self.wrong(name, &"must be a list"),
        }
    }

    /// Reads the objects of a list. Meanwhile `self` is the item's object.
    fn each<V>(
        &mut self,
        name: &str,
        items: &'a [Json<'a>],
        mut item: impl FnMut(&mut Self, usize) -> Option<V>,
    ) -> Vec<V> {
        let mut read = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(name));
            let Some(object) = value.as_object() else {
                self.faults.push(path, &NOT_AN_OBJECT);
                continue;
            };
            let outer_path = core::mem::replace(&mut self.path, path);
            let outer_object = core::mem::replace(&mut self.object, object);
            read.extend(item(self, index));
            self.path = outer_path;
            self.object = outer_object;
        }
        read
    }
}

impl Takes for Fields<'_> {
    fn text(&mut self, name: &'static str) -> Option<String> {
        self.optional_text(name).map(str::to_owned)
    }

    fn text_within(&mut self, name: &'static str, most_bytes: usize) -> Option<String> {
        let text = self.text(name)?;
        self.within(name, text, most_bytes)
    }

    fn required_words(&mut self, name: &'static str) -> Option<String> {
        let text = self.required_text(name)?;
        if text.trim().is_empty() {
            return self.wrong(name, &"must not be empty");
        }
        Some(text.to_owned())
    }

    fn required_words_within(&mut self, name: &'static str, most_bytes: usize) -> Option<String> {
        let text = self.required_words(name)?;
        self.within(name, text, most_bytes)
    }

    fn time(&mut self, name: &'static str) -> Option<UtcTime> {
        let text = self.optional_text(name)?;
        self.as_time(name, text).map(ExactTime::to_millis)
    }

    fn required_exact_time(&mut self, name: &'static str) -> Option<ExactTime> {
        let text = self.required_text(name)?;
        self.as_time(name, text)
    }

    fn required_phone_number(&mut self, name: &'static str) -> Option<PhoneNumber> {
        let text = self.required_text(name)?;
        PhoneNumber::parse(text).map_or_else(|error| self.wrong(name, &error), Some)
    }

    fn required_driver_id(&mut self, name: &'static str) -> Option<DriverId> {
        let id = match self.required(name)? {
            Json::Text(text) => DriverId::parse(text),
            Json::Number(number) => whole(*number).ok_or(DriverIdError).and_then(DriverId::new),
            _ => Err(DriverIdError),
        };
        id.map_or_else(|error| self.wrong(name, &error), Some)
    }

    fn required_speaker(&mut self, name: &'static str) -> Option<Speaker> {
        match Speaker::from_elevenlabs(self.required_text(name)?) {
            None => self.wrong(name, &"must be agent or user"),
            speaker => speaker,
        }
    }

    fn list<V>(
        &mut self,
        name: &'static str,
        item: impl FnMut(&mut Self, usize) -> Option<V>,
    ) -> Vec<V> {
        let value = self.object.get(name);
        let items = value.and_then(|value| self.as_list(name, value));
        self.each(name, items.unwrap_or_default(), item)
    }

    fn required_list<V>(
        &mut self,
        name: &'static str,
        most: usize,
        item: impl FnMut(&mut Self, usize) -> Option<V>,
    ) -> Option<Vec<V>> {
        let value = self.required(name)?;
        let items = self.as_list(name, value)?;
        if !(1..=most).contains(&items.len()) {
            let message = format_args!("must list 1 to {most} {name}, not {}", items.len());
            self.record(name, &message);
        }
        // Items beyond the greatest number are not read: the list is refused anyway.
        Some(self.each(name, items.get(..most).unwrap_or(items), item))
    }

    fn fault(&mut self, name: &'static str, message: &dyn Display) {
        self.record(name, message);
    }
}

/// A JSON number as an integer. In JSON `7` and `7.0` are the same number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "only integers up to 2^53 − 1 pass, and those are exact"
)]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= DriverId::MAX as f64).then_some(number as i64)
}
