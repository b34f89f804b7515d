//! The shape of the source: where the Workers runtime may appear, how long a file may be, and that
//! nothing on a request's way can panic.

use std::path::{Path, PathBuf};

use crate::support::sqlite::project;

/// Every Rust file under src/, as its path from the project's folder and its text.
pub fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    collect(&project().join("src"), &mut files);
    files.sort();
    let name = |path: &Path| {
        path.strip_prefix(project())
            .unwrap()
            .to_str()
            .unwrap()
            .replace('\\', "/")
    };
    let read = |path: PathBuf| (name(&path), std::fs::read_to_string(&path).unwrap());
    // Unit tests that fill a file of their own are tests, not source.
    files.retain(|path| !path.to_str().unwrap().ends_with("_tests.rs"));
    let sources: Vec<_> = files.into_iter().map(read).collect();
    assert!(sources.len() > 30, "{}", sources.len());
    sources
}

/// The code of a file without its comments and without its tests, in numbered lines. The module of
/// tests is the last thing in a file.
pub fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<_> = text.lines().collect();
    let is_tests = |index: &usize| {
        let mut rest = lines[*index..]
            .iter()
            .skip_while(|line| line.trim().starts_with("#["));
        lines[*index].trim() == "#[cfg(test)]"
            && rest
                .next()
                .is_some_and(|line| line.trim() == "mod tests {" || line.trim() == "mod tests;")
    };
    let end = (0..lines.len()).find(is_tests).unwrap_or(lines.len());
    let code = lines.into_iter().take(end).enumerate();
    code.map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

/// Whether a crate's path starts somewhere in this line: `worker::`, but not `some_worker::`.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        !before.is_some_and(is_word) && after.starts_with("::")
    })
}

/// The files that may name the Workers runtime. All others reach it through effects, as data.
const BOUNDARY: [&str; 2] = ["src/events.rs", "src/platform/worker_runtime.rs"];

fn may_name_the_runtime(file: &str) -> bool {
    BOUNDARY.contains(&file)
}

#[test]
fn the_workers_runtime_stays_behind_the_boundary() {
    for (file, text) in sources() {
        for (number, line) in code(&text) {
            for name in [
                "worker",
                "wasm_bindgen",
                "wasm_bindgen_futures",
                "js_sys",
                "web_sys",
                "console_error_panic_hook",
            ] {
                let found = names_crate(line, name);
                assert!(
                    !found || may_name_the_runtime(&file),
                    "{file}:{number}: {line}"
                );
            }
        }
    }
}

#[test]
fn the_files_of_the_boundary_exist_and_cross_it() {
    for (file, text) in sources() {
        if may_name_the_runtime(&file) {
            assert!(
                code(&text).any(|(_, line)| names_crate(line, "worker")),
                "{file}"
            );
        }
    }
    for file in BOUNDARY {
        assert!(project().join(file).is_file(), "{file}");
    }
}

#[test]
fn the_ledger_has_no_sql_and_no_file_measures_time_or_starts_threads() {
    for (file, text) in sources() {
        let forbidden: &[&str] = if file.starts_with("src/ledger/") {
            &["SELECT ", "INSERT ", "UPDATE ", "Statement::new"]
        } else {
            &["std::time::SystemTime", "std::time::Instant", "std::thread"]
        };
        for (number, line) in code(&text) {
            assert!(
                !forbidden.iter().any(|name| line.contains(name)),
                "{file}:{number}: {line}"
            );
        }
    }
}

/// What a route takes is said once, for the worker and for `openapi.json`. So nothing but the entry
/// differs by target, and nothing that serves knows what describes it.
#[test]
fn only_the_entry_differs_by_target_and_the_description_looks_one_way() {
    for (file, text) in sources() {
        for (number, line) in code(&text) {
            let by_target = line.contains("target_arch");
            let entry = ["src/lib.rs", "src/platform/mod.rs"].contains(&file.as_str());
            assert!(!by_target || entry, "{file}:{number}: {line}");
            let describes = line.contains("openapi::");
            let inside = file.starts_with("src/http/openapi/");
            assert!(!describes || inside, "{file}:{number}: {line}");
        }
    }
}

