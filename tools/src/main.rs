//! What `make` runs around wrangler. One subcommand for each target; the settings come from the environment, where
//! `make migrate ENV=production` puts them.

mod configuration;
mod failure;
mod import;
mod migrate;
mod options;
mod project;
mod rollback;
mod tail;
mod wrangler;

use std::process::ExitCode;

use crate::failure::Failure;
use crate::options::Options;
use crate::project::Project;

const HELP: &str = "\
Run these through make, from the project's folder:
  make migrate  [REMOTE=1] [ENV=NAME] [UPTO=0002] [PERSIST=DIR]           apply the migrations
  make rollback MIGRATION=0004 [REMOTE=1] [ENV=NAME] [PERSIST=DIR]        undo the newest migration
  make import   CALLS=calls.csv TURNS=turns.csv [REMOTE=1] [ENV=NAME] [PERSIST=DIR]   bring in an older record
  make tail     [ENV=NAME] [LEVEL=error] [CALL=EL_…] [FILE=night.json]    the log of a deployed worker
";

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let Some(run) = subcommand(&command) else {
        eprint!("{HELP}");
        return ExitCode::FAILURE;
    };
    let options = Options::from_environment();
    match Project::find(&options.environment).and_then(|project| run(&project, &options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{command}: {failure}");
            ExitCode::FAILURE
        }
    }
}

type Subcommand = fn(&Project, &Options) -> Result<(), Failure>;

fn subcommand(name: &str) -> Option<Subcommand> {
    match name {
        "import" => Some(import::run),
        "migrate" => Some(migrate::run),
        "rollback" => Some(rollback::run),
        "tail" => Some(tail::run),
        _ => None,
    }
}
