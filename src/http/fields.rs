//! Reading a JSON body field by field, naming every fault instead of only the first.

use serde::Serialize;

use crate::json::{Json, Object};
use crate::model::{TimeError, UtcTime};

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The field's path from the body's root, such as `drivers[0].phoneNumber`.
    pub field: String,
    /// What it must be.
    pub message: String,
}

/// A JSON object being read. Each reader returns the value, or notes a fault and returns `None`.
#[derive(Debug)]
pub struct Fields<'a> {
    path: String,
    object: &'a Object<'a>,
}

impl<'a> Fields<'a> {
    /// The object at this path; the root's path is empty.
    pub fn of(value: &'a Json<'a>, path: String, faults: &mut Vec<Fault>) -> Option<Self> {
        if let Some(object) = value.as_object() {
            return Some(Self { path, object });
        }
        let field = if path.is_empty() {
            "body".to_owned()
        } else {
            path
        };
        faults.push(Fault {
            field,
            message: "must be a JSON object".to_owned(),
        });
        None
    }

    /// The path of a field of this object.
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Notes a fault of a field of this object.
    pub fn fault(&self, name: &str, message: impl ToString, faults: &mut Vec<Fault>) {
        faults.push(Fault {
            field: self.path(name),
            message: message.to_string(),
        });
    }

    /// A field's value; `None` when it is absent or null.
    pub fn get(&self, name: &str) -> Option<&'a Json<'a>> {
        self.object.get(name)
    }

    /// A field that must be there.
    pub fn required(&self, name: &str, faults: &mut Vec<Fault>) -> Option<&'a Json<'a>> {
        let value = self.get(name);
        if value.is_none() {
            self.fault(name, "is required", faults);
        }
        value
    }

    /// A text that may be absent.
    pub fn text(&self, name: &str, faults: &mut Vec<Fault>) -> Option<&'a str> {
        self.get(name)
            .and_then(|value| self.as_text(name, value, faults))
    }

    /// A text that must be there.
    pub fn required_text(&self, name: &str, faults: &mut Vec<Fault>) -> Option<&'a str> {
        self.required(name, faults)
            .and_then(|value| self.as_text(name, value, faults))
    }

    /// A text that must be there and hold more than white space.
    pub fn required_words(&self, name: &str, faults: &mut Vec<Fault>) -> Option<&'a str> {
        let text = self.required_text(name, faults)?;
        if text.trim().is_empty() {
            self.fault(name, "must not be empty", faults);
            return None;
        }
        Some(text)
    }

    /// A time that must be there.
    pub fn required_time(&self, name: &str, faults: &mut Vec<Fault>) -> Option<UtcTime> {
        let text = self.required_text(name, faults)?;
        self.as_time(name, text, faults)
    }

    /// A time that may be absent.
    pub fn time(&self, name: &str, faults: &mut Vec<Fault>) -> Option<UtcTime> {
        let text = self.text(name, faults)?;
        self.as_time(name, text, faults)
    }

    /// A list that may be absent; then it is empty.
    pub fn list(&self, name: &str, faults: &mut Vec<Fault>) -> &'a [Json<'a>] {
        match self.get(name) {
            None => &[],
            Some(Json::List(items)) => items,
            Some(_) => {
                self.fault(name, "must be a list", faults);
                &[]
            }
        }
    }

    fn as_text(&self, name: &str, value: &'a Json<'a>, faults: &mut Vec<Fault>) -> Option<&'a str> {
        let text = value.as_text();
        if text.is_none() {
            self.fault(name, "must be a string", faults);
        }
        text
    }

    fn as_time(&self, name: &str, text: &str, faults: &mut Vec<Fault>) -> Option<UtcTime> {
        UtcTime::parse(text)
            .map_err(|error: TimeError| self.fault(name, error, faults))
            .ok()
    }
}