#[test]
fn sql_stands_in_the_store_only() {
    for (file, text) in sources() {
        if file.starts_with("src/store/") {
            continue;
        }
        for (number, line) in code(&text) {
            for word in [
                "SELECT ",
                "INSERT INTO",
                "DELETE FROM",
                " FROM calls",
                "UPDATE calls",
            ] {
                assert!(!line.contains(word), "{file}:{number}: {line}");
            }
        }
    }
}

/// The `SET` clauses in this code, each with the line at which it begins. A clause ends at its
/// `WHERE`, or with the text.
fn set_clauses(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<_> = code(text).collect();
    let mut clauses = Vec::new();
    for (index, (number, line)) in lines.iter().enumerate() {
        for (at, _) in line.match_indices("SET ") {
            // Not `OFFSET`.
            if line[..at].ends_with(char::is_alphabetic) {
                continue;
            }
            let rest = lines[index + 1..].iter().map(|(_, line)| *line);
            let clause: Vec<_> = core::iter::once(&line[at..]).chain(rest).collect();
            let clause = clause.join(" ");
            let end = clause.find("WHERE").unwrap_or(clause.len());
            clauses.push((*number, clause[..end].to_owned()));
        }
    }
    clauses
}

/// `store/links.rs` alone writes which conversation a call has, so that each change follows from
/// `model::decide`.
#[test]
fn one_file_writes_the_conversation_of_a_call() {
    const WRITER: &str = "src/store/links.rs";
    let mut writes = 0;
    for (file, text) in sources() {
        for (number, clause) in set_clauses(&text) {
            let names = clause.contains("conversation_id = ") || clause.contains("_claimed = ");
            assert!(!names || file == WRITER, "{file}:{number}: {clause}");
            writes += usize::from(names);
        }
        // Parts of a clause that another statement takes in, and new rows.
        let all: String = code(&text).map(|(_, line)| line).collect();
        for part in [
            "\"conversation_id = ",
            "\", conversation_id = ",
            "conversation_claimed = ",
        ] {
            assert!(!all.contains(part) || file == WRITER, "{file}: {part}");
        }
        for (at, _) in all.match_indices("INSERT INTO calls (") {
            let columns = all[at..].split(')').next().unwrap();
            assert!(!columns.contains("conversation"), "{file}: {columns}");
        }
    }
    // By a turn, by the dial, and a claim that moves together with its turns.
    assert_eq!(writes, 4);
}

/// Time cannot be measured honestly in a test, so this looks at the text: tokens and signatures
/// go to the comparison that takes the same time wherever they differ, and nowhere else.
#[test]
fn secrets_are_compared_in_constant_time_only() {
    const COMPARING: [&str; 2] = ["src/http/auth.rs", "src/elevenlabs/signature.rs"];
    let mut handed_over = 0;
    for (file, text) in sources() {
        // What describes the API serves nobody.
        if file.starts_with("src/http/openapi/") {
            continue;
        }
        let lines: Vec<_> = code(&text).map(|(_, line)| line).collect();
        for (index, line) in lines.iter().enumerate() {
            let reads = ["::api_token(", "::webhook_token(", "::webhook_secrets("];
            if reads.iter().any(|name| line.contains(name)) {
                // What is read here goes to one of the two in the next lines, and to no other.
                let near = lines[index..].iter().take(6).copied().collect::<String>();
                let compared = near.contains("require_bearer(") || near.contains("is_valid(");
                assert!(compared && !near.contains("=="), "{file}: {near}");
                handed_over += 1;
            }
            let secret = [
                "\"API_TOKEN\"",
                "\"WEBHOOK_TOKEN\"",
                "\"ELEVENLABS_WEBHOOK_SECRET\"",
            ];
            let named = secret.iter().any(|name| line.contains(name));
            assert!(!named || file == "src/platform/config.rs", "{file}: {line}");
            let asked = line.contains("header(\"authorization\")");
            assert!(!asked || file == COMPARING[0], "{file}: {line}");
        }
        if COMPARING.contains(&file.as_str()) {
            let code = lines.concat();
            assert!(
                code.contains(".verify(") || code.contains(".verify_slice("),
                "{file}"
            );
            for word in [
                "given ==",
                "== expected",
                "== token",
                "tag ==",
                "== tag",
                ".eq(",
                "starts_with",
            ] {
                assert!(!code.contains(word), "{file}: {word}");
            }
        }
    }
    assert_eq!(handed_over, 5);
}

