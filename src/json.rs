//! Reads JSON: request bodies, ElevenLabs' payloads, rows of the database.
//!
//! All JSON is parsed into the one type [`Json`]. A derived parser for each type would add some
//! kilobytes per type to the bundle.

use core::fmt;
use std::borrow::Cow;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// A JSON value. Texts without escapes are not copied.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Json<'a> {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number. Integers are exact up to 2^53.
    Number(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Object(Object<'a>),
}

/// A JSON object. If a name is repeated, the last member counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Object<'a> {
    /// A member's value; `None` if the member is absent or null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        let mut members = self.0.iter().rev();
        let (_, value) = members.find(|(known, _)| known == name)?;
        Some(value).filter(|value| **value != Json::Null)
    }

    /// Moves a member's value out and leaves null. Returns null if there is no such member.
    pub fn take(&mut self, name: &str) -> Json<'a> {
        let mut members = self.0.iter_mut().rev();
        let found = members.find(|(known, _)| known == name);
        found.map_or(Json::Null, |(_, value)| core::mem::take(value))
    }
}

impl<'a> Json<'a> {
    /// Parses a JSON text, nested at most 128 levels deep.
    ///
    /// # Errors
    /// [`serde_json::Error`], with the place where the text stops being JSON in UTF-8.
    pub fn read(json: &'a [u8]) -> serde_json::Result<Self> {
        read(json, None)
    }

    /// Parses a JSON text and keeps only the members with these names, at any level. The parser
    /// skips the other members without copying them, whatever they contain. A number that does
    /// not fit into a double is read as null. So is a value that is nested deeper than any member
    /// that the ledger uses.
    ///
    /// # Errors
    /// As [`Json::read`], and if an exponent has more than 32 bits.
    pub fn read_members(
        json: &'a [u8],
        names: &'static [&'static str],
    ) -> serde_json::Result<Self> {
        read(json, Some(names))
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub const fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The object, if it is one.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }
}

fn read<'a>(
    json: &'a [u8],
    names: Option<&'static [&'static str]>,
) -> serde_json::Result<Json<'a>> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let reader = Reader {
        names,
        depth: DEEPEST,
    };
    let value = reader.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Maximum nesting of the members that are kept. Those of ElevenLabs' payloads are nested 8 levels
/// deep. The parser's own limit is 128.
const DEEPEST: u8 = 32;

