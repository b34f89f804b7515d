//! Bytes to JSON.

use serde_json::Value;

use super::Problem;

/// Reads a body as JSON, nested at most 128 deep.
///
/// A `\u` escape that is half a surrogate pair is grammatical JSON but no Unicode: a sender that
/// cuts a text in the middle of an emoji makes one. Refusing it would lose the turn, so it is
/// read as U+FFFD, the replacement character.
///
/// # Errors
/// [`Problem::InvalidRequest`] that says where the body stops being JSON.
pub fn parse(body: &[u8]) -> Result<Value, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::invalid("The body is empty; send a JSON object."));
    }
    serde_json::from_slice(body)
        .or_else(|error| match without_lone_surrogates(body) {
            Some(mended) => serde_json::from_slice(&mended),
            None => Err(error),
        })
        .map_err(|error| Problem::invalid(format!("The body is not JSON in UTF-8: {error}.")))
}

/// A body as JSON text: UTF-8, without lone surrogates.
///
/// # Errors
/// [`Problem::InvalidRequest`] when it is not UTF-8.
pub fn text(body: Vec<u8>) -> Result<String, Problem> {
    let body = without_lone_surrogates(&body).unwrap_or(body);
    String::from_utf8(body).map_err(|_| Problem::invalid("The body is not UTF-8."))
}

/// The body with every lone surrogate escape replaced by `\ufffd`, or `None` when it has none.
pub fn without_lone_surrogates(body: &[u8]) -> Option<Vec<u8>> {
    // Most bodies have no escape at all; the search for one is quick.
    body.windows(3)
        .find(|bytes| matches!(bytes, [b'\\', b'u', b'D' | b'd']))?;
    let mut at = 0;
    let mut mended: Option<Vec<u8>> = None;
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        at += match (rest, escape(rest), rest.get(6..).and_then(escape)) {
            // A pair.
            (_, Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (_, Some(0xD800..=0xDFFF), _) => {
                let copy = mended.get_or_insert_with(|| body.to_vec());
                if let Some(place) = copy.get_mut(at..at + 6) {
                    place.copy_from_slice(b"\\ufffd");
                }
                6
            }
            // Two bytes at a time over an escape, so that `\\u` is not taken for one.
            ([b'\\', ..], _, _) => 2,
            _ => 1,
        };
    }
    mended
}

/// The code unit of a `\uXXXX` at the start of these bytes.
fn escape(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn text(body: &str) -> String {
        parse(body.as_bytes()).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        assert_eq!(text(r#""a\ud83d b""#), "a\u{fffd} b");
        assert_eq!(text(r#""\udc00\ud83d\ude00\ud83d""#), "\u{fffd}😀\u{fffd}");
        assert_eq!(text(r#""\ud83d\ud83d\ude00""#), "\u{fffd}😀");
        assert_eq!(text(r#""\\ud83d \ud83d""#), "\\ud83d \u{fffd}");
    }

    #[test]
    fn what_is_no_json_is_refused_without_a_panic() {
        let deep = "[".repeat(100_000);
        for body in [
            "",
            " \n",
            "{",
            "nul",
            "\"\\ud83d",
            "\"\\u12\"",
            "{\"a\":1}}",
            deep.as_str(),
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{}", body.len());
        }
        assert!(parse(b"\"\xff\xfe\"").is_err());
    }
}
