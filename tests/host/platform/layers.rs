//! The picture of the modules: every arrow points down, and there is no cycle.

use std::collections::{BTreeMap, BTreeSet};

use crate::platform::boundary::{code, sources};

/// The layers from the bottom to the top. A module may use what is in a lower layer, and itself.
const LAYERS: [&[&str]; 6] = [
    &["model", "json"],
    &["platform"],
    &["store", "elevenlabs"],
    &["ledger"],
    &["http"],
    &["events"],
];

/// The folders in which no file may use itself through others.
const WITHOUT_CYCLES: [&str; 4] = ["model", "platform", "elevenlabs", "ledger"];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The path of a file below `src/`, as a path of Rust: `src/ledger/settle.rs` is `ledger::settle`.
fn module(file: &str) -> String {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.trim_end_matches("/mod").replace('/', "::")
}

/// The paths that follow `prefix` in this code: `a::b` and `a::c` for `prefix::a::{b, c::d}`. One level
/// of braces is taken apart.
fn paths_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let text: String = code(text).map(|(_, line)| line).collect();
    let is_path = |character: char| character.is_alphanumeric() || "_:".contains(character);
    let mut paths = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        if text[..at].ends_with(is_path) {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        let end = rest.find(|character| !is_path(character));
        let (path, rest) = rest.split_at(end.unwrap_or(rest.len()));
        match rest
            .strip_prefix('{')
            .and_then(|list| list.split('}').next())
        {
            Some(list) => {
                paths.extend(list.split(',').map(|item| format!("{path}{}", item.trim())))
            }
            None => _ = paths.insert(path.to_owned()),
        }
    }
    paths
}

#[test]
fn no_arrow_points_up() {
    for (file, text) in sources() {
        let own = module(&file);
        let own = own.split("::").next().unwrap();
        if own == "lib" {
            continue;
        }
        let from = layer(own).unwrap_or_else(|| panic!("{file} is in no layer"));
        for path in paths_after(&text, "crate::") {
            let used = path.split("::").next().unwrap();
            let to = layer(used).unwrap_or_else(|| panic!("{file} uses {path}"));
            assert!(used == own || to < from, "{file} uses {path}");
        }
    }
}

/// The files of one folder, each with those of the same folder that it uses. `mod.rs` is left out:
/// it names every file, and what the others take from it comes from one of them.
fn picture(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let prefix = format!("src/{folder}/");
    let files: BTreeMap<_, _> = sources()
        .into_iter()
        .filter_map(|(file, text)| Some((file.strip_prefix(&prefix)?.to_owned(), text)))
        .filter_map(|(file, text)| Some((file.strip_suffix(".rs")?.to_owned(), text)))
        .filter(|(file, _)| file != "mod")
        .collect();
    assert!(files.len() > 3, "{folder}");
    let uses = |text: &String| -> BTreeSet<String> {
        let mut paths = paths_after(text, "super::");
        paths.extend(paths_after(text, &format!("crate::{folder}::")));
        let first = |path: &String| path.split("::").next().unwrap().to_owned();
        let used = paths.iter().map(first);
        used.filter(|used| files.contains_key(used)).collect()
    };
    files
        .iter()
        .map(|(file, text)| (file.clone(), uses(text)))
        .collect()
}

/// What is left after every file was removed that uses no file that is left.
fn cycles(mut picture: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let left: BTreeSet<_> = picture.keys().cloned().collect();
        picture.retain(|_, uses| !uses.is_disjoint(&left));
        if picture.len() == left.len() {
            return picture;
        }
    }
}

#[test]
fn no_file_of_a_folder_uses_itself_through_others() {
    for folder in WITHOUT_CYCLES {
        let left = cycles(picture(folder));
        assert!(left.is_empty(), "{folder}: {left:?}");
    }
}

#[test]
fn the_check_of_the_picture_sees_what_it_should() {
    let text = "use super::a::{b, c::d};\nuse crate::e::F; // super::comment\nlet x = super::g();";
    let paths: Vec<_> = paths_after(text, "super::").into_iter().collect();
    assert_eq!(paths, ["a::b", "a::c::d", "g"]);
    assert_eq!(module("src/http/openapi/mod.rs"), "http::openapi");
    let graph = |edges: &[(&str, &[&str])]| {
        let uses = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        edges
            .iter()
            .map(|(file, names)| ((*file).to_owned(), uses(names)))
            .collect()
    };
    let tree = graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])]);
    assert!(cycles(tree).is_empty());
    let circle = graph(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]);
    assert_eq!(cycles(circle).len(), 2);
    let settle = &picture("ledger")["settle"];
    assert!(
        settle.contains("judge") && settle.contains("link"),
        "{settle:?}"
    );
}
