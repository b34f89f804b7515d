//! Bytes to JSON.

use super::Problem;
use crate::json::Json;

/// Reads a body as JSON, nested at most 128 deep.
///
/// # Errors
/// [`Problem::InvalidRequest`] that says where the body stops being JSON.
pub fn parse(body: &[u8]) -> Result<Json<'_>, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::invalid("The body is empty; send a JSON object."));
    }
    Json::read(body)
        .map_err(|error| Problem::invalid(format!("The body is not JSON in UTF-8: {error}.")))
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
            assert!(parse(body.as_bytes()).is_err(), "{}", body.len());
        }
        assert!(parse(b"\"\xff\xfe\"").is_err());
    }
}