#[derive(Clone, Copy)]
struct Reader {
    /// The members to keep; `None` keeps all.
    names: Option<&'static [&'static str]>,
    /// How many more levels it reads, if it does not keep all members.
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        if self.names.is_none() {
            return deserializer.deserialize_any(self);
        }
        if self.depth == 0 {
            IgnoredAny::deserialize(deserializer)?;
            return Ok(Json::Null);
        }
        let inner = Self {
            depth: self.depth - 1,
            ..self
        };
        match deserializer.deserialize_any(inner) {
            // The parser reports this after the number, so the rest of the text can be parsed.
            Err(error) if error.to_string().starts_with("number out of range") => Ok(Json::Null),
            read => read,
        }
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, as promised")]
    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, as promised")]
    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut members = Vec::new();
        let key = Self {
            names: None,
            ..self
        };
        while let Some(Json::Text(name)) = map.next_key_seed(key)? {
            if self.names.is_none_or(|names| names.contains(&&*name)) {
                members.push((name, map.next_value_seed(self)?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Json::Object(Object(members)))
    }
}

/// A body as JSON text, with lone surrogates replaced as by [`replace_lone_surrogates`]; `None`
/// when it is not UTF-8.
#[must_use]
pub fn into_text(mut body: Vec<u8>) -> Option<String> {
    replace_lone_surrogates(&mut body);
    String::from_utf8(body).ok()
}

/// Replaces every lone surrogate escape of a JSON text with `\ufffd`, the replacement character.
///
/// A `\u` escape that is half a surrogate pair is valid JSON grammar but not valid Unicode. A
/// sender that cuts a text in the middle of an emoji writes one. Refusing it would lose the turn.
pub fn replace_lone_surrogates(body: &mut [u8]) {
    // Most bodies have no surrogate escape at all. This search is faster than the loop below.
    let is_candidate = |bytes: &[u8]| matches!(bytes, [b'\\', b'u', b'D' | b'd']);
    if !body.windows(3).any(is_candidate) {
        return;
    }
    let mut at = 0;
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        at += match (rest, escape(rest), rest.get(6..).and_then(escape)) {
            // A pair: two escapes of 6 bytes each.
            (_, Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (_, Some(0xD800..=0xDFFF), _) => {
                if let Some(place) = body.get_mut(at..at + 6) {
                    place.copy_from_slice(b"\\ufffd");
                }
                6
            }
            // Two bytes at a time over any other escape, so that the `\u` in `\\u` is not read as
            // one.
            ([b'\\', ..], _, _) => 2,
            _ => 1,
        };
    }
}

/// The code unit of a `\uXXXX` at the start of these bytes.
fn escape(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::{Json, Object, replace_lone_surrogates};

    fn object<'a>(json: &'a Json<'a>) -> &'a Object<'a> {
        json.as_object().unwrap()
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let json = br#"{"a":null,"b":true,"c":-1.5e1,"d":"x\u00e9","e":[1,{}],"f":9007199254740992,"b":false}"#;
        let mut json = Json::read(json).unwrap();
        let fields = object(&json);
        assert_eq!(fields.get("a"), None);
        assert_eq!(fields.get("b"), Some(&Json::Bool(false)));
        assert_eq!(fields.get("c").unwrap().as_number(), Some(-15.0));
        assert_eq!(fields.get("d").unwrap().as_text(), Some("xé"));
        let items = vec![Json::Number(1.0), Json::Object(Object::default())];
        assert_eq!(fields.get("e"), Some(&Json::List(items)));
        assert_eq!(
            fields.get("f").unwrap().as_number(),
            Some(9_007_199_254_740_992.0)
        );
        assert_eq!(fields.get("g"), None);
        let Json::Object(fields) = &mut json else {
            panic!("no object");
        };
        assert_eq!(fields.take("d").as_text(), Some("xé"));
        assert_eq!(fields.take("d"), Json::Null);
    }

    #[test]
    fn members_that_are_not_asked_for_are_passed_over_whatever_they_hold() {
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        let json = format!(r#"{{"x":{deep},"y":1e999,"z":"\ud800","a":[{{"a":1,"b":2}}]}}"#);
        let json = Json::read_members(json.as_bytes(), &["a"]).unwrap();
        let kept = Json::read(br#"{"a":[{"a":1}]}"#).unwrap();
        assert_eq!(json, kept);
    }

    #[test]
    fn a_member_that_cannot_be_read_loses_only_itself() {
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        let nines = "9".repeat(400);
        let json = format!(
            r#"{{"a":1e999,"b":[-1e400,{nines},2,{nines}.5E3],"c":{},"d":{{"a":"x"}}}}"#,
            deep(1000)
        );
        let names = &["a", "b", "c", "d"];
        let json = Json::read_members(json.as_bytes(), names).unwrap();
        let fields = object(&json);
        assert_eq!(fields.get("a"), None);
        let items = vec![Json::Null, Json::Null, Json::Number(2.0), Json::Null];
        assert_eq!(fields.get("b"), Some(&Json::List(items)));
        assert!(matches!(fields.get("c"), Some(Json::List(_))));
        let inner = object(fields.get("d").unwrap()).get("a");
        assert_eq!(inner.unwrap().as_text(), Some("x"));
        for broken in [
            r#"{"a":1e999.5}"#,
            r#"{"a":1e999x}"#,
            r#"{"a":1e999"#,
            "1e999 1",
        ] {
            assert!(Json::read_members(broken.as_bytes(), names).is_err());
        }
        // A body has to be right as a whole.
        assert!(Json::read(b"[1e999]").is_err());
        assert!(Json::read(deep(1000).as_bytes()).is_err());
    }

    #[test]
    fn what_follows_the_value_is_refused() {
        assert!(Json::read(b"{} {}").is_err());
        assert!(Json::read(b"[1] ").is_ok());
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        for (body, text) in [
            (r#""a\ud83d b""#, "a\u{fffd} b"),
            (r#""\udc00\ud83d\ude00\ud83d""#, "\u{fffd}😀\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\\ud83d \ud83d""#, "\\ud83d \u{fffd}"),
        ] {
            let mut body = body.as_bytes().to_vec();
            replace_lone_surrogates(&mut body);
            assert_eq!(Json::read(&body).unwrap().as_text(), Some(text));
        }
    }
}
