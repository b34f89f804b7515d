//! The JSON schemas of the model's values, for `openapi.json`: of what is answered, and of what is
//! accepted. The linker leaves this module out of the worker.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    CallSid, CallStatus, DriverId, DriverIdError, PhoneNumberError, Speaker, StoredTime, TimeError,
    UtcTime,
};

impl JsonSchema for CallSid {
    fn schema_name() -> Cow<'static, str> {
        "CallSid".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // No pattern: the names that migration 0002 gave to older calls have another form.
        json_schema!({
            "description": "The id of one call attempt: EL_{driver}_{time}. The time is the \
                            timestamp of the request that placed the call, in UTC.",
            "type": "string",
            "examples": ["EL_12345_2025-11-21T10:30:00Z"],
        })
    }
}

impl JsonSchema for UtcTime {
    fn schema_name() -> Cow<'static, str> {
        "UtcTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A point in time in UTC with milliseconds.",
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
            "examples": ["2025-11-21T10:30:05.000Z"],
        })
    }
}

impl JsonSchema for StoredTime {
    fn schema_name() -> Cow<'static, str> {
        "StoredTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A point in time in UTC with milliseconds. A row that is older than \
                            Call Ledger may have a text that is not a time; it is returned \
                            unchanged.",
            "type": "string",
            "examples": ["2025-11-21T10:30:05.000Z"],
        })
    }
}

/// What [`UtcTime::parse`] accepts.
#[must_use]
pub fn time_taken() -> Schema {
    json_schema!({
        "description": format!("{}; without an offset it is UTC", TimeError::NotRfc3339),
        "type": "string",
        "pattern": r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})?$",
        "examples": ["2025-11-21T10:30:00Z"],
    })
}

/// What [`super::PhoneNumber::parse`] accepts.
#[must_use]
pub fn phone_number_taken() -> Schema {
    // The characters that may separate the digits.
    let gap = r"[ \u00a0\u2010\u2011./()-]*";
    // After a plus, a bracket must not begin with 0.
    let unopened = gap.replace('(', "");
    let international = format!(r"\+{gap}[1-9]({unopened}[0-9]|{gap}[1-9]){{7,14}}");
    let north_american = format!("{gap}(1{gap})?[0-9]({gap}[0-9]){{9}}");
    json_schema!({
        "description": format!(
            "{}; after a + no bracket begins with 0, as in +44 (0)20 …",
            PhoneNumberError::Form
        ),
        "type": "string",
        "pattern": format!(r"^\s*({international}|{north_american}){gap}\s*$"),
        "examples": ["(555) 010-1234", "+15550101234"],
    })
}

/// What a body may have for a driver id.
#[must_use]
pub fn driver_id_taken() -> Schema {
    json_schema!({
        "description": DriverIdError.to_string(),
        "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": DriverId::MAX },
            driver_id_digits(),
        ],
        "examples": [12345],
    })
}

/// What [`DriverId::parse`] accepts.
#[must_use]
pub fn driver_id_digits() -> Schema {
    json_schema!({ "type": "string", "pattern": "^0*[1-9][0-9]{0,15}$" })
}

/// What [`Speaker::from_elevenlabs`] accepts.
#[must_use]
pub fn speaker_taken() -> Schema {
    let words = ["agent", "user", "driver"];
    let taken = words
        .into_iter()
        .filter(|word| Speaker::from_elevenlabs(word).is_some());
    json_schema!({ "type": "string", "enum": taken.collect::<Vec<_>>() })
}

/// What [`CallStatus::parse`] accepts.
#[must_use]
pub fn status_taken() -> Schema {
    json_schema!({ "type": "string", "enum": CallStatus::ALL.map(CallStatus::as_str) })
}
