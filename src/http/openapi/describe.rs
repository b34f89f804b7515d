//! Describes bodies and queries with the same functions that read them.

use core::fmt::Display;

use schemars::{Schema, json_schema};
use serde_json::{Map, Value, json};

use crate::http::takes::{Takes, TakesQuery};
use crate::model::{CallStatus, DriverId, ExactTime, PhoneNumber, Speaker, UtcTime, schemas};
use crate::store::reading::Position;

/// The schema of the body that this function takes.
pub fn body<V>(takes: impl FnOnce(&mut ObjectSchema) -> Option<V>) -> Value {
    let mut object = ObjectSchema::default();
    // The function returns nothing, because it gets no values. Only the schema counts.
    let _ = takes(&mut object);
    object.into_value()
}

/// The schema of an object, field by field.
#[derive(Debug, Default)]
pub struct ObjectSchema {
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl ObjectSchema {
    fn into_value(self) -> Value {
        json!({ "type": "object", "properties": self.properties, "required": self.required })
    }

    fn optional<V>(&mut self, name: &str, schema: Value) -> Option<V> {
        self.properties.insert(name.to_owned(), schema);
        None
    }

    fn required<V>(&mut self, name: &str, schema: Schema) -> Option<V> {
        self.required.push(name.into());
        self.optional(name, schema.to_value())
    }

    /// The schema of a list's items, as `item` takes them.
    fn items<V>(mut item: impl FnMut(&mut Self, usize) -> Option<V>) -> Value {
        body(|object| item(object, 0))
    }
}

fn words() -> Schema {
    json_schema!({ "type": "string", "pattern": r"\S" })
}

impl Takes for ObjectSchema {
    fn text(&mut self, name: &'static str) -> Option<String> {
        self.optional(name, json!({ "type": ["string", "null"] }))
    }

    // JSON Schema counts characters. A text never has more characters than bytes.
    fn text_within(&mut self, name: &'static str, most_bytes: usize) -> Option<String> {
        let schema = json!({ "type": ["string", "null"], "maxLength": most_bytes });
        self.optional(name, schema)
    }

    fn required_words(&mut self, name: &'static str) -> Option<String> {
        self.required(name, words())
    }

    fn required_words_within(&mut self, name: &'static str, most_bytes: usize) -> Option<String> {
        let mut schema = words();
        schema.insert("maxLength".to_owned(), most_bytes.into());
        self.required(name, schema)
    }

    fn time(&mut self, name: &'static str) -> Option<UtcTime> {
        let mut schema = schemas::time_taken();
        schema.insert("type".to_owned(), json!(["string", "null"]));
        self.optional(name, schema.to_value())
    }

    fn required_exact_time(&mut self, name: &'static str) -> Option<ExactTime> {
        self.required(name, schemas::time_taken())
    }

    fn required_phone_number(&mut self, name: &'static str) -> Option<PhoneNumber> {
        self.required(name, schemas::phone_number_taken())
    }

    fn required_driver_id(&mut self, name: &'static str) -> Option<DriverId> {
        self.required(name, schemas::driver_id_taken())
    }

    fn required_speaker(&mut self, name: &'static str) -> Option<Speaker> {
        self.required(name, schemas::speaker_taken())
    }

    fn list<V>(
        &mut self,
        name: &'static str,
        item: impl FnMut(&mut Self, usize) -> Option<V>,
    ) -> Vec<V> {
        let schema = json!({ "type": ["array", "null"], "items": Self::items(item) });
        self.optional(name, schema).unwrap_or_default()
    }

    fn required_list<V>(
        &mut self,
        name: &'static str,
        most: usize,
        item: impl FnMut(&mut Self, usize) -> Option<V>,
    ) -> Option<Vec<V>> {
        let items = Self::items(item);
        let schema = json_schema!({
            "type": "array", "minItems": 1, "maxItems": most, "items": items,
        });
        self.required(name, schema)
    }

    fn fault(&mut self, _: &'static str, _: &dyn Display) {}
}

/// The parameters of the query that this function takes.
pub fn query<V>(takes: impl FnOnce(&mut Parameters) -> V) -> Vec<Value> {
    let mut parameters = Parameters::default();
    let _ = takes(&mut parameters);
    parameters.0
}

/// The parameters of a query.
#[derive(Debug, Default)]
pub struct Parameters(Vec<Value>);

impl Parameters {
    fn push<V>(&mut self, name: &str, description: &str, schema: Schema) -> Option<V> {
        self.0.push(json!({
            "name": name,
            "in": "query",
            "description": description,
            // An empty value counts as absent.
            "allowEmptyValue": true,
            "schema": schema,
        }));
        None
    }
}

impl TakesQuery for Parameters {
    fn status(&mut self, name: &'static str) -> Option<CallStatus> {
        self.push(name, "Only calls of this status.", schemas::status_taken())
    }

    fn driver_id(&mut self, name: &'static str) -> Option<DriverId> {
        let schema = schemas::driver_id_digits();
        self.push(name, "Only this driver's calls.", schema)
    }

    fn time(&mut self, name: &'static str, meaning: &'static str) -> Option<UtcTime> {
        self.push(name, meaning, schemas::time_taken())
    }

    fn number(&mut self, name: &'static str, greatest: i64, default: i64) -> i64 {
        let schema = json_schema!({
            "type": "integer", "minimum": 1, "maximum": greatest, "default": default,
        });
        let number = self.push(name, "Maximum number of items of a page.", schema);
        number.unwrap_or(default)
    }

    fn cursor(&mut self, name: &'static str) -> Option<Position> {
        let schema = json_schema!({
            "type": "string", "pattern": "^([0-9A-Fa-f]{2})+$", "maxLength": 1000,
        });
        let description = "The next_cursor of the previous page, unchanged.";
        self.push(name, description, schema)
    }
}
