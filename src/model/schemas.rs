//! What the values of the model look like in JSON, for `openapi.json`: as they are answered, and
//! what is taken for them. The linker leaves all of it out of the worker.

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
        // Names that migration 0002 gave have another shape, so there is no pattern.
        json_schema!({
            "description": "The name of one call attempt: EL_{driver}_{time}, the time as the \
                            request that placed it gave it, in UTC.",
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
            "description": "A point in time in UTC with milliseconds. Rows that were there before \
                            Call Ledger may hold a text that is no time; it comes as it is.",
            "type": "string",
            "examples": ["2025-11-21T10:30:05.000Z"],
        })
    }
}

/// What [`UtcTime::parse`] takes.
#[must_use]
pub fn time_taken() -> Schema {
    json_schema!({
        "description": format!("{}; without an offset it is UTC", TimeError::NotRfc3339),
        "type": "string",
        "pattern": r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})?$",
        "examples": ["2025-11-21T10:30:00Z"],
    })
}

/// What [`super::PhoneNumber::parse`] takes.
#[must_use]
pub fn phone_number_taken() -> Schema {
    // What may stand between the digits.
    let gap = r"[ \u00a0\u2010\u2011./()-]*";
    // After a plus no bracket begins with 0.
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

/// What is taken for a driver's number in JSON.
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

/// What [`DriverId::parse`] takes.
#[must_use]
pub fn driver_id_digits() -> Schema {
    json_schema!({ "type": "string", "pattern": "^0*[1-9][0-9]{0,15}$" })
}

/// What [`Speaker::from_elevenlabs`] takes.
#[must_use]
pub fn speaker_taken() -> Schema {
    let words = ["agent", "user", "driver"];
    let taken = words
        .into_iter()
        .filter(|word| Speaker::from_elevenlabs(word).is_some());
    json_schema!({ "type": "string", "enum": taken.collect::<Vec<_>>() })
}

/// What [`CallStatus::parse`] takes.
#[must_use]
pub fn status_taken() -> Schema {
    json_schema!({ "type": "string", "enum": CallStatus::ALL.map(CallStatus::as_str) })
}
