//! Text from outside in lines that people read: of a log, or of a transcription as text.
//!
//! Control characters steer a terminal. Bidirectional controls make a line look like another one.
//! Both are invisible, so both are replaced by visible characters.

/// Whether a character ends a line, steers a terminal, or changes the direction of the text.
#[must_use]
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        // Line and paragraph separators, and bidirectional embeddings, overrides and isolates.
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text as one line: runs of white space become one blank, and other characters that [`is_unseen`]
/// knows become U+FFFD.
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
