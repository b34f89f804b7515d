//! What wrangler and the worker say: kept in a file, and counted.

use crate::lock;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// How many of the last lines are at hand.
const AT_HAND: usize = 40;

/// The lines so far.
#[derive(Clone)]
pub struct Output(Arc<Mutex<Said>>);

struct Said {
    file: BufWriter<File>,
    last: VecDeque<String>,
    counts: Counts,
}

/// The worker's own log lines, counted.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    /// How many there were of each event, level and code.
    pub lines: BTreeMap<(String, String, String), u64>,
    /// How often the database was asked again.
    pub db_retries: u64,
    /// How many runs of the reconciler ended, and what the last one did.
    pub reconciled: (u64, Value),
    /// Lines that tell of a crash of the worker itself.
    pub alarms: Vec<String>,
}

impl Output {
    /// Nothing yet. All of it goes to this file.
    pub fn to_file(path: &Path) -> Result<Self, String> {
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(Arc::new(Mutex::new(Said {
            file: BufWriter::new(file),
            last: VecDeque::new(),
            counts: Counts::default(),
        }))))
    }

    /// Reads a stream to its end, beside everything else.
    pub fn read(&self, stream: impl Read + Send + 'static) {
        let output = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                lock(&output.0).hear(String::from_utf8_lossy(&line).into_owned());
            }
        });
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        lock(&self.0).counts.clone()
    }

    /// How many runs of the reconciler ended, and what the last one did.
    pub fn reconciled(&self) -> (u64, Value) {
        lock(&self.0).counts.reconciled.clone()
    }

    /// The last lines, for people.
    pub fn last_lines(&self) -> String {
        let mut said = lock(&self.0);
        // A full disk is no reason to stop.
        let _ = said.file.flush();
        said.last
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Said {
    fn hear(&mut self, line: String) {
        let _ = writeln!(self.file, "{line}");
        if line.starts_with('{')
            && let Ok(line) = serde_json::from_str::<Value>(&line)
        {
            self.counts.add(&line);
        } else if ["panicked", "RuntimeError", "Uncaught", "SQLITE_"]
            .iter()
            .any(|sign| line.contains(sign))
        {
            self.counts.alarms.push(line.clone());
        }
        self.last.push_back(line);
        if self.last.len() > AT_HAND {
            self.last.pop_front();
        }
    }
}

impl Counts {
    fn add(&mut self, line: &Value) {
        let text = |name: &str| {
            let text = line.get(name).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let event = text("event");
        if event == "reconcile" {
            self.reconciled.0 += 1;
            self.reconciled.1 = line.get("reconciled").cloned().unwrap_or_default();
        }
        let retries = line.get("db_retries").and_then(Value::as_u64);
        self.db_retries += retries.unwrap_or(0);
        *self
            .lines
            .entry((event, text("level"), text("code")))
            .or_default() += 1;
    }
}
