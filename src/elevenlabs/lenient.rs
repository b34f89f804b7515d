//! Reading payloads that do not keep to their schema.
//!
//! ElevenLabs' published payloads have nulls, floats and extra fields where the schema has
//! none. A field that is not what it should be is read as absent, and everything unknown is
//! passed over without being copied: an event may be 32 MiB long.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

/// Any value: `Some` where it is a `T`, else `None`.
///
/// # Errors
/// Only where the text is no JSON at all.
pub fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// Any value: the members of a list that are a `T`; `None` where it is no list.
///
/// # Errors
/// Only where the text is no JSON at all.
pub fn list<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    let items: Option<Vec<&RawValue>> = serde_json::from_str(raw.get()).ok();
    let read = |item: &RawValue| serde_json::from_str(item.get()).ok();
    Ok(items.map(|items| items.into_iter().filter_map(read).collect()))
}

/// A number, or a text that is one.
///
/// # Errors
/// Only where the text is no JSON at all.
pub fn number<'de, D>(deserializer: D) -> Result<Option<f64>, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    let number = serde_json::from_str(raw.get()).ok().or_else(|| {
        let text: String = serde_json::from_str(raw.get()).ok()?;
        text.trim().parse().ok()
    });
    Ok(number.filter(|number: &f64| number.is_finite()))
}
