//! Why a command ended without success.

use std::fmt;
use std::io;
use std::path::Path;

/// A sentence for the person who ran the command.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure with this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// A failure of the file system, at this path.
    pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ends the function with a [`Failure`] of this sentence.
macro_rules! fail {
    ($($sentence:tt)*) => {
        return Err($crate::failure::Failure::new(format!($($sentence)*)))
    };
}
pub(crate) use fail;
