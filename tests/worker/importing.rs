//! The import over the real wrangler and its local D1: how they cut a file into statements, and their limits, are
//! theirs alone. `tools/tests/it/importing.rs` has the rules.

use rusqlite::Connection;
use serde_json::json;

use crate::database::rows;
use crate::migrations::tool;
use crate::wrangler::{database_file, project, run_well};

#[test]
fn the_record_of_a_real_postgresql_comes_over_and_importing_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    run_well(&mut tool("migrate", state));
    let fixtures = project().join("tools/tests/fixtures");
    let import = |calls: &str, turns: &str| {
        let mut tool = tool("import", state);
        tool.env("CALLS", fixtures.join(calls));
        run_well(tool.env("TURNS", fixtures.join(turns)))
    };
    let said = import("calls.csv", "turns.csv");
    assert!(
        said.contains("import: calls: 9 imported, 0 already there, 0 left out"),
        "{said}"
    );
    assert!(
        said.contains("import: turns: 11 imported, 0 already there, 2 left out"),
        "{said}"
    );

    let database = || Connection::open(database_file(state)).unwrap();
    let turns = "SELECT * FROM call_transcriptions ORDER BY conversation_id, sequence_number";
    let everything = || {
        let database = database();
        let calls = rows(&database, "SELECT * FROM calls ORDER BY id", &[]);
        (calls, rows(&database, turns, &[]))
    };
    let before = everything();
    // A text that wrangler would take for a transaction, and one that is longer than a statement may be.
    let message = "  =1+1;BEGIN TRANSACTION; DROP TABLE calls; COMMIT; -- /* ' ";
    let odd = rows(
        &database(),
        "SELECT conversation_id FROM call_transcriptions WHERE message_text = ?1 OR length(message_text) = 132000 ORDER BY 1",
        &[message],
    );
    assert_eq!(
        odd,
        [
            json!({ "conversation_id": "conv_\"e\", 'f'" }),
            json!({ "conversation_id": "conv_🚚" })
        ]
    );

    let said = import("calls_kathmandu.csv", "turns_kathmandu.csv");
    assert!(
        said.contains("import: calls: 0 imported, 9 already there, 0 left out"),
        "{said}"
    );
    assert!(
        said.contains("import: turns: 0 imported, 11 already there, 2 left out"),
        "{said}"
    );
    assert_eq!(everything(), before);
}
