//! The documents name real things: every link leads to a file and a heading that exist, and every
//! file of this repository that is named between backquotes is there.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::sqlite::project;

/// Folders that a checkout does not have, or whose documents are not ours.
const NOT_OURS: [&str; 5] = ["build", "corpus", "node_modules", "target", "tmp"];

/// All Markdown files of the repository.
fn documents() -> Vec<PathBuf> {
    let mut folders = vec![project()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && !NOT_OURS.contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// The text outside of fenced code blocks.
fn prose(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let parts = text.split("\n```").step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

/// The targets of `[text](target)`.
fn links(prose: &str) -> Vec<String> {
    let targets = prose.split("](").skip(1);
    targets
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

/// The names that GitHub gives to the headings of a document.
fn anchors(path: &Path) -> HashSet<String> {
    let headings = prose(path);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            heading
                .chars()
                .filter(|one| one.is_alphanumeric() || " -_".contains(*one))
                .map(|one| if one == ' ' { '-' } else { one })
                .collect()
        })
        .collect()
}

/// Whether a text between backquotes is the path of a file in a folder of this repository.
fn is_path(quoted: &str) -> bool {
    const ENDINGS: [&str; 14] = [
        "css", "html", "js", "json", "md", "mjs", "py", "rs", "sh", "sql", "svg", "toml", "ts",
        "tsx",
    ];
    let plain = |one: char| one.is_ascii_alphanumeric() || "_-./".contains(one);
    let Some((folder, _)) = quoted.split_once('/') else {
        return false;
    };
    let ending = quoted.rsplit('.').next().unwrap_or_default();
    !folder.starts_with('.')
        && !folder.is_empty()
        && !NOT_OURS.contains(&folder)
        && quoted.chars().all(plain)
        && ENDINGS.contains(&ending)
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut broken = Vec::new();
    let mut checked = 0;
    for document in documents() {
        for link in links(&prose(&document)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => document.clone(),
                file => document.parent().unwrap().join(file),
            };
            let leads = target.exists() && (anchor.is_empty() || anchors(&target).contains(anchor));
            if !leads {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(checked > 30, "{checked}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_file_that_a_document_names_exists() {
    let mut missing = Vec::new();
    let mut checked = 0;
    for document in documents() {
        // The changelog also names what is gone.
        if document.ends_with("CHANGELOG.md") {
            continue;
        }
        let prose = prose(&document);
        for named in prose
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|one| is_path(one))
        {
            checked += 1;
            // The architecture names source files by their path below src/.
            let places = [
                project().join(named),
                project().join("src").join(named),
                document.parent().unwrap().join(named),
            ];
            if !places.iter().any(|place| place.exists()) {
                missing.push(format!("{}: {named}", document.display()));
            }
        }
    }
    assert!(checked > 100, "{checked}");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
