//! A folder with the migrations, a configuration with two more environments, and a stand-in for wrangler.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Writes down what it is asked, warns on standard error as wrangler does, and answers from the files `applied` (names
/// of migrations, a line each) and `holdings` (a row).
const WRANGLER: &str = r#"#!/bin/sh
cd "$FOLDER"
echo "$*" | tr '\n' ' ' >>calls
echo >>calls
printf '\033[33m▲ [WARNING]\033[0m Processing wrangler.toml configuration:\n    - [ { "unexpected": 1 } ]\n' >&2
no_table() { echo '{ "error": { "text": "no such table: d1_migrations: SQLITE_ERROR" } }'; exit 1; }
case "$*" in
  *" migrations apply "*)
    echo 'Migrations to be applied:'
    [ -z "${REFUSES:-}" ] || exit 1
    config=$(echo "$*" | sed 's/.*--config \([^ ]*\).*/\1/')
    ls "$(dirname "$config")/migrations" | grep '\.sql$' >applied
    [ ! -f holdings_after ] || mv holdings_after holdings
    ;;
  *"SELECT name FROM d1_migrations"*)
    [ -s applied ] || no_table
    echo; echo '[ { "success": true, "results": ['; sed 's/.*/{ "name": "&" }/; $!s/$/,/' applied; echo '] } ]'
    ;;
  *"AS backfilled"*) echo '[ { "results": ['; cat holdings; echo '], "success": true } ]' ;;
  *"--file "*) [ -z "${REFUSES:-}" ] || { echo 'constraint failed'; exit 1; }; sed -i '$d' applied; echo done ;;
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

const NOTHING_HELD: &str =
    r#"{ "newest": "0009_x.sql", "calls": 3, "unnamed": 0, "backfilled": 0 }"#;

/// The project's folder.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The folder, which is deleted at the end.
pub struct Folder(TempDir);

/// What a run of the tools came to.
#[derive(Debug)]
pub struct Run {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
    /// What wrangler was asked, a line each.
    pub asked: Vec<String>,
}

impl Folder {
    pub fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        symlink(
            project().join("migrations"),
            folder.path().join("migrations"),
        )
        .unwrap();
        let toml = std::fs::read_to_string(project().join("wrangler.toml")).unwrap();
        folder.write("wrangler.toml", &(toml + FLEETS));
        folder.write("holdings", NOTHING_HELD);
        folder.write("applied", "");
        let programs = folder.path().join("node_modules/.bin");
        std::fs::create_dir_all(&programs).unwrap();
        folder.write("node_modules/.bin/wrangler", WRANGLER);
        let executable = PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(programs.join("wrangler"), executable).unwrap();
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// The migrations that the stand-in's database has: all up to this number.
    pub fn apply_up_to(&self, number: &str) {
        let files = std::fs::read_dir(project().join("migrations")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.ends_with(".sql")).collect();
        names.retain(|name| &name[..4] <= number);
        names.sort();
        let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
        self.write("applied", &lines);
    }

    /// Runs a subcommand with these variables.
    pub fn run(&self, subcommand: &str, variables: &[(&str, &str)]) -> Run {
        self.write("calls", "");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger-tools"));
        command.arg(subcommand).current_dir(self.path());
        for name in [
            "REMOTE",
            "ENV",
            "UPTO",
            "PERSIST",
            "MIGRATION",
            "LEVEL",
            "CALL",
            "FILE",
            "CALLS",
            "TURNS",
        ] {
            command.env_remove(name);
        }
        command
            .env("FOLDER", self.path())
            .envs(variables.iter().copied());
        let output = command.output().unwrap();
        let asked = self.read("calls");
        Run {
            success: output.status.success(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            asked: asked.lines().map(str::to_owned).collect(),
        }
    }
}
