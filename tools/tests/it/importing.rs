//! `make import`, over a stand-in for wrangler that executes the statements in SQLite under the real migrations.

use std::fmt::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::folder::{Folder, Run, project};

const CALLS: &str = "id,conversation_id,driver_id,call_start_time,call_end_time,status,created_at,updated_at,call_sid\n";
const TURNS: &str =
    "id,conversation_id,speaker_type,message_text,timestamp,sequence_number,created_at\n";
const NOTHING_LEFT: &str = "0 left out\n";

/// A folder with a migrated database, and the files of an older record.
struct Import {
    folder: Folder,
}

impl Import {
    fn new() -> Self {
        let folder = Folder::new();
        let tool = Path::new(env!("CARGO_BIN_EXE_ledger-tools"));
        let stand_in = tool.parent().unwrap().join("examples/stand-in-wrangler");
        assert!(
            stand_in.is_file(),
            "build it: cargo test --package ledger-tools, without --test"
        );
        let wrangler = folder.path().join("node_modules/.bin/wrangler");
        std::fs::remove_file(&wrangler).unwrap();
        symlink(stand_in, wrangler).unwrap();
        let import = Self { folder };
        let files = std::fs::read_dir(project().join("migrations")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
        files.sort();
        let database = import.database();
        database
            .execute_batch("CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
            .unwrap();
        for file in files {
            let sql = std::fs::read_to_string(&file).unwrap();
            database
                .execute_batch(&format!("BEGIN; {sql}; COMMIT;"))
                .unwrap();
            let name = file.file_name().unwrap().to_str().unwrap();
            database
                .execute("INSERT INTO d1_migrations (name) VALUES (?1)", [name])
                .unwrap();
        }
        import
    }

    fn database(&self) -> Connection {
        let connection = Connection::open(self.folder.path().join("ledger.sqlite")).unwrap();
        connection
            .pragma_update(None, "foreign_keys", true)
            .unwrap();
        connection
            .pragma_update(None, "synchronous", "OFF")
            .unwrap();
        connection
    }

    fn execute(&self, sql: &str) {
        self.database().execute_batch(sql).unwrap();
    }

    fn run_files(&self, calls: &Path, turns: &Path) -> Run {
        let state = self.folder.path().to_str().unwrap();
        let [calls, turns] = [calls, turns].map(|path| path.to_str().unwrap());
        self.folder.run(
            "import",
            &[("PERSIST", state), ("CALLS", calls), ("TURNS", turns)],
        )
    }

    /// Imports these rows, without the headers.
    fn run(&self, calls: &str, turns: &str) -> Run {
        self.folder.write("calls.csv", &format!("{CALLS}{calls}"));
        self.folder.write("turns.csv", &format!("{TURNS}{turns}"));
        let file = |name| self.folder.path().join(name);
        self.run_files(&file("calls.csv"), &file("turns.csv"))
    }

    /// All rows of both tables.
    fn everything(&self) -> Vec<Vec<Vec<Value>>> {
        let queries = [
            "SELECT * FROM calls ORDER BY id",
            "SELECT * FROM call_transcriptions ORDER BY conversation_id, sequence_number",
        ];
        queries.map(|sql| self.rows(sql)).to_vec()
    }

    fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        let database = self.database();
        let mut statement = database.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect());
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// A query's rows, the values of each joined by `|`.
    fn lines(&self, sql: &str) -> Vec<String> {
        let text = |value: &Value| match value {
            Value::Null => "-".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            other => format!("{other:?}"),
        };
        let line = |row: &Vec<Value>| row.iter().map(text).collect::<Vec<_>>().join("|");
        self.rows(sql).iter().map(line).collect()
    }
}

fn assert_imported(run: &Run, calls: &str, turns: &str) {
    assert!(run.success, "{run:?}");
    assert!(
        run.stdout
            .contains(&format!("import: calls: {calls}, 0 left out\n")),
        "{run:?}"
    );
    assert!(
        run.stdout.contains(&format!("import: turns: {turns}")),
        "{run:?}"
    );
}

fn fixture(name: &str) -> std::path::PathBuf {
    project().join("tools/tests/fixtures").join(name)
}

#[test]
fn the_record_of_a_real_postgresql_comes_over() {
    let import = Import::new();
    let run = import.run_files(&fixture("calls.csv"), &fixture("turns.csv"));
    assert_imported(
        &run,
        "9 imported, 0 already there",
        "11 imported, 0 already there, 2 left out\n",
    );
    assert!(
        run.stdout
            .contains("  turns.csv:14: no call has the conversation \"conv_nowhere\"\n"),
        "{run:?}"
    );
    assert!(
        run.stdout.contains("  turns.csv:15: no call has"),
        "{run:?}"
    );
    assert!(
        run.stdout
            .contains("import: 2 calls came in as in_progress"),
        "{run:?}"
    );
    assert!(
        run.stderr
            .contains("import: 11 of 11 turns written (100 %)"),
        "{run:?}"
    );
    let calls = "SELECT call_sid, conversation_id, driver_id, call_start_time, call_end_time, status, created_at, updated_at \
                 FROM calls ORDER BY id";
    let expected = [
        "EL_42_1763721000|conv_a|42|2025-11-21T10:30:00.123Z|2025-11-21T10:34:00.000Z|completed|2025-11-21T10:30:00.123Z|2025-11-21T10:30:00.123Z",
        "EL_42_1763721000_2|conv_b|42|2025-11-21T10:30:00.900Z|-|failed|2025-11-21T10:30:00.900Z|2025-11-21T10:31:00.000Z",
        "EL_42_1763721000_3_2|conv_c|42|2025-11-21T10:30:00.000Z|-|failed|2025-11-21T10:30:00.000Z|2025-11-21T10:31:00.000Z",
        "EL_UNKNOWN_1763726400|conv_d|-|2025-11-21T12:00:00.000Z|2025-11-21T12:05:00.500Z|completed|2025-11-21T12:00:00.000Z|2025-11-21T12:05:01.000Z",
        "EL_7_-1|conv_\"e\", 'f'|7|1969-12-31T23:59:59.500Z|-|in_progress|1969-12-31T23:59:59.500Z|1969-12-31T23:59:59.500Z",
        "EL_7_1763730000|-|7|2025-11-21T13:00:00.000Z|-|failed|2025-11-21T13:00:00.000Z|2025-11-21T13:00:00.000Z",
        "EL_9007199254740991_2025-03-09T02:30:00Z|conv_🚚|9007199254740991|2025-03-09T02:30:00.000Z|-|in_progress|2025-03-09T02:30:00.000Z|2025-03-09T02:30:00.000Z",
        "EL_-7_1709251199|conv_quiet|-7|2024-02-29T23:59:59.999Z|-|completed|2024-02-29T23:59:59.999Z|2024-02-29T23:59:59.999Z",
        "EL_42_1763721000_3|conv_h|42|2025-11-21T10:30:01.000Z|-|completed|2025-11-21T10:30:01.000Z|2025-11-21T10:30:01.000Z",
    ];
    assert_eq!(import.lines(calls), expected);
    let turns = "SELECT conversation_id, sequence_number, speaker_type, timestamp, created_at, length(message_text), substr(message_text, 1, 62) \
                 FROM call_transcriptions ORDER BY conversation_id, sequence_number";
    let expected = [
        "conv_\"e\", 'f'|1|agent|1970-01-01T00:00:00.000Z|1970-01-01T00:00:00.000Z|60|  =1+1;BEGIN TRANSACTION; DROP TABLE calls; COMMIT; -- /* ' ",
        "conv_a|1|agent|2025-11-21T10:30:05.000Z|2025-11-21T10:30:05.500Z|31|Hello Ada, is this a good time?",
        "conv_a|2|agent|2025-11-21T10:30:09.400Z|2025-11-21T10:30:09.700Z|46|First line\nsecond line\r\nthird, with a tab\there",
        "conv_a|3|driver|2025-11-21T10:30:09.500Z|2025-11-21T10:30:09.600Z|31|It's \"fine\", I'm parked; go on.",
        "conv_a|4|driver|2025-11-21T10:30:20.000Z|2025-11-21T10:30:20.000Z|14|👍🏽 Ünï→cødé ok",
        "conv_b|1|agent|2025-11-21T10:30:09.000Z|2025-11-21T10:30:09.000Z|5|first",
        "conv_b|2|driver|2025-11-21T10:30:09.000Z|2025-11-21T10:30:09.000Z|6|second",
        "conv_c|1|driver|2025-11-21T10:30:09.000Z|2025-11-21T10:30:09.000Z|0|",
        "conv_c|2|agent|2025-11-21T10:30:10.000Z|2025-11-21T10:30:10.000Z|2|\\N",
        "conv_d|1|driver|2025-11-21T12:00:02.000Z|2025-11-21T12:00:02.000Z|2|\\.",
        "conv_🚚|1|agent|2025-03-09T02:30:01.000Z|2025-03-09T02:30:01.000Z|132000|0123456789 0123456789 0123456789 0123456789 0123456789 0123456",
    ];
    assert_eq!(import.lines(turns), expected);
    let long = "SELECT message_text = replace(hex(zeroblob(12000)), '00', '0123456789 ') AS whole \
                FROM call_transcriptions WHERE conversation_id = 'conv_🚚'";
    assert_eq!(import.lines(long), ["1"]);
}

#[test]
fn importing_again_changes_nothing_however_the_files_were_written() {
    let import = Import::new();
    assert!(
        import
            .run_files(&fixture("calls.csv"), &fixture("turns.csv"))
            .success
    );
    let before = import.everything();
    let windows = std::fs::read_to_string(fixture("calls.csv")).unwrap();
    import.folder.write(
        "windows.csv",
        &format!("\u{feff}{}", windows.replace('\n', "\r\n")),
    );
    let windows = import.folder.path().join("windows.csv");
    for (calls, turns) in [
        (fixture("calls.csv"), fixture("turns.csv")),
        // The same rows, from a session with another time zone, all quoted, and NULL as \N.
        (
            fixture("calls_kathmandu.csv"),
            fixture("turns_kathmandu.csv"),
        ),
        (windows, fixture("turns.csv")),
    ] {
        let run = import.run_files(&calls, &turns);
        assert_imported(
            &run,
            "0 imported, 9 already there",
            "0 imported, 11 already there, 2 left out\n",
        );
        assert!(!run.stderr.contains("written"), "{run:?}");
        assert_eq!(import.everything(), before);
    }
    // The other way round, into an empty database.
    let other = Import::new();
    assert!(
        other
            .run_files(
                &fixture("calls_kathmandu.csv"),
                &fixture("turns_kathmandu.csv")
            )
            .success
    );
    assert_eq!(other.everything(), before);
}

#[test]
fn every_bad_line_is_reported_and_then_nothing_is_imported() {
    let import = Import::new();
    let time = "2025-11-21 10:30:00";
    let calls = format!(
        "1,a,7,{time},,completed,{time},,\n\
         2,b,7,{time},,ringing,{time},,\n\
         x,,3.5,yesterday,infinity,,{time},,\n\
         1,a,7,{time},,failed,{time},,EL_1\n\
         5,\"\",7,{time},,failed,{time},,EL_1\n\
         6,c,7,{time},,failed,{time},,EL_1\n\
         7,d,7,{time},,failed,{time},,EL_1\n\
         8,e,7\n"
    );
    let turns = format!(
        "1,a,agent,Hello,{time},1,{time}\n\
         2,a,robot,Hello,{time},one,{time}\n\
         3,,agent,Hello,{time},1,{time}\n\
         4,a,agent,\"Hello\n\"you,{time},1,{time}\n\
         1,a,agent,Hello,{time},2,{time}\n"
    );
    let run = import.run(&calls, &turns);
    assert!(!run.success, "{run:?}");
    for line in [
        "import: 17 faults: these lines cannot be imported. Nothing was imported:\n",
        "calls.csv:3: status is \"ringing\", and must be one of in_progress, completed, failed\n",
        "calls.csv:4: id is \"x\", and must be a whole number, at most 9007199254740991\n",
        "calls.csv:4: driver_id is \"3.5\", and must be a whole number",
        "calls.csv:4: call_start_time is \"yesterday\", and must be a time such as",
        "calls.csv:4: call_end_time is \"infinity\", and is infinite",
        "calls.csv:4: status is NULL, and must have a value\n",
        "calls.csv:5: id stands on line 2 already: remove one of the two\n",
        "calls.csv:5: conversation_id stands on line 2 already",
        "calls.csv:6: conversation_id is an empty text: make it NULL, or give it a name\n",
        "calls.csv:7: call_sid stands on line 5 already",
        "calls.csv:8: call_sid stands on line 5 already",
        "calls.csv:9: has 3 fields, the header has 9\n",
        "turns.csv:3: speaker_type is \"robot\", and must be one of agent, driver, user\n",
        "turns.csv:3: sequence_number is \"one\", and must be a whole number",
        "turns.csv:4: conversation_id is NULL, and must have a value\n",
        "turns.csv:6: has text behind a closing quote\n",
        "turns.csv:7: id stands on line 2 already",
    ] {
        assert!(
            run.stderr.contains(line),
            "{line} is not in\n{}",
            run.stderr
        );
    }
    assert!(import.everything().iter().all(Vec::is_empty));
}

#[test]
fn a_file_that_is_no_export_is_refused_as_a_whole() {
    let import = Import::new();
    let path = |name: &str| import.folder.path().join(name);
    import
        .folder
        .write("semicolons.csv", &CALLS.replace(',', ";"));
    import.folder.write("empty.csv", "");
    std::fs::write(
        path("latin.csv"),
        [TURNS.as_bytes(), b"1,a,agent,caf\xe9"].concat(),
    )
    .unwrap();
    import.folder.write("calls.csv", CALLS);
    for (calls, turns, said) in [
        (
            "semicolons.csv",
            "calls.csv",
            "semicolons.csv:1: the header lacks id, conversation_id, driver_id",
        ),
        ("empty.csv", "calls.csv", "empty.csv is empty"),
        (
            "calls.csv",
            "calls.csv",
            "the header lacks speaker_type, message_text, timestamp, sequence_number",
        ),
        (
            "calls.csv",
            "latin.csv",
            "latin.csv:2: is not UTF-8. In psql: SET client_encoding TO 'UTF8'",
        ),
        ("nowhere.csv", "calls.csv", "nowhere.csv: No such file"),
    ] {
        let run = import.run_files(&path(calls), &path(turns));
        assert!(!run.success && run.stderr.contains(said), "{run:?}");
    }
}

#[test]
fn what_contradicts_the_record_is_reported_and_changes_nothing() {
    let import = Import::new();
    let time = "2025-11-21 10:30:00";
    let calls = format!("1,a,7,{time},,completed,{time},,EL_1\n2,b,8,{time},,completed,{time},,\n");
    let turns = format!("1,a,agent,Hello,{time},1,{time}\n");
    assert!(import.run(&calls, &turns).success);
    let before = import.everything();
    for (calls, turns, said) in [
        (
            calls.replace("1,a,7", "1,a,8"),
            "",
            "calls.csv:2: the call EL_1 is on record with another driver_id",
        ),
        (
            calls.replace("1,a,7,2025", "1,a,7,2024"),
            "",
            "calls.csv:2: the call EL_1 is on record with another call_start_time",
        ),
        (
            calls.replace("1,a,", "1,c,"),
            "",
            "calls.csv:2: the call EL_1 is on record with another conversation_id",
        ),
        (
            calls.replace("EL_1", "EL_2"),
            "",
            "calls.csv:2: conversation_id is on record for the call EL_1",
        ),
        (
            calls.clone(),
            &*turns.replace("Hello", "Bye"),
            "turns.csv:2: another turn is on record as number 1 of the conversation \"a\"",
        ),
        (
            calls.clone(),
            &turns.replace("agent", "user"),
            "turns.csv:2: another turn is on record",
        ),
        (
            calls.clone(),
            &turns.replace(&format!("Hello,{time}"), "Hello,2025-11-21 10:30:01"),
            "turns.csv:2: another turn",
        ),
    ] {
        let run = import.run(&calls, turns);
        assert!(!run.success && run.stderr.contains(said), "{said}: {run:?}");
        assert!(
            run.stderr
                .contains("these lines contradict what is on record. Nothing was imported"),
            "{run:?}"
        );
        assert_eq!(import.everything(), before);
    }
}

#[test]
fn what_elevenlabs_reported_since_stays() {
    let import = Import::new();
    let time = "2025-11-21 10:30:00";
    let calls = format!(
        "1,a,7,{time},,in_progress,{time},,\n2,b,8,{time},,in_progress,{time},,\n3,,9,{time},,in_progress,{time},,\n"
    );
    let turns = format!("1,a,agent,Helo,{time},1,{time}\n2,b,agent,Hello,{time},1,{time}\n");
    assert!(import.run(&calls, &turns).success);
    // An event settled the first call, retention cleared the second one's text, the third one got its conversation.
    import.execute(
        "UPDATE calls SET status = 'completed', call_end_time = '2025-11-21T10:34:00.000Z', transcript_revision = 1 WHERE conversation_id = 'a'; \
         UPDATE call_transcriptions SET message_text = 'Hello!' WHERE conversation_id = 'a'; \
         UPDATE call_transcriptions SET message_text = '' WHERE conversation_id = 'b'; \
         UPDATE calls SET conversation_id = 'c' WHERE driver_id = 9;",
    );
    let before = import.everything();
    let run = import.run(&calls, &turns);
    assert_imported(
        &run,
        "0 imported, 3 already there",
        "0 imported, 2 already there, 0 left out\n",
    );
    assert!(
        run.stdout
            .contains("import: 1 calls have another status or end on record by now"),
        "{run:?}"
    );
    assert!(
        run.stdout
            .contains("import: 1 turns belong to calls whose transcript ElevenLabs has sent since"),
        "{run:?}"
    );
    assert_eq!(import.everything(), before);
}

/// The n-th turn of a call has the id 2^40 + id of the call * 2^22 + n, where n counts the removed ones too.
#[test]
fn turns_get_the_ids_and_the_calls_the_marks_that_the_ledger_gives() {
    let import = Import::new();
    let time = "2025-11-21 10:30:00";
    let calls = format!("1,a,7,{time},,completed,{time},,\n2,b,7,{time},,completed,{time},,\n");
    let turns = format!(
        "1,a,agent,Hello,{time},1,2025-11-21 10:30:02\n2,a,user,Yes,{time},2,2025-11-21 10:30:03\n\
         3,b,agent,\"\",{time},1,{time}\n"
    );
    assert!(import.run(&calls, &turns).success);
    import.execute("UPDATE calls SET turns_removed = 5 WHERE conversation_id = 'a'");
    let turns = format!("{turns}4,a,agent,Bye,{time},3,2025-11-21 10:30:01\n");
    assert!(import.run(&calls, &turns).success);
    let ids = "SELECT t.conversation_id, t.sequence_number, t.id - 1099511627776 - c.id * 4194304 \
               FROM call_transcriptions t JOIN calls c ON c.conversation_id = t.conversation_id ORDER BY 1, 2";
    assert_eq!(import.lines(ids), ["a|1|1", "a|2|2", "a|3|8", "b|1|1"]);
    // Retention finds imported texts by the mark: their calls come behind younger ones.
    let marks = "SELECT conversation_id, turns_due_at FROM calls ORDER BY 1";
    assert_eq!(import.lines(marks), ["a|2025-11-21T10:30:01.000Z", "b|-"]);
}

#[test]
fn a_conversation_from_which_turns_were_deleted_is_not_filled_up() {
    let import = Import::new();
    let time = "2025-11-21 10:30:00";
    let calls = format!("1,a,7,{time},,completed,{time},,\n");
    let turns = format!("1,a,agent,Hello,{time},1,{time}\n2,a,user,Yes,{time},2,{time}\n");
    assert!(import.run(&calls, &turns).success);
    import.execute("DELETE FROM call_transcriptions WHERE sequence_number = 1");
    let run = import.run(&calls, &turns);
    assert!(!run.success, "{run:?}");
    let said = "turns.csv:2: turn 1 of the conversation \"a\" was deleted from the record";
    assert!(run.stderr.contains(said), "{run:?}");
}

#[test]
fn a_later_export_brings_only_what_is_new() {
    let import = Import::new();
    let time = "2025-11-21 10:30:00";
    let calls = format!("1,a,7,{time},,completed,{time},,\n");
    let turns = format!("1,a,agent,Hello,{time},1,{time}\n");
    assert!(import.run(&calls, &turns).success);
    let calls = format!("{calls}2,b,7,{time},,completed,{time},,\n");
    let turns = format!("{turns}2,a,user,Yes,{time},2,{time}\n3,b,agent,Hello,{time},1,{time}\n");
    let run = import.run(&calls, &turns);
    assert_imported(
        &run,
        "1 imported, 1 already there",
        "2 imported, 1 already there, 0 left out\n",
    );
    // Turns of calls that only the record has come in as well.
    let run = import.run("", &format!("4,b,user,Bye,{time},2,{time}\n"));
    assert!(
        !run.success && run.stderr.contains("number 1 of the conversation \"b\""),
        "it becomes the first: {run:?}"
    );
    let all = "SELECT conversation_id, sequence_number, message_text FROM call_transcriptions ORDER BY 1, 2";
    assert_eq!(import.lines(all), ["a|1|Hello", "a|2|Yes", "b|1|Hello"]);
}

#[test]
fn names_on_record_are_not_given_again() {
    let import = Import::new();
    let time = "2025-11-21 10:30:00";
    let other = |id: u32, sid: &str| {
        format!("({id}, 'other_{id}', 1, '{time}', 'failed', '{time}', '{time}', '{sid}')")
    };
    let others = [
        other(1, "EL_7_1763721000"),
        other(2, "EL_7_1763721000_1"),
        other(3, "EL_7_1763721000_1_2"),
    ]
    .join(", ");
    import.execute(&format!(
        "INSERT INTO calls (id, conversation_id, driver_id, call_start_time, status, created_at, updated_at, call_sid) VALUES {others}"
    ));
    let calls = format!("1,,7,{time},,failed,{time},,\n2,,7,{time},,failed,{time},,\n");
    let run = import.run(&calls, "");
    assert_imported(&run, "2 imported, 0 already there", "0 imported");
    let named = import.lines("SELECT call_sid FROM calls WHERE driver_id = 7 ORDER BY id");
    assert_eq!(named, ["EL_7_1763721000_1_3", "EL_7_1763721000_2"]);
    // These calls have no conversation, and are known by their names again.
    let run = import.run(&calls, "");
    assert_imported(&run, "0 imported, 2 already there", "0 imported");
}

#[test]
fn an_interrupted_import_is_completed_by_the_next() {
    let time = "2025-11-21 10:30:00";
    let mut calls = String::new();
    let mut turns = String::new();
    for call in 0..300 {
        writeln!(calls, "{call},conv_{call},7,{time},,completed,{time},,").unwrap();
        for turn in 0..10 {
            let words = "said again and again and ".repeat(50);
            writeln!(
                turns,
                "{},conv_{call},agent,{words},{time},{turn},{time}",
                call * 10 + turn
            )
            .unwrap();
        }
    }
    let whole = Import::new();
    let run = whole.run(&calls, &turns);
    assert_imported(
        &run,
        "300 imported, 0 already there",
        "3000 imported, 0 already there, 0 left out\n",
    );
    let files = run
        .stderr
        .lines()
        .filter(|line| line.contains("turns written"))
        .count();
    assert!(files > 1, "{run:?}");

    for faults in ["lost", "ok refused", "ok ok refused", "ok lost"] {
        let import = Import::new();
        import.folder.write("faults", faults);
        let run = import.run(&calls, &turns);
        assert!(
            !run.success && run.stderr.contains("Network connection lost."),
            "{faults}: {run:?}"
        );
        assert!(run.stderr.contains("Run it again"), "{run:?}");
        let run = import.run(&calls, &turns);
        assert!(
            run.success && run.stdout.ends_with(NOTHING_LEFT),
            "{faults}: {run:?}"
        );
        assert!(import.everything() == whole.everything(), "{faults}");
    }
}

#[test]
fn a_database_without_the_newest_schema_is_not_touched() {
    let import = Import::new();
    import.execute("DELETE FROM d1_migrations WHERE name LIKE '0009%'");
    let run = import.run("", "");
    assert!(
        !run.success && run.stderr.contains("does not have 0009_"),
        "{run:?}"
    );
    assert!(run.stderr.contains("make migrate first"), "{run:?}");
    let run = import.folder.run("import", &[("CALLS", "calls.csv")]);
    assert!(
        !run.success && run.stderr.contains("which files?"),
        "{run:?}"
    );
}
