//! `docs/security.md` names for each threat the test that shows it: those tests exist, and no threat
//! is without one.

use crate::support::sqlite::project;

fn document() -> String {
    std::fs::read_to_string(project().join("docs/security.md")).unwrap()
}

/// What stands between backquotes and looks like a test: `module::function`.
fn named_tests(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let tests = quoted.filter_map(|quoted| quoted.split_once("::"));
    tests
        .filter(|(module, function)| {
            let word = |text: &str| {
                !text.is_empty()
                    && text
                        .chars()
                        .all(|one| one.is_ascii_lowercase() || "_/.0123456789".contains(one))
            };
            word(module) && word(function)
        })
        .collect()
}

fn file_of(module: &str) -> String {
    match module.split_once('/') {
        Some(("src", _)) => module.to_owned(),
        Some(("worker" | "simulation", _)) => format!("tests/{module}.rs"),
        _ => format!("tests/host/{module}.rs"),
    }
}

#[test]
fn every_test_that_the_document_names_exists() {
    let text = document();
    let tests = named_tests(&text);
    assert!(tests.len() > 80, "{}", tests.len());
    for (module, function) in tests {
        let file = file_of(module);
        let source = std::fs::read_to_string(project().join(&file));
        let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
        let test = source
            .split("#[test]")
            .chain(source.split("#[tokio::test]"));
        let found = test.skip(1).any(|after| {
            let named = format!("fn {function}(");
            after
                .lines()
                .find(|line| line.contains("fn "))
                .is_some_and(|line| line.contains(&named))
        });
        assert!(found, "{file} has no test {function}");
    }
}

#[test]
fn every_threat_names_its_test_or_says_that_there_is_none() {
    let text = document();
    let (_, threats) = text.split_once("## Access").unwrap();
    let (threats, _) = threats.split_once("## What it is made of").unwrap();
    let mut paragraphs = threats.split("\n**");
    assert!(paragraphs.clone().count() > 20);
    for threat in paragraphs.by_ref().skip(1) {
        let stated = threat.contains("No test");
        assert!(stated || !named_tests(threat).is_empty(), "**{threat}");
    }
}
