//! Words from outside in lines that people read: of a log, or of a transcription as text.
//!
//! A terminal obeys control characters, and characters that turn the direction of text make a line
//! look like another one. Neither can be seen, so both are replaced by something that can.

/// Whether a character ends a line, steers a terminal, or turns the direction of what follows.
#[must_use]
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        // The separators of lines and paragraphs, and embeddings, overrides and isolates.
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text as one line: white space, line ends included, as single blanks, and U+FFFD for whatever
/// else cannot be seen.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().map(|character| {
            if is_unseen(character) {
                char::REPLACEMENT_CHARACTER
            } else {
                character
            }
        }));
    }
    line
}
