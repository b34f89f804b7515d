//! `make rollback MIGRATION=0004`: undoes the newest applied migration of a database. What a rollback needs and what
//! it loses is written at the top of its file in `migrations/rollback/`.

use std::process::Stdio;

use crate::failure::{Failure, fail};
use crate::migrate::applied;
use crate::options::Options;
use crate::project::{Migration, Project};
use crate::wrangler::Database;

/// Undoes the migration that `MIGRATION` names, if it is the newest.
///
/// # Errors
/// It is not the newest, the rollback failed, or the database does not answer.
pub fn run(project: &Project, options: &Options) -> Result<(), Failure> {
    let Some(asked) = &options.migration else {
        fail!("which one? For example: make rollback MIGRATION=0004");
    };
    let database = Database::of(project, options)?;
    let rollbacks = project.rollbacks()?;
    let number = asked.split('_').next().unwrap_or_default();
    let Some(rollback) = rollbacks.iter().find(|one| one.number == number) else {
        fail!(
            "there is no migration {asked}: use one of the numbers in migrations/rollback/, such as 0004"
        );
    };
    require_newest(&database, rollback)?;

    println!(
        "rollback: undoing {} in {}",
        rollback.name,
        database.title()
    );
    if database.is_remote() {
        let now = this_second();
        println!(
            "rollback: to come back to this moment (30 days): npx wrangler d1 time-travel restore {} --timestamp={now}",
            database.name
        );
    }
    execute(&database, rollback)?;
    let newest = applied(&database)?
        .pop_last()
        .unwrap_or_else(|| "none".to_owned());
    println!("rollback: done. Newest applied migration: {newest}");
    Ok(())
}

/// Each rollback expects exactly the state that its own migration left behind.
fn require_newest(database: &Database, rollback: &Migration) -> Result<(), Failure> {
    let title = database.title();
    let name = &rollback.name;
    let Some(newest) = applied(database)?.pop_last() else {
        fail!("nothing is applied to {title}");
    };
    let newest_number = newest.split('_').next().unwrap_or_default();
    if newest_number < rollback.number.as_str() {
        fail!("{name} is not applied to {title}, the newest is {newest}. Nothing was changed");
    }
    if newest != *name {
        fail!(
            "{newest} is newer than {name} and has to go first: make rollback MIGRATION={newest_number}. Nothing was changed"
        );
    }
    Ok(())
}

fn execute(database: &Database, rollback: &Migration) -> Result<(), Failure> {
    let mut command = database.d1(
        &["execute", &database.name, "--file"],
        rollback.path.as_ref(),
    );
    if !database.is_remote() {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
    }
    let run = command
        .stderr(Stdio::inherit())
        .spawn()
        .and_then(std::process::Child::wait_with_output);
    let output = run.map_err(|error| Failure::new(format!("wrangler does not run: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    eprint!("{}", String::from_utf8_lossy(&output.stdout));
    fail!(
        "failed, and nothing was changed. What has to be true first is written at the top of migrations/rollback/{}",
        rollback.name
    );
}

/// The present second, as `2025-11-21T10:30:00Z`.
fn this_second() -> String {
    let now: chrono::DateTime<chrono::Utc> = std::time::SystemTime::now().into();
    now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
