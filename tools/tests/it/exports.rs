//! The documents tell people to write exports of the whole record into this folder. Git must ignore each of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::folder::project;

/// What stands in front of the name of a file or folder that a documented command writes.
const WRITES: [&str; 7] = [
    "--output ",
    "--outdir ",
    "--persist-to ",
    "PERSIST=",
    "CALLS=",
    "TURNS=",
    ") TO ",
];

/// The text of every document, with its name.
fn documents() -> Vec<(String, String)> {
    let mut files = vec![project().join("README.md"), project().join("SECURITY.md")];
    let docs = std::fs::read_dir(project().join("docs")).unwrap();
    files.extend(docs.map(|entry| entry.unwrap().path()));
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    let read = |file: &Path| std::fs::read_to_string(file).unwrap();
    let name = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|file| (name(file), read(file))).collect()
}

/// The names of files in this folder that one line of a document tells to write.
fn written(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for before in WRITES {
        for (at, _) in line.match_indices(before) {
            let rest = &line[at + before.len()..];
            let rest = rest.replace("$(date -u +%Y-%m-%d)", "2025-11-21");
            let quoted = rest.starts_with(['"', '\'']);
            let end = |character: char| match character {
                '"' | '\'' => true,
                ' ' | '`' | ',' | ')' | ']' | ';' => !quoted,
                _ => false,
            };
            let rest = rest.trim_start_matches(['"', '\'']);
            let name = rest.split(end).next().unwrap_or_default();
            // `PERSIST=DIR` stands for a name; a path elsewhere is not in this folder.
            let stands_for_a_name = name.chars().all(|character| !character.is_lowercase());
            if !stands_for_a_name && !name.starts_with(['$', '/', '<']) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

#[test]
fn git_ignores_every_export_that_the_documents_tell_people_to_write() {
    let mut names = BTreeSet::new();
    for (document, text) in documents() {
        for line in text.lines() {
            names.extend(
                written(line)
                    .into_iter()
                    .map(|name| (document.clone(), name)),
            );
        }
    }
    assert!(names.len() >= 4, "{names:?}");

    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(folder.path()).args(arguments);
        command.output().unwrap().status.success()
    };
    assert!(git(&["init", "--quiet"]));
    std::fs::copy(
        project().join(".gitignore"),
        folder.path().join(".gitignore"),
    )
    .unwrap();
    for (document, name) in names {
        // A folder is ignored with what is in it.
        let inside = format!("{name}/file");
        assert!(
            git(&["check-ignore", "-q", &name]) || git(&["check-ignore", "-q", &inside]),
            "{document} tells people to write {name}, which .gitignore does not name"
        );
    }
    for kept in ["migrations/0000_create.sql", "openapi.json", "tests/x.csv"] {
        assert!(!git(&["check-ignore", "-q", kept]), "{kept} is ignored");
    }
}

#[test]
fn the_names_are_found_in_the_lines() {
    for (line, names) in [
        (
            "npx wrangler d1 export x --remote --output copy.sql`, load it",
            vec!["copy.sql"],
        ),
        (
            "  --output \"ledger-$(date -u +%Y-%m-%d).sql\"",
            vec!["ledger-2025-11-21.sql"],
        ),
        ("  [REMOTE=1] [ENV=…] [PERSIST=DIR]", vec![]),
        ("--outdir \"${TMPDIR:-/tmp}/call-ledger-check\"", vec![]),
        (
            "make import CALLS=calls.csv TURNS=turns.csv",
            vec!["calls.csv", "turns.csv"],
        ),
        (
            "\\copy (SELECT id FROM calls) TO 'calls.csv' CSV",
            vec!["calls.csv"],
        ),
        (
            "make migrate PERSIST=rehearsal      # says",
            vec!["rehearsal"],
        ),
    ] {
        assert_eq!(written(line), names, "{line}");
    }
}
