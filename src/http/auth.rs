//! Bearer tokens.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Incoming, Problem};

/// Lets a request through that carries this bearer token.
///
/// # Errors
/// [`Problem::Unauthorized`] without the token or with another.
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

/// Whether two texts are equal, in a time that does not depend on where they differ: both are
/// authenticated under a fixed key, and the tags are compared in constant time.
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
