//! Strings in JSON by their escapes, whole and half surrogate pairs among them.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;

/// A part of a string as it stands in JSON.
#[derive(Debug, Clone)]
enum Piece {
    Raw(&'static str),
    Short(&'static str, char),
    Unit(u16, bool),
}

fn piece() -> impl Strategy<Value = Piece> {
    let short = [
        ("\\n", '\n'),
        ("\\\\", '\\'),
        ("\\\"", '"'),
        ("\\/", '/'),
        ("\\b", '\u{8}'),
    ];
    let unit = prop_oneof![any::<u16>(), 0xd700_u16..=0xe000];
    prop_oneof![
        1 => select(vec!["u", "ud83d", "uDE00", "é", "😀", " "]).prop_map(Piece::Raw),
        1 => select(short.to_vec()).prop_map(|(text, character)| Piece::Short(text, character)),
        4 => (unit, any::<bool>()).prop_map(|(unit, upper)| Piece::Unit(unit, upper)),
    ]
}

fn meaning(pieces: &[Piece]) -> (String, String) {
    let (mut json, mut text, mut units) = (String::from("\""), String::new(), Vec::new());
    for piece in pieces {
        if !matches!(piece, Piece::Unit(..)) {
            text.push_str(&String::from_utf16_lossy(&std::mem::take(&mut units)));
        }
        match piece {
            Piece::Raw(raw) => {
                json.push_str(raw);
                text.push_str(raw);
            }
            Piece::Short(escape, character) => {
                json.push_str(escape);
                text.push(*character);
            }
            Piece::Unit(unit, upper) => {
                json.push_str(&if *upper {
                    format!("\\u{unit:04X}")
                } else {
                    format!("\\u{unit:04x}")
                });
                units.push(*unit);
            }
        }
    }
    (json + "\"", text + &String::from_utf16_lossy(&units))
}

/// The JSON of a string, and the text that it means. Half a pair means U+FFFD.
pub fn escaped() -> impl Strategy<Value = (String, String)> {
    vec(piece(), 0..12).prop_map(|pieces| meaning(&pieces))
}
