//! What is wrong with the lines of a file.

use std::fmt;

/// How many lines are shown one by one. The rest is only counted.
const SHOWN: usize = 100;

/// Lines of files, each with a sentence.
#[derive(Debug, Default)]
pub struct Lines {
    shown: Vec<String>,
    count: usize,
}

impl Lines {
    /// Notes a line: `calls.csv:12: status must be …`.
    pub fn note(&mut self, file: &str, line: usize, sentence: impl fmt::Display) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(format!("{file}:{line}: {sentence}"));
        }
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.count
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.shown {
            writeln!(f, "  {line}")?;
        }
        match self.count.saturating_sub(self.shown.len()) {
            0 => Ok(()),
            more => writeln!(f, "  … and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn a_file_full_of_faults_is_counted_and_not_printed() {
        let mut lines = Lines::default();
        for line in 1..=300_000 {
            lines.note("calls.csv", line, "is odd");
        }
        let printed = lines.to_string();
        assert_eq!((lines.count(), printed.lines().count()), (300_000, 101));
        assert!(printed.starts_with("  calls.csv:1: is odd\n"));
        assert!(printed.ends_with("… and 299900 more\n"));
    }
}
