//! The cursor of the list of calls: the start time and id of a page's last call.
//!
//! It is hexadecimal, so that it needs no escaping and clients do not take it apart.

use crate::store::reading::Position;

/// Maximum length of a cursor, in hexadecimal digits. Every cursor that this service makes is
/// shorter.
const LONGEST: usize = 1_000;

/// The cursor of a position.
pub fn encode(position: &Position) -> String {
    let text = format!("{} {}", position.id, position.call_start_time);
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The position of a cursor; `None` if `encode` did not make it.
pub fn decode(cursor: &str) -> Option<Position> {
    let digits = cursor.as_bytes();
    if digits.len() > LONGEST || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = pairs.iter().map(byte).collect::<Option<Vec<u8>>>()?;
    let text = String::from_utf8(bytes).ok().filter(|_| rest.is_empty())?;
    let (id, call_start_time) = text.split_once(' ')?;
    Some(Position {
        call_start_time: call_start_time.to_owned(),
        id: id.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::store::reading::Position;

    #[test]
    fn a_cursor_survives_the_way_and_anything_else_is_refused() {
        let position = Position {
            call_start_time: "2025-11-21 10:30:00".to_owned(),
            id: 42,
        };
        assert_eq!(decode(&encode(&position)), Some(position));
        for cursor in [
            "x",
            "0",
            "00",
            "3432",
            "zz",
            "3432203",
            "é",
            &"20".repeat(600),
        ] {
            assert_eq!(decode(cursor), None, "{cursor}");
        }
    }
}
