//! Converts a request's body into what the route takes: bytes, text, JSON, fields.

use super::fields::{self, Fields};
use super::{BodyError, Incoming, Problem};
use crate::json::{Json, into_text, replace_lone_surrogates};

/// Receives the whole body, as raw bytes.
///
/// # Errors
/// [`Problem::PayloadTooLarge`] over `limit` bytes; [`Problem::InvalidRequest`] if the
/// connection broke before the end.
pub async fn receive(incoming: &mut impl Incoming, limit: usize) -> Result<Vec<u8>, Problem> {
    incoming.body(limit).await.map_err(|error| match error {
        BodyError::TooLarge => Problem::PayloadTooLarge(limit),
        BodyError::Broken(_) => Problem::invalid(
            "The connection broke before the whole body arrived. Send the request again.",
        ),
    })
}

/// A body as JSON text.
///
/// # Errors
/// [`Problem::InvalidRequest`] if it is not UTF-8.
pub fn text(body: Vec<u8>) -> Result<String, Problem> {
    into_text(body).ok_or_else(|| Problem::invalid("The body is not UTF-8."))
}

/// Parses a body as JSON, nested at most 128 levels deep. First it replaces lone surrogates, in
/// place.
///
/// # Errors
/// [`Problem::InvalidRequest`] that says where the body stops being JSON.
pub fn parse(body: &mut [u8]) -> Result<Json<'_>, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::invalid("The body is empty. Send a JSON object."));
    }
    replace_lone_surrogates(body);
    Json::read(body)
        .map_err(|error| Problem::invalid(format!("The body is not JSON in UTF-8: {error}.")))
}

/// Reads the fields that a route takes from a parsed body.
///
/// # Errors
/// [`Problem::InvalidRequest`] with every fault.
pub fn read<'a, V>(
    body: &'a Json<'a>,
    takes: impl FnOnce(&mut Fields<'a>) -> Option<V>,
) -> Result<V, Problem> {
    fields::read(body, takes).map_err(Problem::faulty)
}

#[cfg(test)]
mod tests {
    use super::parse;

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
            assert!(
                parse(&mut body.as_bytes().to_vec()).is_err(),
                "{}",
                body.len()
            );
        }
        assert!(parse(&mut b"\"\xff\xfe\"".to_vec()).is_err());
    }
}
