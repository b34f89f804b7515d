//! The signature ElevenLabs puts on its events.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write;

/// The value of the `ElevenLabs-Signature` header for `body` at `unix_seconds`: `t=<seconds>,v0=<lowercase hex>`, where the hex is
/// HMAC-SHA256 over `<seconds>.<body>`. The key is the secret's own bytes, with its `wsec_` prefix.
#[must_use]
pub fn signature_header(secret: &str, unix_seconds: i64, body: &[u8]) -> String {
    let mut header = format!("t={unix_seconds},v0=");
    // A key of any length is accepted by HMAC, so the error cannot occur; an unsigned header would be refused by the worker.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        mac.update(format!("{unix_seconds}.").as_bytes());
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            let _ = write!(header, "{byte:02x}");
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::signature_header;

    #[test]
    fn equals_the_known_vector() {
        assert_eq!(
            signature_header("wsec_test_0123456789abcdef", 1_739_537_297, b""),
            "t=1739537297,v0=911d36d36e569eb9de67785155fe393c5bacd493bee8fd068f611121358ece7d"
        );
    }

    #[test]
    fn covers_the_body_and_the_time() {
        let one = signature_header("wsec_a", 1, b"{}");
        assert_ne!(
            one.rsplit('=').next(),
            signature_header("wsec_a", 2, b"{}").rsplit('=').next()
        );
        assert_ne!(one, signature_header("wsec_a", 1, b"{ }"));
        assert_ne!(one, signature_header("wsec_b", 1, b"{}"));
    }
}
