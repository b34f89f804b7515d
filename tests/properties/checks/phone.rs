//! Telephone numbers.

use call_ledger::model::PhoneNumber;

/// What people write between digits.
pub const BETWEEN: [char; 9] = [
    ' ', '\u{a0}', '-', '\u{2010}', '\u{2011}', '.', '/', '(', ')',
];

/// A number in E.164, or nothing where the contract refuses it.
pub fn e164(text: &str) -> Option<String> {
    let text = text.trim();
    let rest = text.strip_prefix('+');
    // +44 (0)20 …: what a bracket begins with is the next digit, whatever stands between.
    let mut brackets = rest.unwrap_or_default().split('(').skip(1);
    if brackets.any(|inside| inside.trim_start_matches(BETWEEN).starts_with('0')) {
        return None;
    }
    let digits: String = rest
        .unwrap_or(text)
        .chars()
        .filter(|character| !BETWEEN.contains(character))
        .collect();
    let number = match (rest, digits.len()) {
        (Some(_), _) => digits,
        (None, 10) => format!("1{digits}"),
        (None, 11) if digits.starts_with('1') => digits,
        (None, _) => return None,
    };
    let right = number.bytes().all(|byte| byte.is_ascii_digit())
        && (8..=15).contains(&number.len())
        && !number.starts_with('0');
    right.then(|| format!("+{number}"))
}

pub fn check(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data) {
        check_text(text);
    }
}

/// A text is the number it should be, or none; a number stays the same when it is read again, and
/// shows no more than four digits.
pub fn check_text(text: &str) -> Option<String> {
    let number = PhoneNumber::parse(text);
    let expected = e164(text);
    let read = number.as_ref().ok().map(PhoneNumber::as_e164);
    assert_eq!(read, expected.as_deref(), "{text:?}");
    if let (Ok(number), Some(expected)) = (number, &expected) {
        assert_eq!(PhoneNumber::parse(expected).as_ref(), Ok(&number));
        assert_eq!(
            format!("{number:?}"),
            format!("PhoneNumber(…{})", number.last_four())
        );
        assert!(expected.ends_with(number.last_four()) && number.last_four().len() == 4);
    }
    expected
}
