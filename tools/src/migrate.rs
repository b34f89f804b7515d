//! `make migrate`: applies the migrations that a database does not have yet, then says what it holds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::failure::{Failure, fail};
use crate::options::Options;
use crate::project::{Migration, Project};
use crate::wrangler::{Database, QueryError};

/// The migration that gives calls from before `call_sid` their names.
const BACKFILL: &str = "0002";

/// What the database holds. Before 0001 `calls` has no column `call_sid`. The name then means the outer one, so that
/// one question will do for every state; it is empty, so every call counts as unnamed.
const HOLDINGS: &str = "SELECT \
    (SELECT max(name) FROM d1_migrations) AS newest, \
    (SELECT count(*) FROM calls) AS calls, \
    (SELECT count(*) FROM calls WHERE coalesce(call_sid, '') = '') AS unnamed, \
    (SELECT count(*) FROM (SELECT call_sid, 'EL_' || coalesce(CAST(driver_id AS TEXT), 'UNKNOWN') || '_' \
        || coalesce(strftime('%s', created_at), strftime('%s', call_start_time), '0') AS base, id FROM calls) \
      WHERE call_sid IN (base, base || '_' || id) OR call_sid GLOB base || '_' || id || '_[1-9]*') AS backfilled \
  FROM (SELECT '' AS call_sid)";

#[derive(Debug, Deserialize)]
struct Holdings {
    newest: Option<String>,
    calls: u64,
    unnamed: u64,
    /// How many calls have exactly the name that 0002 gives to their row.
    backfilled: u64,
}

/// Applies what is missing, up to `UPTO`.
///
/// # Errors
/// A migration failed, or the database does not answer.
pub fn run(project: &Project, options: &Options) -> Result<(), Failure> {
    let database = Database::of(project, options)?;
    let wanted = wanted(project.migrations()?, options.up_to.as_deref())?;
    let applied = applied(&database)?;
    let pending: Vec<_> = wanted
        .iter()
        .filter(|one| !applied.contains(&one.name))
        .collect();
    if pending.is_empty() {
        println!("migrate: {} has them all already", database.title());
        return report(&database, 0, None);
    }

    let up_to = options
        .up_to
        .as_ref()
        .map(|number| format!(", up to {number}"));
    println!(
        "migrate: applying to {}{}",
        database.title(),
        up_to.unwrap_or_default()
    );
    let names_calls = pending.iter().any(|one| one.number == BACKFILL);
    // Counted before and after, not taken from the number without a name: old code may record calls meanwhile.
    let before = match applied.is_empty() {
        false if names_calls => holdings(&database)?.backfilled,
        _ => 0,
    };
    let limited = options
        .up_to
        .is_some()
        .then(|| LimitedFolder::new(project, &wanted))
        .transpose()?;
    let config = limited
        .as_ref()
        .map_or_else(|| project.root.join("wrangler.toml"), LimitedFolder::config);
    apply(&database, &config)?;
    if !database.is_remote() {
        for migration in &pending {
            println!("  {}", migration.name);
        }
    }
    report(&database, before, names_calls.then_some(BACKFILL))
}

/// The migrations up to a number, or all.
fn wanted(mut migrations: Vec<Migration>, up_to: Option<&str>) -> Result<Vec<Migration>, Failure> {
    if let Some(up_to) = up_to {
        if !migrations.iter().any(|one| one.number == up_to) {
            fail!(
                "there is no migration {up_to}: UPTO takes one of the numbers in migrations/, such as 0002"
            );
        }
        migrations.retain(|one| one.number.as_str() <= up_to);
    }
    Ok(migrations)
}

/// The names of the migrations that the database has.
///
/// # Errors
/// The database does not answer.
pub fn applied(database: &Database) -> Result<BTreeSet<String>, Failure> {
    let rows = match database.query("SELECT name FROM d1_migrations") {
        Ok(rows) => rows,
        Err(QueryError::NoSuchTable(_)) => return Ok(BTreeSet::new()),
        Err(error) => return Err(database.silence(error)),
    };
    let name = |mut row: crate::wrangler::Row| match row.remove("name") {
        Some(Value::String(name)) => Some(name),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(name).collect())
}

/// wrangler applies all migrations it finds. This is a folder that holds only the wanted ones, beside a copy of the
/// configuration, which names the folder of the migrations relative to itself.
struct LimitedFolder(TempDir);

impl LimitedFolder {
    fn new(project: &Project, wanted: &[Migration]) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().map_err(Failure::at(Path::new("a temporary folder")))?;
        let migrations = folder.path().join("migrations");
        std::fs::create_dir(&migrations).map_err(Failure::at(&migrations))?;
        for migration in wanted {
            let copy = migrations.join(&migration.name);
            std::fs::copy(&migration.path, &copy).map_err(Failure::at(&copy))?;
        }
        let config = folder.path().join("wrangler.toml");
        std::fs::copy(project.root.join("wrangler.toml"), &config).map_err(Failure::at(&config))?;
        Ok(Self(folder))
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("wrangler.toml")
    }
}

fn apply(database: &Database, config: &Path) -> Result<(), Failure> {
    let mut command = database.d1(
        &["migrations", "apply", &database.name, "--config"],
        config.as_ref(),
    );
    if !database.is_remote() {
        // Without an input wrangler does not ask. What it prints is of interest only if it fails.
        command.stdin(Stdio::null()).stdout(Stdio::piped());
    }
    let run = command
        .stderr(Stdio::inherit())
        .spawn()
        .and_then(std::process::Child::wait_with_output);
    let output = run.map_err(|error| Failure::new(format!("wrangler does not run: {error}")))?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stdout));
        fail!("failed, see above. The migration that failed has changed nothing");
    }
    Ok(())
}

fn holdings(database: &Database) -> Result<Holdings, Failure> {
    let rows = database
        .query(HOLDINGS)
        .map_err(|error| database.silence(error))?;
    let row = Value::Object(rows.into_iter().next().unwrap_or_default());
    serde_json::from_value(row)
        .map_err(|error| Failure::new(format!("wrangler answered something else: {error}")))
}

/// Says what the database holds now, and how many calls the backfill named.
fn report(
    database: &Database,
    backfilled_before: u64,
    backfill: Option<&str>,
) -> Result<(), Failure> {
    let Holdings {
        newest,
        calls,
        unnamed,
        backfilled,
    } = holdings(database)?;
    let newest = newest.unwrap_or_else(|| "none".to_owned());
    if let Some(number) = backfill {
        println!(
            "migrate: {number} named {} calls",
            backfilled.saturating_sub(backfilled_before)
        );
    }
    let unnamed = if newest.starts_with("0000_") {
        "the column call_sid comes with 0001".to_owned()
    } else {
        format!("{unnamed} without call_sid")
    };
    println!("migrate: newest is {newest}. Calls: {calls}, {unnamed}");
    Ok(())
}