/// In place of the lint `missing_docs`, which also asks for a comment at every field. A field's name
/// says enough, unless its format, unit or source must be told.
#[test]
fn every_public_item_but_a_field_is_documented() {
    const ITEMS: [&str; 8] = [
        "async fn", "const", "enum", "fn", "static", "struct", "trait", "type",
    ];
    for (file, text) in sources() {
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        for (number, line) in code(&text) {
            let item = line.trim().strip_prefix("pub ").unwrap_or_default();
            let is_item = ITEMS.iter().any(|kind| {
                let rest = item.strip_prefix(kind);
                rest.is_some_and(|rest| rest.starts_with(' '))
            });
            // Attributes may stand between the comment and the item.
            let before = lines[..number - 1].iter().rev();
            let mut above =
                before.take_while(|line| !line.is_empty() && !line.ends_with(['{', '}', ';']));
            let documented = above.any(|line| line.starts_with("///"));
            assert!(!is_item || documented, "{file}:{number}: {line}");
        }
    }
}

#[test]
fn no_source_file_has_more_than_400_lines() {
    for (file, text) in sources() {
        assert!(
            text.lines().count() <= 400,
            "{file}: {} lines",
            text.lines().count()
        );
    }
}

#[test]
fn nothing_outside_the_tests_can_panic_by_a_word() {
    for (file, text) in sources() {
        for (number, line) in code(&text) {
            // `never!` panics in builds with debug assertions, which the worker is not.
            if file == "src/platform/never.rs" && line.contains("debug_assert!(") {
                continue;
            }
            for word in [
                ".unwrap()",
                ".expect(",
                "panic!(",
                "unreachable!(",
                "unimplemented!(",
                "todo!(",
                "assert!(",
            ] {
                assert!(!line.contains(word), "{file}:{number}: {line}");
            }
        }
    }
}

#[test]
fn the_boundarys_own_check_sees_what_it_should() {
    for (line, found) in [
        ("use worker::Env;", true),
        ("    worker::Date::now()", true),
        ("(worker::Error)", true),
        ("use crate::platform::worker_runtime::WorkerRuntime;", false),
        ("my_worker::run()", false),
        ("a worker that dies", false),
    ] {
        assert_eq!(names_crate(line, "worker"), found, "{line}");
    }
    let sql = "UPDATE calls SET a = 1, \\\n conversation_id = ?3 WHERE b = 2\nOFFSET 5\nSET c = 3";
    let clauses: Vec<_> = set_clauses(sql).into_iter().map(|(_, set)| set).collect();
    assert_eq!(
        clauses,
        ["SET a = 1, \\  conversation_id = ?3 ", "SET c = 3"]
    );
    let text =
        "a // worker::Date\n#[cfg(test)]\nuse b;\nc\n#[cfg(test)]\nmod tests {\nd.unwrap()\n";
    let lines: Vec<_> = code(text).map(|(_, line)| line).collect();
    assert_eq!(lines, ["a ", "#[cfg(test)]", "use b;", "c"]);
}
