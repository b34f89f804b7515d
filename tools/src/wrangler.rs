//! Running wrangler. What it prints on standard error (warnings, for one) goes to the terminal as it is: only standard
//! output is ever parsed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::configuration::Configuration;
use crate::failure::{Failure, fail};
use crate::options::Options;
use crate::project::Project;

/// A row of an answer: column by column.
pub type Row = Map<String, Value>;

/// The database of an environment, through wrangler.
pub struct Database {
    wrangler: PathBuf,
    root: PathBuf,
    environment: String,
    /// Its name in `wrangler.toml`.
    pub name: String,
    /// Where it is.
    pub place: Place,
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At Cloudflare.
    Remote,
    /// In this folder of local state.
    Local(PathBuf),
}

/// Why a query has no rows to show.
#[derive(Debug)]
pub enum QueryError {
    /// The database has no such table.
    NoSuchTable(String),
    /// Anything else, in wrangler's words.
    Other(String),
}

/// What `wrangler d1 execute --json` prints: rows for each statement, or an error.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Results(Vec<Results>),
    Error { error: Told },
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    results: Vec<Row>,
}

#[derive(Deserialize)]
struct Told {
    text: String,
}

/// A command that runs the project's wrangler in the project's folder, on the Node that is installed there.
pub fn command(project: &Project) -> Command {
    base(&project.wrangler(), &project.root)
}

fn base(wrangler: &Path, root: &Path) -> Command {
    let mut paths = vec![root.join("node_modules/.bin")];
    let path = std::env::var_os("PATH").unwrap_or_default();
    paths.extend(std::env::split_paths(&path));
    let mut command = Command::new(wrangler);
    command
        .current_dir(root)
        .env("WRANGLER_SEND_METRICS", "false");
    if let Ok(path) = std::env::join_paths(paths) {
        command.env("PATH", path);
    }
    command
}

impl Database {
    /// The database of the project's environment, in the place that the options name.
    ///
    /// # Errors
    /// `wrangler.toml` names no database for it, or one for two environments; the options contradict each other.
    pub fn of(project: &Project, options: &Options) -> Result<Self, Failure> {
        let Some(name) = project.configuration.database(&project.environment) else {
            let table = Configuration::databases_table(&project.environment);
            fail!("wrangler.toml has no {table} with a database_name");
        };
        // A table that was copied, and its id forgotten, would bring one fleet's migrations to another's database.
        if let Some(id) = project.configuration.repeated_database_id() {
            fail!("in wrangler.toml several environments have the same database_id: {id}");
        }
        let place = match (options.remote.as_deref(), &options.persist) {
            (Some("1"), None) => Place::Remote,
            (Some("1"), Some(_)) => {
                fail!(
                    "PERSIST is for the local database, REMOTE=1 for the one at Cloudflare: use one of them"
                )
            }
            (Some(other), _) => {
                fail!(
                    "REMOTE={other} is unknown: use REMOTE=1, or leave it out for the local database"
                )
            }
            (None, Some(state)) => Place::Local(state.clone()),
            (None, None) => Place::Local(project.root.join(".wrangler/state")),
        };
        Ok(Self {
            wrangler: project.wrangler(),
            root: project.root.clone(),
            environment: project.environment.clone(),
            name: name.to_owned(),
            place,
        })
    }

    /// Whether it is at Cloudflare.
    pub fn is_remote(&self) -> bool {
        self.place == Place::Remote
    }

    /// How messages call it: `the local database call-ledger`.
    pub fn title(&self) -> String {
        let place = if self.is_remote() { "remote" } else { "local" };
        format!("the {place} database {}", self.name)
    }

    /// `wrangler d1 …` with the flags for this database; the last of the arguments is a path or SQL. It names the
    /// environment even when it is the top level, so that wrangler need not warn that there are several.
    pub fn d1(&self, arguments: &[&str], last: &OsStr) -> Command {
        let mut command = base(&self.wrangler, &self.root);
        command.arg("d1").args(arguments).arg(last);
        match &self.place {
            Place::Remote => command.arg("--remote"),
            Place::Local(state) => command.arg("--local").arg("--persist-to").arg(state),
        };
        command.arg("--env").arg(&self.environment);
        command
    }

    /// The rows of one statement.
    ///
    /// # Errors
    /// wrangler does not run, or says why it has no rows.
    pub fn query(&self, sql: &str) -> Result<Vec<Row>, QueryError> {
        let output = self.execute("--command", OsStr::new(sql));
        let output = output.map_err(|failure| QueryError::Other(failure.to_string()))?;
        rows(&output)
    }

    /// What to say when a query that has to succeed does not.
    pub fn silence(&self, error: QueryError) -> Failure {
        let (QueryError::NoSuchTable(text) | QueryError::Other(text)) = error;
        Failure::new(format!("{} does not answer: {text}", self.title()))
    }

    /// Executes a file of statements, in one transaction.
    ///
    /// # Errors
    /// wrangler does not run, or says what failed. Then nothing of the file is done.
    pub fn execute_file(&self, file: &Path) -> Result<(), Failure> {
        let output = self.execute("--file", file.as_os_str())?;
        rows(&output).map(drop).map_err(|error| match error {
            QueryError::NoSuchTable(text) | QueryError::Other(text) => Failure::new(text),
        })
    }

    fn execute(&self, from: &str, what: &OsStr) -> Result<Output, Failure> {
        let mut command = self.d1(&["execute", &self.name, "--json", "--yes", from], what);
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        command.output().map_err(Failure::at(&self.wrangler))
    }
}

/// Reads what `wrangler d1 execute --json` printed on standard output.
fn rows(output: &Output) -> Result<Vec<Row>, QueryError> {
    let printed = String::from_utf8_lossy(&output.stdout);
    match serde_json::from_str(&printed) {
        Ok(Answer::Results(results)) if output.status.success() => Ok(results
            .into_iter()
            .next()
            .map(|first| first.results)
            .unwrap_or_default()),
        Ok(Answer::Error { error }) if error.text.contains("no such table") => {
            Err(QueryError::NoSuchTable(error.text))
        }
        Ok(Answer::Error { error }) => Err(QueryError::Other(error.text)),
        _ => Err(QueryError::Other(format!(
            "wrangler ended with {} and printed: {}",
            output.status,
            printed.trim()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{ExitStatus, Output};

    use super::{QueryError, rows};

    fn output(code: i32, stdout: &str) -> Output {
        Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.as_bytes().to_vec(),
            stderr: b"\xe2\x96\xb2 [WARNING] Processing wrangler.toml configuration: [".to_vec(),
        }
    }

    #[test]
    fn only_standard_output_is_parsed() {
        let printed = "\n[ { \"results\": [ { \"a\": 1 }, { \"a\": null } ], \"success\": true, \"meta\": {} } ]\n";
        let found = rows(&output(0, printed)).unwrap();
        assert_eq!(
            serde_json::to_string(&found).unwrap(),
            r#"[{"a":1},{"a":null}]"#
        );
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let missing = r#"{ "error": { "text": "no such table: calls: SQLITE_ERROR" } }"#;
        assert!(matches!(
            rows(&output(1, missing)),
            Err(QueryError::NoSuchTable(_))
        ));
        let other = r#"{ "error": { "text": "not logged in", "notes": [] } }"#;
        assert!(
            matches!(rows(&output(1, other)), Err(QueryError::Other(text)) if text == "not logged in")
        );
        for (code, printed) in [(1, "[]"), (0, ""), (0, "Aborted")] {
            assert!(
                matches!(rows(&output(code, printed)), Err(QueryError::Other(_))),
                "{printed}"
            );
        }
    }
}
