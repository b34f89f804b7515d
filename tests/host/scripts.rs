//! Which environment, which database, and which place the scripts hand to wrangler. A stand-in for wrangler writes
//! down what it is asked, in a copy of what the scripts need; `tests/worker/migrations.rs` runs them with the real one.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::sqlite::project;

const WRANGLER: &str = r#"#!/bin/sh
echo "$*" | tr '\n' ' ' >>"$CALLS"
echo >>"$CALLS"
case "$*" in
  *"SELECT name "* | *"max(name), 'none'"*) echo '[{"results":[{"newest":"0008_add_retention_progress.sql"}]}]' ;;
  *--json*) echo '[{"results":[{"newest":"0008_add_retention_progress.sql","calls":3,"unnamed":0}]}]' ;;
esac
"#;

const FLEETS: &str = r#"
[env.fleet-north.vars]
ELEVENLABS_AGENT_ID = "agent_north"

[[env.fleet-north.d1_databases]]
binding = "DB"
database_name = "ledger-of-the-north"  # a name of its own
database_id = "north"

[env.fleet_bare]
vars = {}
"#;

/// A folder with the scripts, the migrations, a configuration with two more environments, and the stand-in.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["scripts", "migrations"] {
        symlink(project().join(name), folder.path().join(name)).unwrap();
    }
    let toml = std::fs::read_to_string(project().join("wrangler.toml")).unwrap();
    std::fs::write(folder.path().join("wrangler.toml"), toml + FLEETS).unwrap();
    let programs = folder.path().join("node_modules/.bin");
    std::fs::create_dir_all(&programs).unwrap();
    let wrangler = programs.join("wrangler");
    std::fs::write(&wrangler, WRANGLER).unwrap();
    std::fs::set_permissions(&wrangler, PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

/// Runs a script with these variables: whether it succeeded, what it said, and what it asked wrangler.
fn run(folder: &Path, script: &str, variables: &[(&str, &str)]) -> (bool, String, Vec<String>) {
    let calls = folder.join("calls");
    std::fs::write(&calls, "").unwrap();
    let mut command = Command::new("sh");
    command
        .arg(folder.join("scripts").join(script))
        .env("CALLS", &calls);
    for name in [
        "REMOTE",
        "ENV",
        "UPTO",
        "PERSIST",
        "MIGRATION",
        "LEVEL",
        "CALL",
        "FILE",
    ] {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let calls = std::fs::read_to_string(calls).unwrap();
    let calls = calls.lines().map(str::to_owned).collect();
    (output.status.success(), said, calls)
}

const SCRIPTS: [(&str, &[(&str, &str)]); 3] = [
    ("migrate.sh", &[("REMOTE", "1")]),
    ("rollback.sh", &[("REMOTE", "1"), ("MIGRATION", "0008")]),
    ("tail.sh", &[]),
];

#[test]
fn every_environment_of_the_configuration_is_known_and_gets_its_own_database() {
    let folder = folder();
    for (environment, database) in [
        (None, "call-ledger"),
        (Some("staging"), "call-ledger-staging"),
        (Some("production"), "call-ledger-production"),
        (Some("fleet-north"), "ledger-of-the-north"),
    ] {
        for (script, variables) in SCRIPTS {
            let mut variables = variables.to_vec();
            variables.extend(environment.map(|name| ("ENV", name)));
            let (success, said, calls) = run(folder.path(), script, &variables);
            assert!(
                success && !calls.is_empty(),
                "{script} {variables:?}: {said}"
            );
            for call in calls {
                let named = format!("--env {}", environment.unwrap_or_default());
                assert!(call.contains(named.trim_end()), "{script}: {call}");
                let of_database = format!(" {database} ");
                assert!(
                    script == "tail.sh" || call.contains(&of_database),
                    "{script}: {call}"
                );
                assert!(
                    script == "tail.sh" || call.contains("--remote"),
                    "{script}: {call}"
                );
            }
        }
    }
}

#[test]
fn an_unknown_environment_reaches_nothing_and_the_known_ones_are_listed() {
    let folder = folder();
    for name in [
        "Production",
        "prod",
        "fleet",
        "fleet-north2",
        "env",
        ".*",
        "-v",
        "staging\nproduction",
    ] {
        for (script, variables) in SCRIPTS {
            let mut variables = variables.to_vec();
            variables.push(("ENV", name));
            let (success, said, calls) = run(folder.path(), script, &variables);
            assert!(!success && calls.is_empty(), "{script} {name:?}: {calls:?}");
            let listed = "or use one of: fleet-north fleet_bare production staging\n";
            assert!(said.ends_with(listed), "{script} {name:?}: {said}");
        }
    }
}

#[test]
fn an_environment_without_a_database_is_refused() {
    let folder = folder();
    for script in ["migrate.sh", "rollback.sh"] {
        let variables = [("ENV", "fleet_bare"), ("MIGRATION", "0008")];
        let (success, said, calls) = run(folder.path(), script, &variables);
        assert!(!success && calls.is_empty(), "{calls:?}");
        let missing = "wrangler.toml has no [[env.fleet_bare.d1_databases]] with a database_name\n";
        assert!(said.ends_with(missing), "{said}");
    }
}

#[test]
fn two_environments_with_one_database_are_refused() {
    let folder = folder();
    let file = folder.path().join("wrangler.toml");
    let toml = std::fs::read_to_string(&file).unwrap();
    let copied = toml.replace("\"north\"", "\"REPLACE-ME-production-database-id\"");
    std::fs::write(&file, copied).unwrap();
    for environment in ["fleet-north", "staging", ""] {
        let variables = [("ENV", environment), ("MIGRATION", "0008")];
        for script in ["migrate.sh", "rollback.sh"] {
            let (success, said, calls) = run(folder.path(), script, &variables);
            assert!(!success && calls.is_empty(), "{calls:?}");
            assert!(
                said.ends_with("the same database_id: REPLACE-ME-production-database-id\n"),
                "{said}"
            );
        }
    }
}

#[test]
fn the_local_database_is_the_one_of_the_folder_that_is_named() {
    let folder = folder();
    for (persist, expected) in [
        ("", ".wrangler/state"),
        ("/elsewhere/state", "/elsewhere/state"),
    ] {
        let variables = [("ENV", "fleet-north"), ("PERSIST", persist)];
        let (success, said, calls) = run(folder.path(), "migrate.sh", &variables);
        assert!(success, "{said}");
        for call in calls {
            assert!(
                call.contains("--local --persist-to ") && call.contains(expected),
                "{call}"
            );
        }
    }
}
