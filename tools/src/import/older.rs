//! The older record: its calls and turns, as the two files have them.

use std::collections::{BTreeMap, HashMap};

use super::faults::Lines;
use super::table::{File, Row, integer, name, optional, required, shortened};
use super::time::Time;
use crate::failure::Failure;

/// The longest message, in bytes. D1 takes 2 MB a row.
const LONGEST_MESSAGE: usize = 1_900_000;

/// A call of the older record.
#[derive(Debug, Clone)]
pub struct Call {
    /// Where it stands in the file.
    pub line: usize,
    /// Its number in the older record.
    pub id: i64,
    pub conversation_id: Option<String>,
    pub driver_id: Option<i64>,
    pub start: Time,
    pub end: Option<Time>,
    pub status: &'static str,
    pub created: Time,
    pub updated: Time,
    /// Its name, where it has one.
    pub call_sid: Option<String>,
}

/// A turn of the older record.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Where it stands in the file.
    pub line: usize,
    /// Its number in the older record.
    pub id: i64,
    pub conversation_id: String,
    pub speaker: &'static str,
    pub message: String,
    pub time: Time,
    /// Its place in the conversation, as the older record has it.
    pub number: i64,
    pub created: Time,
}

/// Reads the calls.
///
/// # Errors
/// A column is missing. Faulty lines are noted and left out.
pub fn calls(file: &File, faults: &mut Lines) -> Result<Vec<Call>, Failure> {
    const REQUIRED: [&str; 8] = [
        "id",
        "conversation_id",
        "driver_id",
        "call_start_time",
        "call_end_time",
        "status",
        "created_at",
        "updated_at",
    ];
    let mut ids = HashMap::new();
    let mut conversations = HashMap::new();
    let mut sids = HashMap::new();
    file.rows(&REQUIRED, faults, |row| {
        let id = row.take("id", required(integer));
        let conversation_id = row.take("conversation_id", optional(name));
        let driver_id = row.take("driver_id", optional(integer));
        let start = row.take("call_start_time", required(time));
        let end = row.take("call_end_time", optional(time));
        let status = row.take("status", required(status));
        let created = row.take("created_at", required(time));
        let updated = row.take("updated_at", optional(time));
        let call_sid = row.take("call_sid", optional(name));
        let call = Call {
            line: row.line,
            id: id?,
            conversation_id: conversation_id?,
            driver_id: driver_id?,
            start: start?,
            end: end?,
            status: status?,
            created: created?,
            // Many older systems set it with the first change only.
            updated: updated?.unwrap_or(created?),
            call_sid: call_sid?,
        };
        let mut once = once(row, &mut ids, "id", call.id);
        if let Some(conversation) = &call.conversation_id {
            once &= self::once(
                row,
                &mut conversations,
                "conversation_id",
                conversation.clone(),
            );
        }
        if let Some(call_sid) = &call.call_sid {
            once &= self::once(row, &mut sids, "call_sid", call_sid.clone());
        }
        once.then_some(call)
    })
}

/// Reads the turns, by conversation and in order: by their old number, then time, then id.
///
/// # Errors
/// A column is missing. Faulty lines are noted and left out.
pub fn turns(file: &File, faults: &mut Lines) -> Result<BTreeMap<String, Vec<Turn>>, Failure> {
    const REQUIRED: [&str; 7] = [
        "id",
        "conversation_id",
        "speaker_type",
        "message_text",
        "timestamp",
        "sequence_number",
        "created_at",
    ];
    let mut ids = HashMap::new();
    let turns = file.rows(&REQUIRED, faults, |row| {
        let id = row.take("id", required(integer));
        let conversation_id = row.take("conversation_id", required(name));
        let speaker = row.take("speaker_type", required(speaker));
        let spoken = row.take("timestamp", required(time));
        let number = row.take("sequence_number", required(integer));
        let created = row.take("created_at", required(time));
        // As it stands there: a message may be empty, and may be `\N`.
        let message = row.text("message_text").to_owned();
        let length = message.len();
        if length > LONGEST_MESSAGE {
            row.fault(format!(
                "message_text has {length} bytes, and may have {LONGEST_MESSAGE}"
            ));
            return None;
        }
        let turn = Turn {
            line: row.line,
            id: id?,
            conversation_id: conversation_id?,
            speaker: speaker?,
            message,
            time: spoken?,
            number: number?,
            created: created?,
        };
        once(row, &mut ids, "id", turn.id).then_some(turn)
    })?;
    let mut conversations: BTreeMap<String, Vec<Turn>> = BTreeMap::new();
    for turn in turns {
        conversations
            .entry(turn.conversation_id.clone())
            .or_default()
            .push(turn);
    }
    for turns in conversations.values_mut() {
        turns.sort_by_key(|turn| (turn.number, turn.time, turn.id));
    }
    Ok(conversations)
}

/// Whether this value stands in the file for the first time; notes a fault where it does not.
fn once<T: std::hash::Hash + Eq>(
    row: &mut Row<'_>,
    seen: &mut HashMap<T, usize>,
    column: &str,
    value: T,
) -> bool {
    let line = row.line;
    let first = *seen.entry(value).or_insert(line);
    if first != line {
        row.fault(format!(
            "{column} stands on line {first} already: remove one of the two"
        ));
    }
    first == line
}

fn time(text: &str) -> Result<Time, String> {
    Time::parse(text).map_err(|fault| format!("is {}, and {fault}", shortened(text)))
}

fn status(text: &str) -> Result<&'static str, String> {
    const WORDS: [&str; 3] = ["in_progress", "completed", "failed"];
    let word = WORDS.into_iter().find(|word| *word == text);
    word.ok_or_else(|| {
        format!(
            "is {}, and must be one of {}",
            shortened(text),
            WORDS.join(", ")
        )
    })
}

/// `user` is stored as `driver`, as it is for posted turns.
fn speaker(text: &str) -> Result<&'static str, String> {
    match text {
        "agent" => Ok("agent"),
        "driver" | "user" => Ok("driver"),
        other => Err(format!(
            "is {}, and must be one of agent, driver, user",
            shortened(other)
        )),
    }
}
