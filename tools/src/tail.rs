//! `make tail`: the log of a deployed worker as it comes, one JSON line for each of ours. The platform's own lines are
//! left out. What ended without a line of ours (a crash, a limit) is shown as `"event":"platform"`.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::failure::{Failure, fail};
use crate::options::Options;
use crate::project::Project;
use crate::wrangler;

/// One invocation of the worker, as `wrangler tail --format json` prints it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    outcome: Option<String>,
    #[serde(default)]
    logs: Vec<Logged>,
    #[serde(default)]
    exceptions: Vec<Exception>,
    event_timestamp: Option<i64>,
}

#[derive(Deserialize)]
struct Logged {
    #[serde(default)]
    message: Value,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    message: Value,
}

/// What is shown of an invocation that ended badly.
#[derive(Serialize)]
struct PlatformLine<'a> {
    level: &'static str,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

/// Which of our lines are shown.
struct Filter {
    only_errors: bool,
    call: Option<String>,
}

/// Shows the log, of `wrangler tail` or of `FILE`.
///
/// # Errors
/// A setting is unknown, the file cannot be read, or wrangler ended with an error.
pub fn run(project: &Project, options: &Options) -> Result<(), Failure> {
    let only_errors = match options.level.as_deref() {
        None => false,
        Some("error") => true,
        Some(other) => fail!("LEVEL={other} is unknown: use LEVEL=error, or leave it out"),
    };
    let filter = Filter {
        only_errors,
        call: options.call.clone(),
    };
    if let Some(path) = &options.file {
        let file = File::open(path).map_err(Failure::at(path))?;
        show(file, &filter);
        return Ok(());
    }
    let mut command = wrangler::command(project);
    command.args(["tail", "--format", "json", "--env", &project.environment]);
    if let Some(call) = &options.call {
        command.args(["--search", call]);
    }
    // What wrangler has to say for itself goes to the terminal.
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn();
    let mut child: Child =
        child.map_err(|error| Failure::new(format!("wrangler does not run: {error}")))?;
    let reader_left = child
        .stdout
        .take()
        .is_some_and(|output| show(output, &filter) == Shown::ReaderLeft);
    if reader_left {
        // Whoever read this has seen enough, `head` for one.
        let _ = child.kill();
    }
    let status = child
        .wait()
        .map_err(|error| Failure::new(format!("wrangler tail: {error}")))?;
    if !status.success() && !reader_left {
        fail!("wrangler tail ended with {status}");
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Shown {
    Everything,
    ReaderLeft,
}

/// Prints our lines of everything that comes in, as it comes in.
fn show(mut input: impl Read, filter: &Filter) -> Shown {
    let mut objects = Objects::default();
    let mut buffer = [0; 64 * 1024];
    let mut output = std::io::stdout();
    while let Ok(count) = input.read(&mut buffer) {
        if count == 0 {
            break;
        }
        for object in objects.feed(buffer.get(..count).unwrap_or_default()) {
            for line in lines(&object, filter) {
                if writeln!(output, "{line}")
                    .and_then(|()| output.flush())
                    .is_err()
                {
                    return Shown::ReaderLeft;
                }
            }
        }
    }
    Shown::Everything
}

/// Cuts a stream into JSON objects. Each ends where its braces do, over however many lines; what is between them is
/// passed over.
#[derive(Default)]
struct Objects {
    text: Vec<u8>,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Objects {
    /// The objects that these bytes complete.
    fn feed(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut complete = Vec::new();
        for &byte in bytes {
            if self.depth == 0 && byte != b'{' {
                continue;
            }
            self.text.push(byte);
            if self.escaped {
                self.escaped = false;
            } else if self.in_string {
                self.escaped = byte == b'\\';
                self.in_string = byte != b'"';
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' => self.depth += 1,
                    b'}' => self.depth -= 1,
                    _ => {}
                }
                if self.depth == 0 {
                    complete.push(std::mem::take(&mut self.text));
                }
            }
        }
        complete
    }
}

/// What is shown of one invocation.
fn lines(object: &[u8], filter: &Filter) -> Vec<String> {
    let Ok(mut invocation) = serde_json::from_slice::<Invocation>(object) else {
        return Vec::new();
    };
    let logs = std::mem::take(&mut invocation.logs);
    let parts = logs.into_iter().flat_map(|logged| match logged.message {
        Value::Array(parts) => parts,
        part => vec![part],
    });
    let ours: Vec<_> = parts.filter_map(ours).collect();
    let silent = ours.is_empty();
    let shown = ours.into_iter().filter(|(fields, _)| filter.shows(fields));
    let mut lines: Vec<_> = shown.map(|(_, text)| text).collect();

    let ended_badly = invocation
        .outcome
        .as_deref()
        .is_some_and(|outcome| outcome != "ok");
    if !invocation.exceptions.is_empty() || (ended_badly && silent) {
        lines.extend(platform_line(&invocation));
    }
    lines
}

/// The line for an invocation that ended badly.
fn platform_line(invocation: &Invocation) -> Option<String> {
    let words = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let cause = |one: &Exception| format!("{}: {}", words(&one.name), words(&one.message));
    let causes: Vec<_> = invocation.exceptions.iter().map(cause).collect();
    let at = invocation.event_timestamp;
    let at = at.and_then(chrono::DateTime::from_timestamp_millis);
    let line = PlatformLine {
        level: "error",
        event: "platform",
        outcome: invocation.outcome.as_deref(),
        cause: (!causes.is_empty()).then(|| causes.join("; ")),
        at: at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
    };
    serde_json::to_string(&line).ok()
}

/// A line of ours is a JSON object with an event and a level. It is shown as the worker wrote it.
fn ours(part: Value) -> Option<(Map<String, Value>, String)> {
    let text = match part {
        Value::String(text) => text,
        part => part.to_string(),
    };
    let fields: Map<String, Value> = serde_json::from_str(&text).ok()?;
    (fields.contains_key("event") && fields.contains_key("level")).then_some((fields, text))
}

impl Filter {
    fn shows(&self, line: &Map<String, Value>) -> bool {
        let is = |name: &str, wanted: &str| line.get(name).and_then(Value::as_str) == Some(wanted);
        (!self.only_errors || is("level", "error"))
            && self.call.as_ref().is_none_or(|call| is("call_sid", call))
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, Objects, lines};

    const EVERYTHING: Filter = Filter {
        only_errors: false,
        call: None,
    };

    #[test]
    fn objects_are_cut_out_wherever_the_stream_is_cut() {
        let stream = b"noise }\n{\n  \"a\": \"} \\\" {\",\n  \"b\": { \"c\": 1 }\n}\n{}warning {\"d\":\"\\\\\"}";
        let whole = [
            "{\n  \"a\": \"} \\\" {\",\n  \"b\": { \"c\": 1 }\n}",
            "{}",
            "{\"d\":\"\\\\\"}",
        ];
        for size in 1..=stream.len() {
            let mut objects = Objects::default();
            let found: Vec<_> = stream
                .chunks(size)
                .flat_map(|part| objects.feed(part))
                .collect();
            let found: Vec<_> = found
                .into_iter()
                .map(|object| String::from_utf8(object).unwrap())
                .collect();
            assert_eq!(found, whole, "{size}");
        }
    }

    #[test]
    fn our_lines_are_shown_and_the_platforms_are_not() {
        let object = br#"{ "outcome": "ok", "eventTimestamp": 1763721000000, "logs": [
            { "message": ["{\"event\":\"request\",\"level\":\"info\",\"call_sid\":\"EL_7\"}"], "level": "log" },
            { "message": [{ "event": "call_failed", "level": "error", "call_sid": "EL_8" }, "words"] },
            { "message": "GET https://x" } ], "exceptions": [] }"#;
        let all = [
            r#"{"event":"request","level":"info","call_sid":"EL_7"}"#,
            r#"{"event":"call_failed","level":"error","call_sid":"EL_8"}"#,
        ];
        let parsed = |texts: &[&str]| -> Vec<serde_json::Value> {
            texts
                .iter()
                .map(|text| serde_json::from_str(text).unwrap())
                .collect()
        };
        let shown = |filter: &Filter| -> Vec<serde_json::Value> {
            lines(object, filter)
                .iter()
                .map(|text| serde_json::from_str(text).unwrap())
                .collect()
        };
        assert_eq!(shown(&EVERYTHING), parsed(&all));
        assert_eq!(
            shown(&Filter {
                only_errors: true,
                call: None
            }),
            parsed(&all[1..])
        );
        assert_eq!(
            shown(&Filter {
                only_errors: false,
                call: Some("EL_7".to_owned())
            }),
            parsed(&all[..1])
        );
    }

    #[test]
    fn what_ended_badly_without_a_line_of_ours_is_shown() {
        let shown = lines(
            br#"{ "outcome": "exceededCpu", "eventTimestamp": 1763721000000, "logs": [] }"#,
            &EVERYTHING,
        );
        let expected = serde_json::json!({
            "level": "error", "event": "platform", "outcome": "exceededCpu", "at": "2025-11-21T10:30:00.000Z"
        });
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown[0]).unwrap(),
            expected
        );
        let thrown = br#"{ "outcome": "exception", "logs": [], "exceptions": [ { "name": "Error", "message": "gone" } ] }"#;
        assert!(lines(thrown, &EVERYTHING)[0].contains("Error: gone"));
        assert!(lines(br#"{ "outcome": "ok", "logs": [] }"#, &EVERYTHING).is_empty());
        assert!(lines(b"{ not json }", &EVERYTHING).is_empty());
    }
}
