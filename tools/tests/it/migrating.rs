//! `make migrate` and `make rollback`. The stand-in warns on standard error each time, as wrangler does for any doubtful
//! setting: no warning may be taken for an answer, or get lost.

use crate::folder::Folder;

const WARNING: &str = "[WARNING]";

#[test]
fn a_warning_of_wrangler_breaks_neither_migrating_nor_rolling_back() {
    let folder = Folder::new();
    let run = folder.run("migrate", &[]);
    assert!(run.success, "{run:?}");
    assert!(
        run.stderr.contains(WARNING),
        "the warning is passed on: {run:?}"
    );
    assert!(
        run.stdout
            .contains("  0004_make_conversation_id_nullable.sql\n"),
        "{run:?}"
    );
    assert!(
        run.stdout.ends_with("Calls: 3, 0 without call_sid\n"),
        "{run:?}"
    );

    folder.apply_up_to("0004");
    let run = folder.run("rollback", &[("MIGRATION", "0004")]);
    assert!(run.success && run.stderr.contains(WARNING), "{run:?}");
    let newest = "done. Newest applied migration: 0003_add_call_sid_constraints.sql\n";
    assert!(run.stdout.ends_with(newest), "{run:?}");
}

#[test]
fn migrating_says_how_many_calls_0002_named() {
    for (applied, up_to, before, after, said) in [
        // A database from before `call_sid`.
        (Some("0000"), None, 0, 3014, Some(3014)),
        (Some("0000"), Some("0002"), 0, 3014, Some(3014)),
        // Newer code has named some in the same way already.
        (Some("0001"), None, 4, 10, Some(6)),
        // A new one has no calls.
        (None, None, 0, 0, Some(0)),
        // Was applied before, or is not yet.
        (Some("0002"), None, 3014, 3014, None),
        (Some("0000"), Some("0001"), 0, 0, None),
    ] {
        let folder = Folder::new();
        if let Some(number) = applied {
            folder.apply_up_to(number);
        }
        let holdings = |backfilled: u32| {
            format!(
                "{{ \"newest\": \"0009_x.sql\", \"calls\": 3014, \"unnamed\": 0, \"backfilled\": {backfilled} }}"
            )
        };
        folder.write("holdings", &holdings(before));
        folder.write("holdings_after", &holdings(after));
        let variables: Vec<_> = up_to.map(|number| ("UPTO", number)).into_iter().collect();
        let run = folder.run("migrate", &variables);
        assert!(run.success, "{run:?}");
        let line = said.map(|count| format!("migrate: 0002 named {count} calls\n"));
        match line {
            Some(line) => assert!(run.stdout.contains(&line), "{run:?}"),
            None => assert!(!run.stdout.contains("0002 named"), "{run:?}"),
        }
    }
}

#[test]
fn nothing_is_applied_where_nothing_is_missing() {
    let folder = Folder::new();
    folder.apply_up_to("9999");
    let run = folder.run("migrate", &[]);
    assert!(
        run.success && run.stdout.contains("has them all already"),
        "{run:?}"
    );
    assert!(
        !run.asked.iter().any(|asked| asked.contains("apply")),
        "{run:?}"
    );
}

#[test]
fn only_the_wanted_migrations_are_shown_to_wrangler() {
    let folder = Folder::new();
    let run = folder.run("migrate", &[("UPTO", "0001")]);
    assert!(run.success, "{run:?}");
    let applied = folder.read("applied");
    let names: Vec<_> = applied.lines().map(|name| &name[..4]).collect();
    assert_eq!(names, ["0000", "0001"]);
}

#[test]
fn a_failure_of_wrangler_is_a_failure() {
    let folder = Folder::new();
    let run = folder.run("migrate", &[("REFUSES", "1")]);
    assert!(
        !run.success && run.stderr.contains("Migrations to be applied:"),
        "{run:?}"
    );
    folder.apply_up_to("0004");
    let run = folder.run("rollback", &[("REFUSES", "1"), ("MIGRATION", "0004")]);
    assert!(
        !run.success && run.stderr.contains("constraint failed"),
        "{run:?}"
    );
    assert!(run.stderr.contains("nothing was changed"), "{run:?}");
}

#[test]
fn only_the_newest_migration_is_rolled_back() {
    let folder = Folder::new();
    for (applied, asked_for, said) in [
        (
            None,
            "0004",
            "nothing is applied to the local database call-ledger",
        ),
        (
            Some("0004"),
            "0002",
            "has to go first: make rollback MIGRATION=0004. Nothing was changed",
        ),
        (
            Some("0004"),
            "0005",
            "is not applied to the local database call-ledger, the newest is 0004_",
        ),
        (Some("0004"), "12", "there is no migration 12"),
        (Some("0004"), "", "which one?"),
    ] {
        folder.write("applied", "");
        if let Some(number) = applied {
            folder.apply_up_to(number);
        }
        let run = folder.run("rollback", &[("MIGRATION", asked_for)]);
        assert!(!run.success && run.stderr.contains(said), "{run:?}");
        assert!(
            !run.asked.iter().any(|asked| asked.contains("--file")),
            "{run:?}"
        );
    }
}
