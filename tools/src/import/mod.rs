//! `make import CALLS=calls.csv TURNS=turns.csv`: brings in the record of an older system, as psql exports it. See
//! `docs/importing.md`.
//!
//! 1. Read both files. If a line is faulty, list all faults and stop.
//! 2. Ask the database for what it has of these calls and turns. If something contradicts it, list that and stop.
//! 3. Write what is missing, in files of bounded size, each in one transaction. Calls come before their turns.
//!
//! Because only what is missing is written, an import that was interrupted is completed by the next one, and one that
//! was completed changes nothing when it is run again.

mod csv;
mod faults;
mod names;
mod older;
mod plan;
mod progress;
mod record;
mod sql;
mod table;
mod time;

use std::path::Path;

use self::faults::Lines;
use self::older::Call;
use self::plan::{Files, Plan};
use self::progress::progress;
use self::record::{Record, chunks};
use self::sql::Step;
use self::table::File;
use crate::failure::{Failure, fail};
use crate::migrate::applied;
use crate::options::Options;
use crate::project::Project;
use crate::wrangler::Database;

/// How many bytes of statements one file holds. At Cloudflare the database answers nobody while a file is executed, so
/// this bounds the pause: about 10,000 turns of 100 bytes.
const FILE: usize = 5_000_000;

/// Imports both files.
///
/// # Errors
/// A line is faulty or contradicts the record, a migration is missing, or the database does not answer.
pub fn run(project: &Project, options: &Options) -> Result<(), Failure> {
    let (Some(calls_path), Some(turns_path)) = (&options.calls, &options.turns) else {
        fail!("which files? For example: make import CALLS=calls.csv TURNS=turns.csv");
    };
    let database = Database::of(project, options)?;

    let calls_file = File::read(calls_path)?;
    let turns_file = File::read(turns_path)?;
    let files = Files {
        calls: &calls_file.name,
        turns: &turns_file.name,
    };
    let mut faults = Lines::default();
    let calls = older::calls(&calls_file, &mut faults)?;
    let turns = older::turns(&turns_file, &mut faults)?;
    stop_at(&faults, "these lines cannot be imported")?;

    require_schema(project, &database)?;
    let of_calls = calls.iter().filter_map(|call| call.conversation_id.clone());
    let conversations = of_calls.chain(turns.keys().cloned()).collect();
    let sids = calls.iter().filter_map(|call| call.call_sid.clone());
    let asked_names = sids.chain(names::likely(&calls)).collect();
    let mut record = Record::fetch(&database, asked_names, conversations)?;
    let names = names_of(&calls, &mut record, &database)?;
    let recorded_turns = record.turns(&database, turns.keys())?;

    let mut plan = Plan::default();
    plan.add_calls(&calls, &names, &record, &files, &mut faults);
    plan.add_turns(&turns, &recorded_turns, &record, &files, &mut faults);
    stop_at(&faults, "these lines contradict what is on record")?;

    write(&database, "calls", sql::calls(&plan.calls))?;
    write(&database, "turns", sql::turns(&plan.turns))?;
    report(&plan);
    Ok(())
}

/// Ends the import before anything is written, if there are faults.
fn stop_at(faults: &Lines, what: &str) -> Result<(), Failure> {
    match faults.count() {
        0 => Ok(()),
        1 => fail!("1 fault: {what}. Nothing was imported:\n{faults}"),
        count => fail!("{count} faults: {what}. Nothing was imported:\n{faults}"),
    }
}

/// The import writes the newest schema.
fn require_schema(project: &Project, database: &Database) -> Result<(), Failure> {
    let applied = applied(database)?;
    let missing = project
        .migrations()?
        .into_iter()
        .find(|migration| !applied.contains(&migration.name));
    match missing {
        None => Ok(()),
        Some(migration) => fail!(
            "{} does not have {} yet: make migrate first, with the same settings",
            database.title(),
            migration.name
        ),
    }
}

/// The names of the calls. Asks the database for as long as a name depends on whether it is taken.
fn names_of(
    calls: &[Call],
    record: &mut Record,
    database: &Database,
) -> Result<Vec<String>, Failure> {
    loop {
        match plan::names(calls, record) {
            Ok(names) => return Ok(names),
            Err(unknown) => record.ask_names(database, unknown)?,
        }
    }
}

/// Executes the statements, some files one after the other, with a line of progress.
fn write(database: &Database, what: &str, steps: Vec<Step>) -> Result<(), Failure> {
    let total: usize = steps.iter().map(|step| step.rows).sum();
    let folder = tempfile::tempdir().map_err(Failure::at(Path::new("a temporary folder")))?;
    let file = folder.path().join("import.sql");
    let mut done = 0;
    for part in chunks(steps, |step| step.sql.len(), FILE) {
        let sql: String = part.iter().map(|step| step.sql.clone() + "\n").collect();
        std::fs::write(&file, sql).map_err(Failure::at(&file))?;
        database.execute_file(&file).map_err(|failure| {
            Failure::new(format!(
                "{failure}\nIt stopped after {done} of {total} {what}. Run it again: what is written stays, the rest follows"
            ))
        })?;
        done += part.iter().map(|step| step.rows).sum::<usize>();
        progress(&format!("{what} written"), done as u64, total as u64);
    }
    Ok(())
}

/// Says what became of everything.
fn report(plan: &Plan<'_>) {
    let homeless = plan.homeless.count();
    if homeless > 0 {
        print!(
            "import: turns that were left out, because no call has their conversation:\n{}",
            plan.homeless
        );
    }
    let open = plan
        .calls
        .iter()
        .filter(|(call, _)| call.status == "in_progress")
        .count();
    for (count, sentence) in [
        (
            plan.renumbered,
            "conversations had numbers that repeat or have gaps: their turns are numbered 1, 2, 3 … now",
        ),
        (
            plan.calls_moved_on,
            "calls have another status or end on record by now: the record's stay",
        ),
        (
            plan.turns_replaced,
            "turns belong to calls whose transcript ElevenLabs has sent since: the record's stay",
        ),
        (
            open,
            "calls came in as in_progress: the reconciler asks ElevenLabs about them (docs/importing.md)",
        ),
    ] {
        if count > 0 {
            println!("import: {count} {sentence}");
        }
    }
    println!(
        "import: calls: {} imported, {} already there, 0 left out",
        plan.calls.len(),
        plan.calls_there
    );
    println!(
        "import: turns: {} imported, {} already there, {homeless} left out",
        plan.turns.len(),
        plan.turns_there
    );
}
