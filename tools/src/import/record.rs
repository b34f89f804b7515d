//! What is on record already, as far as it concerns the calls and turns of the older record.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::progress::progress;
use super::sql;
use crate::failure::Failure;
use crate::wrangler::Database;

/// How many bytes of names one query asks about. They travel in hexadecimal, and D1 takes 100 kB a statement.
const NAMES: usize = 40_000;
/// How many bytes of turns one query answers with, about.
const ANSWER: usize = 4_000_000;
/// What a turn's JSON has beside its message, in bytes.
const AROUND_A_MESSAGE: f64 = 200.0;

/// A call on record.
#[derive(Debug, Clone, Deserialize)]
pub struct RecordedCall {
    pub call_sid: String,
    pub conversation_id: Option<String>,
    pub driver_id: Option<f64>,
    pub call_start_time: String,
    pub call_end_time: Option<String>,
    pub status: String,
    /// Above 0 once ElevenLabs' own transcript is stored.
    pub transcript_revision: i64,
    /// How many turns are stored.
    pub turns: u64,
    /// How many characters their messages have.
    characters: f64,
}

impl RecordedCall {
    /// Its conversation; empty for none.
    fn name(&self) -> &str {
        self.conversation_id.as_deref().unwrap_or_default()
    }

    /// How many bytes an answer with its turns has, about.
    fn answer(&self) -> usize {
        let bytes = self.characters + self.turns as f64 * AROUND_A_MESSAGE;
        bytes as usize
    }
}

/// A turn on record.
#[derive(Debug, Clone, Deserialize)]
pub struct RecordedTurn {
    conversation_id: String,
    pub sequence_number: u64,
    pub speaker_type: String,
    pub message_text: String,
    pub timestamp: String,
}

/// What was asked of the database so far.
#[derive(Debug, Default)]
pub struct Record {
    calls: Vec<RecordedCall>,
    by_sid: HashMap<String, usize>,
    by_conversation: HashMap<String, usize>,
    asked: HashSet<String>,
    /// Whether the database has no call at all, so that nothing needs to be asked.
    empty: bool,
}

impl Record {
    /// What is on record under these names and conversations.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn fetch(
        database: &Database,
        names: Vec<String>,
        conversations: Vec<String>,
    ) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Count {
            calls: u64,
        }
        let count: Vec<Count> = ask(database, "SELECT count(*) AS calls FROM calls")?;
        let mut record = Self {
            empty: count.iter().all(|count| count.calls == 0),
            ..Self::default()
        };
        record.ask(database, "conversation_id", conversations)?;
        record.ask_names(database, names)?;
        Ok(record)
    }

    /// Asks about further names of calls.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn ask_names(&mut self, database: &Database, names: Vec<String>) -> Result<(), Failure> {
        self.asked.extend(names.iter().cloned());
        self.ask(database, "call_sid", names)
    }

    fn ask(
        &mut self,
        database: &Database,
        column: &str,
        names: Vec<String>,
    ) -> Result<(), Failure> {
        if self.empty {
            return Ok(());
        }
        for names in chunks(names, |name| name.len() + 3, NAMES) {
            let found = ask(
                database,
                &format!(
                    "SELECT call_sid, conversation_id, driver_id, call_start_time, call_end_time, status, transcript_revision, \
                       (SELECT count(*) FROM call_transcriptions t WHERE t.conversation_id = calls.conversation_id) AS turns, \
                       (SELECT total(length(message_text)) FROM call_transcriptions t \
                         WHERE t.conversation_id = calls.conversation_id) AS characters \
                     FROM calls WHERE {column} IN (SELECT value FROM json_each({}))",
                    sql::json_list(&names)
                ),
            )?;
            for call in found {
                self.add(call);
            }
        }
        Ok(())
    }

    fn add(&mut self, call: RecordedCall) {
        if self.by_sid.contains_key(&call.call_sid) {
            return;
        }
        let at = self.calls.len();
        self.by_sid.insert(call.call_sid.clone(), at);
        if let Some(conversation) = &call.conversation_id {
            self.by_conversation.insert(conversation.clone(), at);
        }
        self.calls.push(call);
    }

    /// The call of this name.
    pub fn named(&self, call_sid: &str) -> Option<&RecordedCall> {
        self.by_sid.get(call_sid).and_then(|at| self.calls.get(*at))
    }

    /// The call of this conversation.
    pub fn of_conversation(&self, conversation_id: &str) -> Option<&RecordedCall> {
        self.by_conversation
            .get(conversation_id)
            .and_then(|at| self.calls.get(*at))
    }

    /// Whether it is known if a call has this name.
    pub fn knows(&self, call_sid: &str) -> bool {
        self.empty || self.asked.contains(call_sid)
    }

    /// The turns on record of these conversations.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn turns<'a>(
        &self,
        database: &Database,
        conversations: impl Iterator<Item = &'a String>,
    ) -> Result<HashMap<String, Vec<RecordedTurn>>, Failure> {
        let calls = conversations.filter_map(|conversation| self.of_conversation(conversation));
        let calls: Vec<_> = calls.filter(|call| call.turns > 0).collect();
        let total = calls.iter().map(|call| call.turns).sum();
        let mut read = 0;
        let mut found: HashMap<String, Vec<RecordedTurn>> = HashMap::new();
        for part in chunks(calls, |call| call.name().len() + 3, NAMES) {
            for part in chunks(part, |call| call.answer(), ANSWER) {
                let names: Vec<_> = part.iter().map(|call| call.name().to_owned()).collect();
                let turns = ask::<RecordedTurn>(
                    database,
                    &format!(
                        "SELECT conversation_id, sequence_number, speaker_type, message_text, timestamp \
                         FROM call_transcriptions WHERE conversation_id IN (SELECT value FROM json_each({}))",
                        sql::json_list(&names)
                    ),
                )?;
                read += turns.len() as u64;
                progress("turns on record read", read, total);
                for turn in turns {
                    found
                        .entry(turn.conversation_id.clone())
                        .or_default()
                        .push(turn);
                }
            }
        }
        Ok(found)
    }
}

/// The rows of a query.
///
/// # Errors
/// The database does not answer, or with other columns than these.
fn ask<T: DeserializeOwned>(database: &Database, sql: &str) -> Result<Vec<T>, Failure> {
    let rows = database
        .query(sql)
        .map_err(|error| database.silence(error))?;
    let rows = rows
        .into_iter()
        .map(|row| serde_json::from_value(Value::Object(row)));
    let rows: Result<_, _> = rows.collect();
    rows.map_err(|error| Failure::new(format!("wrangler answered something else: {error}")))
}

/// Parts of a list that are at most so large each, or hold one thing that is larger.
pub fn chunks<T>(things: Vec<T>, size: impl Fn(&T) -> usize, most: usize) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut total: usize = 0;
    for thing in things {
        let size = size(&thing);
        if !part.is_empty() && total.saturating_add(size) > most {
            parts.push(std::mem::take(&mut part));
            total = 0;
        }
        total = total.saturating_add(size);
        part.push(thing);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::chunks;

    #[test]
    fn parts_are_as_large_as_they_may_be() {
        let parts = chunks(vec![1, 2, 3, 9, 1], |size| *size, 5);
        assert_eq!(parts, [vec![1, 2], vec![3], vec![9], vec![1]]);
        assert!(chunks(Vec::<usize>::new(), |size| *size, 5).is_empty());
    }
}
