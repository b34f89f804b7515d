//! Which environment, which database, and which place the tools hand to wrangler.

use crate::folder::{Folder, Run};

const SUBCOMMANDS: [(&str, &[(&str, &str)]); 3] = [
    ("migrate", &[("REMOTE", "1")]),
    ("rollback", &[("REMOTE", "1"), ("MIGRATION", "0003")]),
    ("tail", &[]),
];

fn folder() -> Folder {
    let folder = Folder::new();
    folder.apply_up_to("0003");
    folder
}

#[test]
fn every_environment_of_the_configuration_is_known_and_gets_its_own_database() {
    for (environment, database) in [
        (None, "call-ledger"),
        (Some("staging"), "call-ledger-staging"),
        (Some("production"), "call-ledger-production"),
        (Some("fleet-north"), "ledger-of-the-north"),
    ] {
        for (subcommand, variables) in SUBCOMMANDS {
            let mut variables = variables.to_vec();
            variables.extend(environment.map(|name| ("ENV", name)));
            let run = folder().run(subcommand, &variables);
            assert!(
                run.success && !run.asked.is_empty(),
                "{subcommand} {variables:?}: {run:?}"
            );
            for asked in run.asked {
                let named = format!("--env {}", environment.unwrap_or_default());
                assert!(asked.contains(named.trim_end()), "{subcommand}: {asked}");
                let of_database =
                    asked.contains(&format!(" {database} ")) && asked.contains("--remote");
                assert!(subcommand == "tail" || of_database, "{subcommand}: {asked}");
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
        for (subcommand, variables) in SUBCOMMANDS {
            let mut variables = variables.to_vec();
            variables.push(("ENV", name));
            let Run {
                success,
                stderr,
                asked,
                ..
            } = folder.run(subcommand, &variables);
            assert!(
                !success && asked.is_empty(),
                "{subcommand} {name:?}: {asked:?}"
            );
            let listed = "or use one of: fleet-north fleet_bare production staging\n";
            assert!(stderr.ends_with(listed), "{subcommand} {name:?}: {stderr}");
        }
    }
}

#[test]
fn an_environment_without_a_database_is_refused() {
    let folder = folder();
    for subcommand in ["migrate", "rollback"] {
        let Run {
            success,
            stderr,
            asked,
            ..
        } = folder.run(subcommand, &[("ENV", "fleet_bare"), ("MIGRATION", "0003")]);
        assert!(!success && asked.is_empty(), "{asked:?}");
        let missing = "wrangler.toml has no [[env.fleet_bare.d1_databases]] with a database_name\n";
        assert!(stderr.ends_with(missing), "{stderr}");
    }
}

#[test]
fn two_environments_with_one_database_are_refused() {
    let folder = folder();
    let toml = folder.read("wrangler.toml");
    folder.write(
        "wrangler.toml",
        &toml.replace("\"north\"", "\"REPLACE-ME-production-database-id\""),
    );
    for environment in ["fleet-north", "staging", ""] {
        for subcommand in ["migrate", "rollback"] {
            let variables = [("ENV", environment), ("MIGRATION", "0003")];
            let Run {
                success,
                stderr,
                asked,
                ..
            } = folder.run(subcommand, &variables);
            assert!(!success && asked.is_empty(), "{asked:?}");
            let same = "the same database_id: REPLACE-ME-production-database-id\n";
            assert!(stderr.ends_with(same), "{stderr}");
        }
    }
}

#[test]
fn the_local_database_is_the_one_of_the_folder_that_is_named() {
    for (persist, expected) in [
        ("", "/.wrangler/state "),
        ("/elsewhere/state", "--persist-to /elsewhere/state "),
        ("rehearsal", "/rehearsal "),
    ] {
        let variables = [("ENV", "fleet-north"), ("PERSIST", persist)];
        let run = folder().run("migrate", &variables);
        assert!(run.success, "{run:?}");
        for asked in run.asked {
            let local = asked.contains("--local --persist-to /") && asked.contains(expected);
            assert!(local, "{asked}");
        }
    }
}

#[test]
fn settings_that_contradict_each_other_reach_nothing() {
    for (variables, said) in [
        (&[("REMOTE", "1"), ("PERSIST", "x")][..], "use one of them"),
        (&[("REMOTE", "yes")], "REMOTE=yes is unknown"),
        (&[("UPTO", "12")], "there is no migration 12"),
    ] {
        let run = folder().run("migrate", variables);
        assert!(
            !run.success && run.asked.is_empty() && run.stderr.contains(said),
            "{run:?}"
        );
    }
}
