//! How far an import is.

use std::io::{IsTerminal, Write};

/// Shows one line, which is written over and over in a terminal. Elsewhere it is a line each time.
pub fn progress(what: &str, done: u64, total: u64) {
    let mut output = std::io::stderr();
    let (start, end) = match (output.is_terminal(), done >= total) {
        (true, true) => ("\r", "\n"),
        (true, false) => ("\r", ""),
        (false, _) => ("", "\n"),
    };
    let percent = done.saturating_mul(100) / total.max(1);
    let _ = write!(
        output,
        "{start}import: {done} of {total} {what} ({percent} %){end}"
    );
    let _ = output.flush();
}
