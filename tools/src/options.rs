//! The settings of a run, as make hands them over: environment variables. An empty one counts as unset.

use std::path::PathBuf;

/// What the person asked for.
#[derive(Debug, Default)]
pub struct Options {
    /// `ENV`: an environment of `wrangler.toml`; empty for its top level.
    pub environment: String,
    /// `REMOTE`: `1` for the database at Cloudflare.
    pub remote: Option<String>,
    /// `PERSIST`: the folder of the local state, absolute.
    pub persist: Option<PathBuf>,
    /// `UPTO`: the number of the last migration to apply.
    pub up_to: Option<String>,
    /// `MIGRATION`: the number or name of the migration to undo.
    pub migration: Option<String>,
    /// `LEVEL`: only log lines of this level.
    pub level: Option<String>,
    /// `CALL`: only log lines of this call.
    pub call: Option<String>,
    /// `CALLS` and `TURNS`: the files of an older record, absolute.
    pub calls: Option<PathBuf>,
    /// See `calls`.
    pub turns: Option<PathBuf>,
    /// `FILE`: what `wrangler tail --format json` wrote, absolute.
    pub file: Option<PathBuf>,
}

impl Options {
    /// Reads the environment of this process.
    pub fn from_environment() -> Self {
        Self {
            environment: text("ENV").unwrap_or_default(),
            remote: text("REMOTE"),
            persist: path("PERSIST"),
            up_to: text("UPTO"),
            migration: text("MIGRATION"),
            level: text("LEVEL"),
            call: text("CALL"),
            calls: path("CALLS"),
            turns: path("TURNS"),
            file: path("FILE"),
        }
    }
}

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A relative path is relative to where the command was given.
fn path(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(text(name)?);
    Some(std::path::absolute(&path).unwrap_or(path))
}
