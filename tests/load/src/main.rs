//! Fleets place calls through the built worker for some minutes, everything else going on at the same time, while its
//! runtime is killed and started again. Then every record is compared with what was answered and what ElevenLabs did.
//!
//! `make load` runs it; README.md says what it does.

mod audit;
mod books;
mod chance;
mod client;
mod compare;
mod database;
mod fleet;
mod metrics;
mod mix;
mod options;
mod output;
mod promised;
mod reader;
mod report;
mod run;
mod server;
mod settle;
#[path = "../../support/watchdog.rs"]
mod watchdog;

use options::{HELP, Options};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many discrepancies of the first kind are shown.
const SHOWN: usize = 20;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("load: {problem}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    match run::run(&options).await {
        Ok(found) if found.is_empty() => ExitCode::SUCCESS,
        Ok(found) => {
            eprint!("{}", report::discrepancies(found, SHOWN));
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("load: the run could not be finished: {problem}");
            ExitCode::from(3)
        }
    }
}

/// Locks. Whoever panicked while holding it left it usable: every change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line for whoever waits.
fn say(line: &str) {
    println!("load: {line}");
}
