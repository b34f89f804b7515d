//! Whether a turn is a repeat: the clause of SQL that stores turns says what `same_turn::compare` says.

use std::cell::Cell;

use call_ledger::ledger::same_turn::{Same, compare};
use call_ledger::model::{CallSid, NewTurn, Origin, Speaker, StoredTime, StoredTurn, UtcTime};
use call_ledger::store::turns::SAME_TURN;
use proptest::option;
use proptest::prelude::Strategy;
use proptest::prop_oneof;
use proptest::sample::select;
use rusqlite::{Connection, params};

use crate::invent::text;
use crate::runner::{Cost, hold};

/// Few words, so that turns are often the same, and any others.
fn words() -> impl Strategy<Value = String> {
    let few = vec![
        "",
        "Yes.",
        " Yes.",
        "yes.",
        "No",
        "N\u{f6}",
        "No\u{308}",
        "a\0b",
        "a\0c",
        "0",
        "a",
    ];
    prop_oneof![4 => select(few).prop_map(str::to_owned), 1 => text()]
}

/// Times as they are stored and as they are posted, some of them within one millisecond.
const TIMES: [&str; 7] = [
    "2025-11-21T10:30:05.000Z",
    "2025-11-21T10:30:05.000001Z",
    "2025-11-21T10:30:05.000999999Z",
    "2025-11-21T10:30:05.001Z",
    "2025-11-21T12:30:05+02:00",
    "2025-11-21 10:30:05",
    "2025-11-21T10:30:06Z",
];

fn speaker() -> impl Strategy<Value = Speaker> {
    select(vec![Speaker::Agent, Speaker::Driver])
}

fn stored() -> impl Strategy<Value = StoredTurn> {
    let origins = vec![
        (Origin::Posted, "posted"),
        (Origin::Transcript, "transcript"),
        (Origin::Unreported, "unreported"),
    ];
    // What the ledger stored, and what is older than the ledger.
    let spelled =
        (select(TIMES.to_vec()), proptest::bool::weighted(0.8)).prop_map(|(time, ours)| {
            let time = if ours {
                UtcTime::parse(time).unwrap().to_string()
            } else {
                time.to_owned()
            };
            StoredTime::from_stored(time)
        });
    (
        speaker(),
        words(),
        option::of(words()),
        spelled,
        select(origins),
    )
        .prop_map(
            |(speaker, message, original_text, timestamp, (origin, _))| StoredTurn {
                id: 1,
                sequence_number: 1,
                speaker,
                message,
                original_text,
                timestamp,
                origin,
            },
        )
}

fn posted() -> impl Strategy<Value = NewTurn> {
    (speaker(), words(), select(TIMES.to_vec())).prop_map(|(speaker, message, time)| NewTurn {
        call_sid: CallSid::from_text("EL_1_1"),
        speaker,
        message,
        timestamp: UtcTime::parse(time).unwrap(),
        conversation_id: None,
    })
}

fn word(origin: Origin) -> &'static str {
    match origin {
        Origin::Posted => "posted",
        Origin::Transcript => "transcript",
        Origin::Unreported => "unreported",
    }
}

#[test]
fn the_clause_of_sql_and_the_comparison_know_the_same_repeats() {
    let connection = Connection::open_in_memory().unwrap();
    let columns = "speaker_type, message_text, original_text, timestamp, origin";
    connection
        .execute_batch(&format!("CREATE TABLE call_transcriptions ({columns})"))
        .unwrap();
    let (repeats, all) = (Cell::new(0_u32), Cell::new(0_u32));
    hold(Cost::Parser, &(stored(), posted()), |(stored, posted)| {
        connection
            .execute_batch("DELETE FROM call_transcriptions")
            .unwrap();
        let insert =
            format!("INSERT INTO call_transcriptions ({columns}) VALUES (?1, ?2, ?3, ?4, ?5)");
        let row = params![
            stored.speaker.as_str(),
            stored.message,
            stored.original_text,
            stored.timestamp.as_stored(),
            word(stored.origin)
        ];
        connection.execute(&insert, row).unwrap();
        // As the statements use it: whether there is such a turn. `?1` is their own.
        let sql =
            format!("SELECT ?1, EXISTS (SELECT 1 FROM call_transcriptions t WHERE {SAME_TURN})");
        let bound = params![
            0,
            posted.speaker.as_str(),
            posted.message,
            posted.timestamp.to_string()
        ];
        let by_sql: bool = connection.query_row(&sql, bound, |row| row.get(1)).unwrap();
        let same = compare(&stored, &posted);
        assert_eq!(by_sql, same == Same::Repeat, "{same:?}");
        all.set(all.get() + 1);
        repeats.set(repeats.get() + u32::from(by_sql));
    });
    // The inventions are worth something.
    let (repeats, all) = (repeats.get(), all.get());
    assert!(
        repeats > all / 100 && repeats < all / 2,
        "{repeats} of {all}"
    );
}
