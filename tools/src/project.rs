//! The folder that the tools work in.

use std::path::{Path, PathBuf};

use crate::configuration::Configuration;
use crate::failure::{Failure, fail};

/// The project's folder, its configuration, and the environment that was asked for.
pub struct Project {
    /// The folder that holds `wrangler.toml`.
    pub root: PathBuf,
    /// What `wrangler.toml` says.
    pub configuration: Configuration,
    /// An environment of `wrangler.toml`; empty for its top level.
    pub environment: String,
}

/// A file in `migrations/` or `migrations/rollback/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Migration {
    /// The four digits at the beginning of its name.
    pub number: String,
    /// Its file name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Project {
    /// Finds the project's folder, from the current one upwards, and checks that it has the environment.
    ///
    /// # Errors
    /// There is no `wrangler.toml`, wrangler is not installed, or the environment is unknown.
    pub fn find(environment: &str) -> Result<Self, Failure> {
        let here = std::env::current_dir().map_err(Failure::at(Path::new(".")))?;
        let Some(root) = here
            .ancestors()
            .find(|folder| folder.join("wrangler.toml").is_file())
        else {
            fail!(
                "there is no wrangler.toml in {} or above it: run this in the project's folder",
                here.display()
            );
        };
        let file = root.join("wrangler.toml");
        let text = std::fs::read_to_string(&file).map_err(Failure::at(&file))?;
        let project = Self {
            root: root.to_owned(),
            configuration: Configuration::new(text),
            environment: environment.to_owned(),
        };
        if !project.wrangler().is_file() {
            fail!("wrangler is not installed yet: make setup");
        }
        let known = project.configuration.environments();
        if !environment.is_empty() && !known.contains(environment) {
            let known: Vec<_> = known.into_iter().collect();
            fail!(
                "ENV={environment} is not in wrangler.toml: leave it out for the top level, or use one of: {}",
                known.join(" ")
            );
        }
        Ok(project)
    }

    /// The wrangler that `make setup` installed.
    pub fn wrangler(&self) -> PathBuf {
        self.root.join("node_modules/.bin/wrangler")
    }

    /// The migrations in the order in which wrangler applies them.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn migrations(&self) -> Result<Vec<Migration>, Failure> {
        sql_files(&self.root.join("migrations"))
    }

    /// The rollbacks in the order of their migrations.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn rollbacks(&self) -> Result<Vec<Migration>, Failure> {
        sql_files(&self.root.join("migrations/rollback"))
    }
}

fn sql_files(folder: &Path) -> Result<Vec<Migration>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Failure::at(folder))? {
        let path = entry.map_err(Failure::at(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let numbered = name.filter(|name| name.ends_with(".sql")).and_then(|name| {
            let (number, _) = name.split_once('_')?;
            let digits = number.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| (number.to_owned(), name.to_owned()))
        });
        if let Some((number, name)) = numbered {
            files.push(Migration { number, name, path });
        }
    }
    files.sort();
    Ok(files)
}
