//! Telephone numbers.

use core::fmt;

/// A telephone number in E.164: `+` and 8 to 15 digits.
///
/// Its `Debug` and [`PhoneNumber::last_four`] show only the last four digits, because logs must
/// not carry more.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(String);

/// A text that is no telephone number the ledger can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneNumberError;

impl fmt::Display for PhoneNumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "must be a telephone number: 10 digits (North America), 11 digits starting with 1, \
             or + and 8 to 15 digits",
        )
    }
}

impl PhoneNumber {
    /// Reads a number as people write it and makes it E.164.
    ///
    /// Blanks, hyphens, dots, slashes and round brackets between the digits are passed over. 10
    /// digits are North American (`+1…`), 11 digits starting with 1 likewise; with a leading `+`
    /// 8 to 15 digits stand as they are.
    ///
    /// # Errors
    /// [`PhoneNumberError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, PhoneNumberError> {
        let text = text.trim();
        let (international, rest) = match text.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut digits = String::with_capacity(rest.len());
        for character in rest.chars() {
            match character {
                '0'..='9' => digits.push(character),
                ' ' | '\u{a0}' | '-' | '\u{2010}' | '\u{2011}' | '.' | '/' | '(' | ')' => {}
                _ => return Err(PhoneNumberError),
            }
        }
        match (international, digits.len()) {
            // No country code starts with 0.
            (true, 8..=15) if !digits.starts_with('0') => Ok(Self(format!("+{digits}"))),
            (false, 10) => Ok(Self(format!("+1{digits}"))),
            (false, 11) if digits.starts_with('1') => Ok(Self(format!("+{digits}"))),
            _ => Err(PhoneNumberError),
        }
    }

    /// The number in E.164, for ElevenLabs.
    #[must_use]
    pub fn as_e164(&self) -> &str {
        &self.0
    }

    /// The last four digits, for logs.
    #[must_use]
    pub fn last_four(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(4)..).unwrap_or("")
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber(…{})", self.last_four())
    }
}

#[cfg(test)]
mod tests {
    use super::{PhoneNumber, PhoneNumberError};

    #[test]
    fn what_people_write_becomes_e164() {
        for (given, e164) in [
            ("(555) 010-1234", "+15550101234"),
            ("555.010.1234", "+15550101234"),
            ("15550101234", "+15550101234"),
            ("1 (555) 010-1234", "+15550101234"),
            ("+1 555 010 1234", "+15550101234"),
            ("+49 30 1234567", "+49301234567"),
            ("+12345678", "+12345678"),
            ("+123456789012345", "+123456789012345"),
        ] {
            assert_eq!(
                PhoneNumber::parse(given).unwrap().as_e164(),
                e164,
                "{given}"
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "+",
            "911",
            "5550101",
            "25550101234",
            "+1234567",
            "+1234567890123456",
            "555-010-CALL",
            "++15550101234",
            "+1+5550101234",
            "٥٥٥٠١٠١٢٣٤",
            "+0555010123",
            "555010123４",
            "tel:5550101234",
        ] {
            assert_eq!(PhoneNumber::parse(text), Err(PhoneNumberError), "{text}");
        }
    }

    #[test]
    fn debug_hides_all_but_four_digits() {
        let number = PhoneNumber::parse("5550101234").unwrap();
        assert_eq!(format!("{number:?}"), "PhoneNumber(…1234)");
    }
}
