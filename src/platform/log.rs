//! Log lines: one JSON object each, whose fields the platform indexes.
//!
//! Never in a line: the text of a turn, a token, a key, or more of a telephone number than its
//! last four digits.

use core::fmt::Write;

use serde::Serialize;

use super::printable::is_unseen;

/// How loud a line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Things went as they should, or the caller has something to mend.
    #[default]
    Info,
    /// Someone who runs the service should look.
    Error,
}

/// One line of the log. Fields that do not apply are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Loudness.
    pub level: Level,
    /// What happened: `request`, or a step of a call's life such as `call_dialled`.
    pub event: &'static str,
    /// The id that the response carried as `X-Request-Id`: of the request that is being handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The id of the run of the reconciler that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The route's pattern, not the path, so that lines can be grouped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'static str>,
    /// The HTTP status that was answered, or that ElevenLabs answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Milliseconds from start to end, as far as the runtime's clock shows them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    /// The call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<String>,
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// The driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_id: Option<i64>,
    /// The names of the first faulty fields of a request, separated by commas; never what they
    /// hold. `count` is how many faults there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faulty_fields: Option<String>,
    /// The stable code of what went wrong, or of what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The operation of the store that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'static str>,
    /// The cause, for the people who run the service; never in an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The last four digits of the number that was dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_last_four: Option<String>,
    /// How many things a step covered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What a run of the reconciler did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconciled: Option<Reconciled>,
    /// Times the database was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_round_trips: Option<u32>,
    /// Rows the database read, as it bills them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_rows_read: Option<u64>,
    /// Rows the database wrote, as it bills them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_rows_written: Option<u64>,
    /// Milliseconds spent waiting for the database, pauses before repeats aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_ms: Option<u64>,
    /// Calls of the database that were repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_retries: Option<u32>,
}

/// What the database was asked since a store was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Times the database was called, repeats included.
    pub round_trips: u32,
    /// Statements sent in those calls; the platform limits them per invocation.
    pub statements: u32,
    /// Rows read, as billed.
    pub rows_read: u64,
    /// Rows written, as billed.
    pub rows_written: u64,
    /// Calls that were repeats after a transient error.
    pub retries: u32,
    /// Operations of the bucket, repeats included; the platform limits them per invocation.
    pub bucket_requests: u32,
    /// Milliseconds spent waiting for the database, pauses before repeats aside.
    pub millis: u64,
}

/// What a run of the reconciler did, as log fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Waiting events that were tried.
    pub events_tried: u32,
    /// Calls that ElevenLabs was asked about.
    pub calls_asked: u32,
    /// Calls that reached a terminal status.
    pub calls_settled: u32,
    /// Rows whose texts were cleared because of their age.
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

    /// The line with what the database was asked.
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

    /// The line as one JSON object. The serialiser escapes the first control characters only; all
    /// others are escaped here, so that a line looks in a terminal like what it is.
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
                // Writing to a String cannot fail. None of them is beyond four digits.
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
