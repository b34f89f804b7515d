//! Reading payloads that do not keep to their schema.
//!
//! ElevenLabs' published payloads have nulls, floats and extra fields where the schema has
//! none. A field that is not what it should be is read as absent, and what is not asked for is
//! passed over without being copied: an event may be 32 MiB long.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// A JSON object whose values are still text.
#[derive(Debug, Default)]
pub struct Object<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Object<'a> {
    /// Reads the outermost level of a JSON text; `None` when it is no object.
    pub fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    /// The JSON text of a value; `null` when it is absent.
    pub fn raw(&self, name: &str) -> &'a str {
        self.0.get(name).map_or("null", |value| value.get())
    }

    /// An object; an empty one when it is absent.
    pub fn object(&self, name: &str) -> Self {
        Self::parse(self.raw(name)).unwrap_or_default()
    }

    /// The objects of a list, other members left out; `None` when there is no list.
    pub fn objects(&self, name: &str) -> Option<Vec<Self>> {
        let items: Vec<&'a RawValue> = serde_json::from_str(self.raw(name)).ok()?;
        let objects = items.into_iter().filter_map(|item| Self::parse(item.get()));
        Some(objects.collect())
    }

    /// A text that holds more than white space.
    pub fn text(&self, name: &str) -> Option<String> {
        let text: String = serde_json::from_str(self.raw(name)).ok()?;
        (!text.trim().is_empty()).then_some(text)
    }

    /// `true` where it is.
    pub fn is_true(&self, name: &str) -> bool {
        self.raw(name) == "true"
    }

    /// A number, or a text that is one.
    pub fn number(&self, name: &str) -> Option<f64> {
        let raw = self.raw(name);
        let read = |json: &str| serde_json::from_str::<f64>(json).ok();
        read(raw).or_else(|| read(self.text(name)?.trim()))
    }
}
