//! `make tail`.

use crate::folder::Folder;

#[test]
fn recorded_lines_are_shown_as_live_ones_are() {
    let folder = Folder::new();
    let recorded = r#"{ "outcome": "ok", "logs": [ { "message": [ "{\"event\":\"request\",\"level\":\"info\"}" ] } ] }
        { "outcome": "exceededMemory", "logs": [] }"#;
    folder.write("night.json", recorded);
    let run = folder.run("tail", &[("FILE", "night.json")]);
    assert!(run.success && run.asked.is_empty(), "{run:?}");
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines[0], r#"{"event":"request","level":"info"}"#);
    assert!(lines[1].contains("\"event\":\"platform\""), "{lines:?}");
}

#[test]
fn what_cannot_be_shown_is_said() {
    let folder = Folder::new();
    for (variables, said) in [
        ([("FILE", "nowhere.json")], "nowhere.json: No such file"),
        ([("LEVEL", "warning")], "LEVEL=warning is unknown"),
    ] {
        let run = folder.run("tail", &variables);
        assert!(!run.success && run.stderr.contains(said), "{run:?}");
    }
}
