//! Log lines: one JSON object each, whose fields the platform indexes.
//!
//! A line never contains the text of a turn, a token, a key, or more of a telephone number than its
//! last four digits.

use core::fmt::Write;

use serde::Serialize;

use super::printable::is_unseen;

/// The severity of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Success, or the client's error (4xx).
    #[default]
    Info,
    /// The operator should look at it.
    Error,
}

/// One line of the log. Fields that do not apply are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Line {
    pub level: Level,
    /// What happened: `request`, or a step of a call such as `call_dialled`.
    pub event: &'static str,
    /// The id in the response's `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The id of the reconciler run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The route's pattern. Lines can be grouped by it; by a path they cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'static str>,
    /// The HTTP status of the answer, or of ElevenLabs' answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Milliseconds from start to end. The runtime's clock moves only during I/O.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,

    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<String>,

    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,

    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_id: Option<i64>,
    /// The names of the first faulty fields of a request, separated by commas, without their values.
    /// `count` is the number of faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faulty_fields: Option<String>,
    /// The stable code of the error, or of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The operation of the store that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'static str>,
    /// The cause, for operators. It is never in an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The last four digits of the number that was dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_last_four: Option<String>,
    /// Number of things that a step handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The work of a reconciler run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconciled: Option<Reconciled>,
    /// Number of the database's round trips, retries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_round_trips: Option<u32>,
    /// Rows read, as the database bills them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_rows_read: Option<u64>,
    /// Rows written, as the database bills them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_rows_written: Option<u64>,
    /// Milliseconds spent waiting for the database, without the pauses before retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_ms: Option<u64>,
    /// Number of round trips that were retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_retries: Option<u32>,
}

/// What a store has asked of the database and the bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of the database's round trips, retries included.
    pub round_trips: u32,
    /// Statements sent, retries included. The platform limits them per invocation.
    pub statements: u32,
    /// Rows read, as billed.
    pub rows_read: u64,
    /// Rows written, as billed.
    pub rows_written: u64,
    /// Round trips that were retries after a transient error.
    pub retries: u32,
    /// Operations of the bucket, retries included. The platform limits them per invocation.
    pub bucket_requests: u32,
    /// Milliseconds spent waiting for the database, without the pauses before retries.
    pub millis: u64,
}

/// The work of a reconciler run, as log fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Number of waiting events that were tried.
    pub events_tried: u32,
    /// Number of calls that ElevenLabs was asked about.
    pub calls_asked: u32,
    /// Number of calls that got a terminal status.
    pub calls_settled: u32,
    /// Number of rows whose texts were cleared because of their age.
    pub texts_cleared: u64,
}

impl Line {
    /// A line about this event.
    #[must_use]
    pub fn new(event: &'static str) -> Self {
        Self {
            event,
            ..Self::default()
        }
    }

    /// The line with the database's usage.
    #[must_use]
    pub fn with_usage(self, usage: Usage) -> Self {
        Self {
            db_round_trips: Some(usage.round_trips),
            db_rows_read: Some(usage.rows_read),
            db_rows_written: Some(usage.rows_written),
            db_ms: Some(usage.millis),
            db_retries: Some(usage.retries),
            ..self
        }
    }

    /// The line as one JSON object. The serialiser escapes only the control characters below U+0020.
    /// This escapes all others that [`is_unseen`] knows, so that no field can steer a terminal.
    #[must_use]
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string(self)
            .unwrap_or_else(|_| format!("{{\"event\":\"{}\"}}", self.event));
        if !json.contains(is_unseen) {
            return json;
        }
        let mut line = String::with_capacity(json.len());
        for character in json.chars() {
            if is_unseen(character) {
                // Writing to a String cannot fail. All of these characters have four digits.
                let _ = write!(line, "\\u{:04x}", u32::from(character));
            } else {
                line.push(character);
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn whatever_stands_in_a_field_the_line_is_one_line_that_obeys_nothing() {
        let mut hostile: String = (0..0x180).filter_map(char::from_u32).collect();
        hostile += "\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}\u{feff}\u{1f600}";
        hostile += "\"}\n{\"level\":\"error\",\"event\":\"forged\"}";
        let text = || Some(hostile.clone());
        let line = Line {
            request_id: text(),
            call_sid: text(),
            conversation_id: text(),
            code: text(),
            cause: text(),
            phone_last_four: text(),
            ..Line::new("request")
        };
        let json = line.to_json();
        let unseen = |character: &char| {
            character.is_control()
                || "\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}".contains(*character)
        };
        assert_eq!(json.chars().find(unseen), None);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["event"], "request");
        for field in [
            "request_id",
            "call_sid",
            "conversation_id",
            "code",
            "cause",
            "phone_last_four",
        ] {
            assert_eq!(read[field], hostile, "{field}");
        }
    }
}
