//! Telephone numbers.

use core::fmt;

/// A telephone number in E.164: `+` and 8 to 15 digits.
///
/// Its `Debug` and [`PhoneNumber::last_four`] show only the last four digits, because logs must
/// not carry more.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(String);

/// Why a text is not a telephone number that the ledger can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneNumberError {
    /// It is none of the accepted forms.
    Form,
    /// A zero in brackets follows the country code, as in `+44 (0)20 7946 0018`.
    BracketedZero,
}

impl fmt::Display for PhoneNumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => {
                "must be a telephone number: 10 digits (North America), 11 digits starting with \
                 1, or + and 8 to 15 digits"
            }
            Self::BracketedZero => {
                "must not have a zero in brackets after the country code: write the number as it \
                 is dialled from abroad, such as +44 20 7946 0018 instead of +44 (0)20 7946 0018"
            }
        })
    }
}

impl PhoneNumber {
    /// Reads a number as people write it and converts it to E.164.
    ///
    /// Blanks, hyphens, dots, slashes and round brackets between the digits are ignored. 10 digits,
    /// or 11 digits that begin with 1, are a North American number (`+1…`). After a leading `+`, 8
    /// to 15 digits are taken as they are.
    ///
    /// A bracket that begins with zero is refused. In most countries that zero is dialled only
    /// within the country (`+44 (0)20 …`). In a few it is part of the number (`+39 (06) …`). A
    /// wrong guess would phone a stranger.
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
        // True from an opening bracket to the next digit.
        let mut bracket_opened = false;
        let mut bracketed_zero = false;
        for character in rest.chars() {
            match character {
                '0'..='9' => {
                    bracketed_zero |= bracket_opened && character == '0';
                    bracket_opened = false;
                    digits.push(character);
                }
                '(' => bracket_opened = true,
                ' ' | '\u{a0}' | '-' | '\u{2010}' | '\u{2011}' | '.' | '/' | ')' => {}
                _ => return Err(PhoneNumberError::Form),
            }
        }
        if international && bracketed_zero {
            return Err(PhoneNumberError::BracketedZero);
        }
        match (international, digits.len()) {
            // No country code starts with 0.
            (true, 8..=15) if !digits.starts_with('0') => Ok(Self(format!("+{digits}"))),
            (false, 10) => Ok(Self(format!("+1{digits}"))),
            (false, 11) if digits.starts_with('1') => Ok(Self(format!("+{digits}"))),
            _ => Err(PhoneNumberError::Form),
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
            let refused = Err(PhoneNumberError::Form);
            assert_eq!(PhoneNumber::parse(text), refused, "{text}");
        }
    }

    #[test]
    fn a_zero_in_brackets_after_a_country_code_is_refused() {
        for text in [
            "+44 (0)20 7946 0018",
            "+44(0)20 7946 0018",
            "+44 (0) 20 7946 0018",
            "+44 ( 0 ) 20 7946 0018",
            "+44-(0)-20-7946-0018",
            "+49 (0) 89 123456",
            "+49 (089) 123456",
            "+49/(0)89/123456",
            "+39 (06) 6982 0000",
            "+1 (055) 501-0123",
            "+44 20 (0)7946 0018",
            "+44 (0 20 7946 0018",
            "+1 555 (010) 1234",
        ] {
            let refused = Err(PhoneNumberError::BracketedZero);
            assert_eq!(PhoneNumber::parse(text), refused, "{text}");
        }
        for (given, e164) in [
            ("+44 (20) 7946 0018", "+442079460018"),
            ("+(44) 20 7946 0018", "+442079460018"),
            ("1 (555) (010) 1234", "+15550101234"),
        ] {
            let number = PhoneNumber::parse(given);
            assert_eq!(number.as_ref().map(PhoneNumber::as_e164), Ok(e164));
        }
    }

    #[test]
    fn debug_hides_all_but_four_digits() {
        let number = PhoneNumber::parse("5550101234").unwrap();
        assert_eq!(format!("{number:?}"), "PhoneNumber(…1234)");
    }
}
