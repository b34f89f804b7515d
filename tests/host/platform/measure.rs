//! Measurements that the documents quote. They hold nothing, and run only when they are asked for:
//!   `cargo test --test host measure -- --ignored --nocapture`
//! `CALLS=n` (25,000), `TURNS=n` a call (40), `EVENT=n` bytes of an event's payload (0 for none).

#![expect(
    clippy::disallowed_methods,
    reason = "a measurement needs a clock, and never runs in WebAssembly"
)]

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use call_ledger::store::turns::SAVE_TRANSCRIPTION;
use rusqlite::{Connection, params};

use super::migrations::{migrate, newest};

/// The migration that rebuilds the table of turns.
const REBUILDS: usize = 10;

fn setting(name: &str, usual: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(usual, |text| text.parse().unwrap())
}

/// A small linear congruential generator.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from((self.0 >> 33) % end).unwrap()
    }

    fn name(&mut self, length: usize) -> String {
        let letters = b"0123456789abcdefghjkmnpqrstvwxyz";
        (0..length)
            .map(|_| char::from(letters[self.below(32)]))
            .collect()
    }
}

/// A database file as D1 keeps it, in a folder of its own, migrated to this number.
fn database(folder: &Path, to: usize) -> Connection {
    let connection = Connection::open(folder.join("ledger.sqlite")).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = wal; PRAGMA foreign_keys = on")
        .unwrap();
    migrate(&connection, 0, to);
    connection
}

/// What is said in a turn: about 100 bytes, the agent more than the driver.
fn said(chance: &mut Chance, turn: u64) -> String {
    const WORDS: &str = "the driver said that the break was late because there was no place to park near the highway ";
    let length = if turn.is_multiple_of(2) {
        60 + chance.below(160)
    } else {
        20 + chance.below(80)
    };
    WORDS
        .repeat(4)
        .chars()
        .skip(chance.below(60))
        .take(length)
        .collect()
}

/// Calls of so many turns and events of so many bytes; thirty conversations run at a time.
fn fill(connection: &Connection, calls: u64, turns: u64, event: u64, save: &str, with_id: bool) {
    let mut chance = Chance(7);
    let time = |second: u64| {
        let millis = i64::try_from(1_767_225_600_000 + second * 1000).unwrap();
        call_ledger::model::UtcTime::from_millis(millis)
            .unwrap()
            .to_string()
    };
    let mut call = connection
        .prepare(
            "INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, call_end_time, status, \
             dial_token, telephony_call_sid, summary, created_at, updated_at) \
             VALUES (?1, ?2, ?3, ?4, ?4, 'completed', ?5, ?6, ?7, ?4, ?4)",
        )
        .unwrap();
    let mut kept = connection
        .prepare(
            "INSERT INTO elevenlabs_events (type, conversation_id, event_timestamp, payload, received_at, tried_at, \
             applied_at, outcome) VALUES ('post_call_transcription', ?1, 1, ?2, ?3, ?3, ?3, 'applied')",
        )
        .unwrap();
    let mut save = connection.prepare(save).unwrap();
    for batch in (0..calls).step_by(30) {
        let size = 30.min(calls - batch);
        connection.execute_batch("BEGIN").unwrap();
        let mut names = Vec::new();
        for number in batch..batch + size {
            let driver = i64::try_from(10_000 + chance.below(5_000)).unwrap();
            let sid = format!("EL_{driver}_{}", time(number * 20));
            let conversation = format!("conv_{}", chance.name(28));
            let summary = said(&mut chance, 0) + &said(&mut chance, 0);
            let (token, telephony) = (chance.name(32), format!("CA{}", chance.name(32)));
            let row = params![
                sid,
                conversation,
                driver,
                time(number * 20),
                token,
                telephony,
                summary
            ];
            call.execute(row).unwrap();
            if event > 0 {
                let payload = chance.name(10).repeat(usize::try_from(event / 10).unwrap());
                kept.execute(params![conversation, payload, time(number * 20)])
                    .unwrap();
            }
            names.push((sid, conversation));
        }
        for turn in 0..turns {
            for (sid, conversation) in &names {
                let speaker = if turn.is_multiple_of(2) {
                    "agent"
                } else {
                    "driver"
                };
                let (text, at) = (said(&mut chance, turn), time(batch * 20 + turn * 6));
                if with_id {
                    let row = params![sid, speaker, text, at, at, conversation, 0];
                    save.query_row(row, |_| Ok(())).unwrap();
                } else {
                    let row = params![
                        conversation,
                        speaker,
                        text,
                        at,
                        i64::try_from(turn + 1).unwrap()
                    ];
                    save.execute(row).unwrap();
                }
            }
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    connection
        .execute_batch("PRAGMA wal_checkpoint(truncate)")
        .unwrap();
}

const AS_BEFORE: &str = "INSERT INTO call_transcriptions \
    (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?4)";

/// Seconds of a processor that this process has used.
fn worked() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<f64>().ok())
    };
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}

#[test]
#[ignore = "a measurement"]
fn how_long_the_rebuild_of_the_turns_takes() {
    let (calls, turns) = (setting("CALLS", 25_000), setting("TURNS", 40));
    for premoved in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let connection = database(folder.path(), REBUILDS - 1);
        fill(&connection, calls, turns, 0, AS_BEFORE, false);
        let file = folder.path().join("ledger.sqlite");
        let before = std::fs::metadata(&file).unwrap().len();
        if premoved {
            let (began, before) = (Instant::now(), worked());
            super::migration_0010::move_turns(&connection);
            println!(
                "moved first: {:.1} s, {:.1} s of a processor",
                began.elapsed().as_secs_f64(),
                worked() - before
            );
        }
        let (began, used) = (Instant::now(), worked());
        migrate(&connection, REBUILDS, REBUILDS);
        println!(
            "{} turns, {} MB: migration 0010 took {:.1} s, {:.1} s of a processor",
            calls * turns,
            before / 1_000_000,
            began.elapsed().as_secs_f64(),
            worked() - used
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn how_many_bytes_a_call_takes() {
    let (calls, turns, event) = (
        setting("CALLS", 25_000),
        setting("TURNS", 40),
        setting("EVENT", 0),
    );
    let folder = tempfile::tempdir().unwrap();
    let connection = database(folder.path(), newest());
    let (began, used) = (Instant::now(), worked());
    fill(&connection, calls, turns, event, SAVE_TRANSCRIPTION, true);
    let (elapsed, used) = (began.elapsed().as_secs_f64(), worked() - used);
    let mut report = String::new();
    let sql = "SELECT m.tbl_name, SUM(s.pgsize) FROM dbstat s JOIN sqlite_schema m ON m.name = s.name GROUP BY m.tbl_name";
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (table, bytes): (String, i64) = (row.get(0).unwrap(), row.get(1).unwrap());
        let bytes = bytes.cast_unsigned();
        writeln!(report, "{table}: {} bytes a call", bytes / calls).unwrap();
    }
    let size = std::fs::metadata(folder.path().join("ledger.sqlite"))
        .unwrap()
        .len();
    println!(
        "{report}in all: {} bytes a call of {turns} turns, events of {event} bytes",
        size / calls
    );
    let each = used * 1e6 / f64::from(u32::try_from(calls * turns).unwrap());
    println!("{each:.1} microseconds of a processor for each turn, in {elapsed:.0} s");
}
