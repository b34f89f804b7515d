//! Reading a JSON body field by field, naming every fault instead of only the first.
//!
//! On the host the same readers also describe what they take, for `openapi.json`: then each notes
//! its field and reads nothing.

use serde::Serialize;

use crate::json::{Json, Object};
use crate::model::{DriverId, DriverIdError, ExactTime, PhoneNumber, Speaker, TimeError, UtcTime};

#[cfg(not(target_arch = "wasm32"))]
use super::openapi::sketch::{self, Sketch};

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Fault {
    /// The field's path from the body's root, such as `drivers[0].phoneNumber`.
    pub field: String,
    /// What it must be.
    pub message: String,
}

/// How many faults an answer names; of more it gives only the number. A body of 1 MiB has room
/// for 300,000 faults, and each of them becomes about a hundred bytes of the answer.
pub const MAX_FAULTS: usize = 100;

/// The faults of a request as they are found.
#[derive(Debug, Default)]
pub struct Faults {
    /// The first [`MAX_FAULTS`] of them.
    found: Vec<Fault>,
    /// How many there are.
    count: usize,
    /// What the readers take, where they are asked for that instead of for values.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) sketch: Option<Sketch>,
}

impl Faults {
    /// What was read, if all of it is right.
    ///
    /// # Errors
    /// The faults.
    pub fn or<T>(self, read: Option<T>) -> Result<T, Self> {
        match read {
            Some(read) if self.count == 0 => Ok(read),
            _ => Err(self),
        }
    }

    /// The first [`MAX_FAULTS`] faults, and how many there are.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Fault>, usize) {
        (self.found, self.count)
    }

    /// Counts a fault, and keeps its texts if it is one of the first.
    pub(super) fn push(&mut self, field: impl FnOnce() -> String, message: impl ToString) {
        self.count += 1;
        if self.found.len() < MAX_FAULTS {
            self.found.push(Fault {
                field: field(),
                message: message.to_string(),
            });
        }
    }
}

/// Where readers are asked what they take: notes this field and ends the reader with nothing.
macro_rules! describe {
    ($faults:ident, $fields:ident, $name:ident, $kind:expr) => {
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(sketch) = &mut $faults.sketch {
            sketch.note($fields.path($name), $kind);
            return Default::default();
        }
    };
}

/// A JSON object being read. Each reader returns the value, or notes a fault and returns `None`.
#[derive(Debug)]
pub struct Fields<'a> {
    path: String,
    object: &'a Object<'a>,
}

impl<'a> Fields<'a> {
    /// The object at this path; the root's path is empty.
    pub fn of(value: &'a Json<'a>, path: String, faults: &mut Faults) -> Option<Self> {
        if let Some(object) = value.as_object() {
            return Some(Self { path, object });
        }
        let field = || {
            if path.is_empty() {
                "body".to_owned()
            } else {
                path
            }
        };
        faults.push(field, "must be a JSON object");
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
    pub fn fault(&self, name: &str, message: impl ToString, faults: &mut Faults) {
        faults.push(|| self.path(name), message);
    }

    /// A field's value; `None` when it is absent or null.
    fn get(&self, name: &str) -> Option<&'a Json<'a>> {
        self.object.get(name)
    }

    /// A field that must be there.
    fn required(&self, name: &str, faults: &mut Faults) -> Option<&'a Json<'a>> {
        let value = self.get(name);
        if value.is_none() {
            self.fault(name, "is required", faults);
        }
        value
    }

    /// A text that may be absent.
    pub fn text(&self, name: &str, faults: &mut Faults) -> Option<&'a str> {
        describe!(faults, self, name, sketch::Kind::Text);
        self.get(name)
            .and_then(|value| self.as_text(name, value, faults))
    }

