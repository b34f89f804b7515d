//! Reading everything back over the API, once all has come to rest.

use crate::chance::Chance;
use crate::client::{Client, Reply};
use crate::compare::{Discrepancy, Kind};
use crate::metrics::Route;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::task::JoinSet;

/// How many requests are open at once.
const AT_ONCE: usize = 6;

/// What is on record, by the calls' names.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub calls: BTreeMap<String, RecordedCall>,
    /// What does not agree with itself.
    pub faults: Vec<Discrepancy>,
}

/// A call as it is read.
#[derive(Debug, Clone, Default)]
pub struct RecordedCall {
    pub conversation_id: Option<String>,
    pub status: String,
    pub failure_reason: Option<String>,
    pub created_at: String,
    pub turn_count: i64,
    pub turns: Vec<RecordedTurn>,
}

/// A turn as it is read.
#[derive(Debug, Clone, Default)]
pub struct RecordedTurn {
    pub id: i64,
    pub sequence_number: i64,
    pub speaker: String,
    pub message: String,
}

/// Reads all: the list page by page, and then each call and its transcription.
pub async fn read(client: &Client, chance: &mut Chance) -> Result<Record, String> {
    let listed = list(client, chance, "").await?;
    let mut record = Record::default();
    let mut last: Option<String> = None;
    let mut waiting = Vec::new();
    for item in listed {
        let call_sid = text(&item, "call_sid").unwrap_or_default();
        let began = text(&item, "call_start_time");
        if last.is_some() && last < began {
            record.faults.push(Discrepancy::new(
                Kind::List,
                &call_sid,
                "stands after an older call",
            ));
        }
        last = began;
        let call = recorded(&item);
        if record.calls.insert(call_sid.clone(), call).is_some() {
            record.faults.push(Discrepancy::new(
                Kind::List,
                &call_sid,
                "stands twice in the list",
            ));
            continue;
        }
        waiting.push((call_sid, item));
    }
    let mut reading = JoinSet::new();
    loop {
        while reading.len() < AT_ONCE
            && let Some((call_sid, item)) = waiting.pop()
        {
            let (client, chance) = (client.clone(), Chance::new(chance.next(), 0));
            reading.spawn(one(client, chance, call_sid, item));
        }
        let Some(read) = reading.join_next().await else {
            return Ok(record);
        };
        let (call_sid, turns, mut faults) = read.map_err(|error| error.to_string())??;
        record.faults.append(&mut faults);
        if let Some(call) = record.calls.get_mut(&call_sid) {
            call.turns = turns;
        }
    }
}

/// All items of a list, whose query ends like this.
pub async fn list(
    client: &Client,
    chance: &mut Chance,
    filter: &str,
) -> Result<Vec<Value>, String> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/calls?limit=200&cursor={cursor}{filter}");
        let page = get(client, Route::List, &path, chance).await?;
        items.extend_from_slice(page.list_at("calls"));
        match page.text_at("/next_cursor") {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(items),
        }
    }
}

/// Gets what has to be there.
pub async fn get(
    client: &Client,
    route: Route,
    path: &str,
    chance: &mut Chance,
) -> Result<Reply, String> {
    match client.get_well(route, path, chance).await {
        Some(reply) if reply.status == 200 => Ok(reply),
        Some(reply) => Err(format!(
            "{path} was answered {}: {}",
            reply.status, reply.text
        )),
        None => Err(format!("{path} was not answered at all")),
    }
}

type One = Result<(String, Vec<RecordedTurn>, Vec<Discrepancy>), String>;

/// One call and its transcription, which have to agree with the list's item.
async fn one(client: Client, mut chance: Chance, call_sid: String, item: Value) -> One {
    let mut faults = Vec::new();
    let path = format!("/calls/{call_sid}");
    let call = get(&client, Route::Call, &path, &mut chance).await?;
    if call.body != item {
        let what = format!("the list says {item}, the call itself {}", call.body);
        faults.push(Discrepancy::new(Kind::List, &call_sid, what));
    }
    let path = format!("/calls/{call_sid}/transcription");
    let reply = get(&client, Route::Transcription, &path, &mut chance).await?;
    for name in ["call_sid", "conversation_id"] {
        if reply.body.get(name) != item.get(name) {
            let what = format!("its transcription has another {name}");
            faults.push(Discrepancy::new(Kind::List, &call_sid, what));
        }
    }
    let turns = reply.list_at("turns").iter().map(|turn| RecordedTurn {
        id: number(turn, "transcription_id"),
        sequence_number: number(turn, "sequence_number"),
        speaker: text(turn, "speaker").unwrap_or_default(),
        message: text(turn, "message").unwrap_or_default(),
    });
    let turns = turns.collect();
    Ok((call_sid, turns, faults))
}

fn recorded(item: &Value) -> RecordedCall {
    RecordedCall {
        conversation_id: text(item, "conversation_id"),
        status: text(item, "status").unwrap_or_default(),
        failure_reason: text(item, "failure_reason"),
        created_at: text(item, "created_at").unwrap_or_default(),
        turn_count: number(item, "turn_count"),
        turns: Vec::new(),
    }
}

fn text(of: &Value, name: &str) -> Option<String> {
    of.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn number(of: &Value, name: &str) -> i64 {
    of.get(name).and_then(Value::as_i64).unwrap_or(0)
}
