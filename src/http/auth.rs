//! Authentication by bearer token (RFC 6750).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Incoming, Problem};

/// Checks that a request carries this bearer token.
///
/// # Errors
/// [`Problem::Unauthorized`] if the token is missing or wrong.
pub fn require_bearer(incoming: &impl Incoming, token: &str) -> Result<(), Problem> {
    let header = incoming.header("authorization").unwrap_or_default();
    match header.split_once(' ') {
        Some((scheme, given))
            if scheme.eq_ignore_ascii_case("bearer") && equal(given.trim(), token) =>
        {
            Ok(())
        }
        _ => Err(Problem::Unauthorized),
    }
}

/// True if two texts are equal. It takes the same time wherever they differ, so that a sender
/// cannot guess a token byte by byte. HMAC makes tags of equal length of both; `verify` compares
/// the tags in constant time.
fn equal(given: &str, expected: &str) -> bool {
    let tag = |text: &str| {
        Hmac::<Sha256>::new_from_slice(b"bearer").map(|mut mac| {
            mac.update(text.as_bytes());
            mac
        })
    };
    match (tag(given), tag(expected)) {
        (Ok(given), Ok(expected)) => given.verify(&expected.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}
