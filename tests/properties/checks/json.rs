//! JSON, compared with serde_json's own values.

use call_ledger::json::{Json, into_text, replace_lone_surrogates};
use serde_json::Value;

/// Names that the reading of some members is tried with.
const NAMES: &[&str] = &["a", "data", "message", "role", "transcript", "é"];

pub fn check(data: &[u8]) {
    check_bytes(data);
    check_members(data);
    check_surrogates(data);
    let units: Vec<u16> = data
        .chunks(2)
        .map(|pair| u16::from(pair[0]) << 8 | u16::from(*pair.last().unwrap_or(&0)))
        .collect();
    check_units(&units);
}

/// Bytes are the same value for both, or JSON for neither.
pub fn check_bytes(data: &[u8]) {
    let value = serde_json::from_slice::<Value>(data);
    match (Json::read(data), value) {
        (Ok(json), Ok(value)) => assert_same(&json, &value),
        (Err(_), Err(_)) => {}
        (json, value) => panic!("{json:?} but {value:?}"),
    }
}

/// Reading only some members gives the same for those, and nothing for others.
fn check_members(data: &[u8]) {
    let some = Json::read_members(data, NAMES);
    if let Ok(mut value) = serde_json::from_slice::<Value>(data) {
        let some = some.unwrap_or_else(|error| panic!("{error}"));
        keep_members(&mut value, 0);
        assert_same(&some, &value);
    }
}

/// Deeper than this nothing of interest is nested.
const DEEPEST: usize = 32;

fn keep_members(value: &mut Value, depth: usize) {
    match value {
        _ if depth == DEEPEST => *value = Value::Null,
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                keep_members(value, depth + 1);
                if !NAMES.contains(&name.as_str()) {
                    *value = Value::Null;
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| keep_members(item, depth + 1)),
        _ => {}
    }
}

pub fn assert_same(json: &Json<'_>, value: &Value) {
    match (json, value) {
        (Json::Null, Value::Null) => {}
        (Json::Bool(one), Value::Bool(other)) => assert_eq!(one, other),
        (Json::Number(one), Value::Number(other)) => {
            assert_eq!(
                Some(one.to_bits()),
                other.as_f64().map(f64::to_bits),
                "{other}"
            );
        }
        (Json::Text(one), Value::String(other)) => assert_eq!(one, other),
        (Json::List(items), Value::Array(others)) => {
            assert_eq!(items.len(), others.len());
            for (item, other) in items.iter().zip(others) {
                assert_same(item, other);
            }
        }
        (Json::Object(object), Value::Object(members)) => {
            for (name, member) in members {
                match object.get(name) {
                    Some(found) => assert_same(found, member),
                    None => assert!(member.is_null(), "{name:?} is lost"),
                }
            }
        }
        _ => panic!("{json:?} is not {value}"),
    }
}

/// Replacing lone surrogates is idempotent, changes nothing in a text that is already valid, and
/// loses no text.
fn check_surrogates(data: &[u8]) {
    let mut once = data.to_vec();
    replace_lone_surrogates(&mut once);
    let mut twice = once.clone();
    replace_lone_surrogates(&mut twice);
    assert_eq!(twice, once);
    if serde_json::from_slice::<Value>(data).is_ok() {
        assert_eq!(once, data);
    }
    let text = into_text(data.to_vec());
    assert_eq!(text.is_some(), core::str::from_utf8(data).is_ok());
    assert_eq!(text.map_or_else(|| once.clone(), String::into_bytes), once);
}

/// Code units, each written as an escape, are the text that UTF-16 has for them; half pairs are
/// the replacement character.
pub fn check_units(units: &[u16]) {
    let escapes: Vec<String> = units.iter().map(|unit| format!("\\u{unit:04X}")).collect();
    let mut body = format!("\"{}\"", escapes.concat()).into_bytes();
    replace_lone_surrogates(&mut body);
    let read = Json::read(&body).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read.as_text(), Some(&*String::from_utf16_lossy(units)));
}