    /// A text that must be there and hold more than white space.
    pub fn required_words(&self, name: &str, faults: &mut Faults) -> Option<&'a str> {
        describe!(faults, self, name, sketch::Kind::RequiredWords);
        let text = self.required_text(name, faults)?;
        if text.trim().is_empty() {
            self.fault(name, "must not be empty", faults);
            return None;
        }
        Some(text)
    }

    /// A time that must be there.
    pub fn required_time(&self, name: &str, faults: &mut Faults) -> Option<UtcTime> {
        self.required_exact_time(name, faults)
            .map(ExactTime::to_millis)
    }

    /// A time that must be there, as finely as it is written.
    pub fn required_exact_time(&self, name: &str, faults: &mut Faults) -> Option<ExactTime> {
        describe!(faults, self, name, sketch::Kind::RequiredTime);
        let text = self.required_text(name, faults)?;
        self.as_time(name, text, faults)
    }

    /// A time that may be absent.
    pub fn time(&self, name: &str, faults: &mut Faults) -> Option<UtcTime> {
        describe!(faults, self, name, sketch::Kind::Time);
        let text = self.text(name, faults)?;
        self.as_time(name, text, faults).map(ExactTime::to_millis)
    }

    /// A telephone number that must be there.
    pub fn required_phone_number(&self, name: &str, faults: &mut Faults) -> Option<PhoneNumber> {
        describe!(faults, self, name, sketch::Kind::RequiredPhoneNumber);
        let text = self.required_text(name, faults)?;
        PhoneNumber::parse(text)
            .map_err(|error| self.fault(name, error, faults))
            .ok()
    }

    /// A driver's number that must be there: a number, or its digits as a text.
    pub fn required_driver_id(&self, name: &str, faults: &mut Faults) -> Option<DriverId> {
        describe!(faults, self, name, sketch::Kind::RequiredDriverId);
        let id = match self.required(name, faults)? {
            Json::Text(text) => DriverId::parse(text),
            Json::Number(number) => whole(*number).ok_or(DriverIdError).and_then(DriverId::new),
            _ => Err(DriverIdError),
        };
        id.map_err(|error| self.fault(name, error, faults)).ok()
    }

    /// ElevenLabs' word for a speaker, which must be there.
    pub fn required_speaker(&self, name: &str, faults: &mut Faults) -> Option<Speaker> {
        describe!(faults, self, name, sketch::Kind::RequiredSpeaker);
        let speaker = Speaker::from_elevenlabs(self.required_text(name, faults)?);
        if speaker.is_none() {
            self.fault(name, "must be agent or user", faults);
        }
        speaker
    }

    /// A list that may be absent; then it is empty.
    pub fn list(&self, name: &str, faults: &mut Faults) -> &'a [Json<'a>] {
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(sketch) = &mut faults.sketch {
            sketch.note(self.path(name), sketch::Kind::List);
            return sketch::ONE_ITEM;
        }
        match self.get(name) {
            None => &[],
            Some(Json::List(items)) => items,
            Some(_) => {
                self.fault(name, "must be a list", faults);
                &[]
            }
        }
    }

    /// A list of one to so many items that must be there. Of a longer one, which is a fault, no
    /// more items are given than that.
    pub fn required_list(
        &self,
        name: &str,
        most: usize,
        faults: &mut Faults,
    ) -> Option<&'a [Json<'a>]> {
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(sketch) = &mut faults.sketch {
            sketch.note(self.path(name), sketch::Kind::RequiredList(most));
            return Some(sketch::ONE_ITEM);
        }
        self.required(name, faults)?;
        let before = faults.count;
        let items = self.list(name, faults);
        if faults.count == before && !(1..=most).contains(&items.len()) {
            let message = format!("must list 1 to {most} {name}, not {}", items.len());
            self.fault(name, message, faults);
        }
        items.get(..most).or(Some(items))
    }

    fn required_text(&self, name: &str, faults: &mut Faults) -> Option<&'a str> {
        self.required(name, faults)
            .and_then(|value| self.as_text(name, value, faults))
    }

    fn as_text(&self, name: &str, value: &'a Json<'a>, faults: &mut Faults) -> Option<&'a str> {
        let text = value.as_text();
        if text.is_none() {
            self.fault(name, "must be a string", faults);
        }
        text
    }

    fn as_time(&self, name: &str, text: &str, faults: &mut Faults) -> Option<ExactTime> {
        ExactTime::parse(text)
            .map_err(|error: TimeError| self.fault(name, error, faults))
            .ok()
    }
}

/// A JSON number as a whole number. JSON does not tell `7` from `7.0`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "only whole numbers up to 2^53 − 1 pass, and those are exact"
)]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= DriverId::MAX as f64).then_some(number as i64)
}
