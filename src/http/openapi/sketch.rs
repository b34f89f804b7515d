//! What a request may hold, as its own readers tell it.

use schemars::json_schema;
use serde_json::{Map, Value, json};

use crate::http::fields::Faults;
use crate::http::query::Query;
use crate::json::{Json, Object};
use crate::model::schemas;

/// What a reader of [`crate::http::fields::Fields`] takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text or none.
    Text,
    /// A text that is not blank.
    RequiredWords,
    /// A time or none.
    Time,
    /// A time.
    RequiredTime,
    /// A telephone number.
    RequiredPhoneNumber,
    /// A driver's number.
    RequiredDriverId,
    /// ElevenLabs' word for a speaker.
    RequiredSpeaker,
    /// A list or none.
    List,
    /// A list of 1 to so many items.
    RequiredList(usize),
}

/// The only item of every list while its reader is asked what it takes.
pub const ONE_ITEM: &[Json<'static>] = &[Json::Object(Object::EMPTY)];

/// The fields that readers have named: path and kind.
#[derive(Debug, Default)]
pub struct Sketch(Vec<(String, Kind)>);

impl Sketch {
    /// Notes a field.
    pub fn note(&mut self, path: String, kind: Kind) {
        self.0.push((path, kind));
    }
}

/// The schema of the body that this function reads.
pub fn body<T>(read: fn(&Json<'_>, &mut Faults) -> Option<T>) -> Value {
    let mut faults = Faults::default();
    faults.sketch = Some(Sketch::default());
    let _ = read(&Json::Object(Object::EMPTY), &mut faults);
    let mut root = object();
    for (path, kind) in faults.sketch.unwrap_or_default().0 {
        let (schema, required) = schema(kind);
        let (parents, name) = path.rsplit_once('.').unwrap_or(("", &path));
        let pointer: String = parents
            .split('.')
            .filter_map(|parent| parent.strip_suffix("[0]"))
            .map(|list| format!("/properties/{list}/items"))
            .collect();
        if let Some(parent) = root.pointer_mut(&pointer) {
            if let Some(Value::Object(properties)) = parent.get_mut("properties") {
                properties.insert(name.to_owned(), schema);
            }
            if let Some(Value::Array(names)) = parent.get_mut("required").filter(|_| required) {
                names.push(name.into());
            }
        }
    }
    root
}

fn object() -> Value {
    json!({ "type": "object", "properties": {}, "required": [] })
}

/// The schema, and whether the field must be there.
fn schema(kind: Kind) -> (Value, bool) {
    let schema = match kind {
        Kind::Text => return (json!({ "type": ["string", "null"] }), false),
        Kind::Time => {
            let mut schema = schemas::time_taken();
            schema.insert("type".to_owned(), json!(["string", "null"]));
            return (schema.to_value(), false);
        }
        Kind::List => {
            return (
                json!({ "type": ["array", "null"], "items": object() }),
                false,
            );
        }
        Kind::RequiredWords => json_schema!({ "type": "string", "pattern": r"\S" }),
        Kind::RequiredTime => schemas::time_taken(),
        Kind::RequiredPhoneNumber => schemas::phone_number_taken(),
        Kind::RequiredDriverId => schemas::driver_id_taken(),
        Kind::RequiredSpeaker => schemas::speaker_taken(),
        Kind::RequiredList(most) => json_schema!({
            "type": "array", "minItems": 1, "maxItems": most, "items": object(),
        }),
    };
    (schema.to_value(), true)
}

/// What a reader of [`Query`] takes.
#[derive(Debug, Clone, Copy)]
pub enum Parameter {
    /// A call's status.
    Status,
    /// A driver's number.
    DriverId,
    /// A time, and what it means.
    Time(&'static str),
    /// A number from 1 on.
    Number {
        /// The greatest one.
        greatest: i64,
        /// What it is where it is not given.
        default: i64,
    },
    /// The `next_cursor` of a page.
    Cursor,
}

/// The parameters that readers have named.
pub type QuerySketch = Vec<(&'static str, Parameter)>;

/// The parameters of the query that this function reads.
pub fn query<T>(read: fn(&mut Query<'_>) -> T) -> Vec<Value> {
    let mut query = Query::of("");
    query.sketch = Some(QuerySketch::new());
    let _ = read(&mut query);
    let parameter = |(name, parameter): (&str, Parameter)| {
        let (description, schema) = match parameter {
            Parameter::Status => ("Only calls of this status.", schemas::status_taken()),
            Parameter::DriverId => ("Only this driver's calls.", schemas::driver_id_digits()),
            Parameter::Time(meaning) => (meaning, schemas::time_taken()),
            Parameter::Number { greatest, default } => (
                "The most items of a page.",
                json_schema!({ "type": "integer", "minimum": 1, "maximum": greatest, "default": default }),
            ),
            Parameter::Cursor => (
                "The next_cursor of the page before, unchanged.",
                json_schema!({ "type": "string", "pattern": "^([0-9A-Fa-f]{2})+$", "maxLength": 1000 }),
            ),
        };
        let mut described = Map::new();
        described.insert("name".to_owned(), name.into());
        described.insert("in".to_owned(), "query".into());
        described.insert("description".to_owned(), description.into());
        // An empty value counts as none.
        described.insert("allowEmptyValue".to_owned(), true.into());
        described.insert("schema".to_owned(), schema.to_value());
        Value::Object(described)
    };
    let parameters = query.sketch.unwrap_or_default().into_iter();
    parameters.map(parameter).collect()
}
