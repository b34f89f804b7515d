//! The signature of ElevenLabs' webhooks.
//!
//! `ElevenLabs-Signature: t=<unix seconds>,v0=<hex>`, where the hex is HMAC-SHA256 of
//! `<t>.<raw body>` under the webhook's secret, used as it is shown, prefix included.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::UtcTime;

/// How far `t` may lie from now, either way, in seconds. ElevenLabs' last retry comes about 40
/// minutes after the first attempt, perhaps with the first one's `t`.
pub const TOLERANCE_SECS: i64 = 45 * 60;

/// Whether the body carries a signature under one of the secrets, made near this time.
///
/// `secrets` is one secret or several separated by commas, for rotation; every `v0` in the
/// header is tried with each. The comparison takes the same time wherever they differ.
#[must_use]
pub fn is_valid(header: &str, body: &[u8], secrets: &str, now: UtcTime) -> bool {
    let parts = || header.split(',').map(str::trim);
    let mut times = parts().filter_map(|part| part.strip_prefix("t="));
    // The signed text is `t` as it stands in the header; two of them would be ambiguous.
    let (Some(time), None) = (times.next(), times.next()) else {
        return false;
    };
    let near = time
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| time.parse::<i64>().ok())
        .flatten()
        .is_some_and(|seconds| {
            let distance = seconds.abs_diff(now.as_millis().div_euclid(1000));
            distance <= TOLERANCE_SECS.unsigned_abs()
        });
    if !near {
        return false;
    }
    let tags: Vec<Vec<u8>> = parts()
        .filter_map(|part| part.strip_prefix("v0="))
        .filter_map(from_hex)
        .collect();
    secrets
        .split(',')
        .map(str::trim)
        .filter(|secret| !secret.is_empty())
        .filter_map(|secret| Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok())
        .any(|mut mac| {
            mac.update(time.as_bytes());
            mac.update(b".");
            mac.update(body);
            tags.iter().any(|tag| mac.clone().verify_slice(tag).is_ok())
        })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    // A SHA-256 tag has 32 bytes; anything longer is not worth the work.
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{TOLERANCE_SECS, is_valid};
    use crate::model::UtcTime;

    const SECRET: &str = "wsec_test_0123456789abcdef";
    const TIME: i64 = 1_739_537_297;
    // Made with ElevenLabs' own software kit.
    const EMPTY: &str = "911d36d36e569eb9de67785155fe393c5bacd493bee8fd068f611121358ece7d";
    const UNICODE: &str = "8d4373b1fb7210c41034e46ed5167fd0184b701ed371cc5506881e8082cf453d";

    fn at(seconds: i64) -> UtcTime {
        UtcTime::from_millis(seconds * 1000).unwrap()
    }

    fn valid(header: &str) -> bool {
        is_valid(header, b"", SECRET, at(TIME))
    }

    #[test]
    fn known_signatures_are_valid() {
        assert!(valid(&format!("t={TIME},v0={EMPTY}")));
        assert!(valid(&format!("v0={EMPTY}, t={TIME}")));
        let body = "{\"note\":\"Señor ☎️ \\u00e9\"}";
        let header = format!("t={TIME},v0={UNICODE}");
        assert!(is_valid(&header, body.as_bytes(), SECRET, at(TIME)));
        assert!(!is_valid(&header, b"{}", SECRET, at(TIME)));
    }

    #[test]
    fn any_of_several_signatures_under_any_of_several_secrets_is_enough() {
        let other = "0".repeat(64);
        for header in [
            format!("t={TIME},v0={other},v0={EMPTY}"),
            format!("t={TIME},v0={EMPTY},v0={other}"),
            format!("t={TIME},v0=xyz,v0={EMPTY}"),
        ] {
            assert!(valid(&header), "{header}");
        }
        let header = format!("t={TIME},v0={EMPTY}");
        assert!(is_valid(&header, b"", &format!("new, {SECRET}"), at(TIME)));
        assert!(is_valid(&header, b"", &format!("{SECRET},new"), at(TIME)));
        assert!(!is_valid(&header, b"", "new", at(TIME)));
        assert!(!is_valid(&header, b"", "", at(TIME)));
    }

    #[test]
    fn the_tolerance_ends_in_both_directions() {
        let header = format!("t={TIME},v0={EMPTY}");
        for (distance, valid) in [
            (TOLERANCE_SECS, true),
            (-TOLERANCE_SECS, true),
            (TOLERANCE_SECS + 1, false),
            (-TOLERANCE_SECS - 1, false),
        ] {
            assert_eq!(
                is_valid(&header, b"", SECRET, at(TIME + distance)),
                valid,
                "{distance}"
            );
        }
    }

    #[test]
    fn anything_else_is_invalid() {
        for header in [
            String::new(),
            "t=".to_owned(),
            format!("v0={EMPTY}"),
            format!("t={TIME}"),
            format!("t=abc,v0={EMPTY}"),
            format!("t=-1,v0={EMPTY}"),
            format!("t={TIME},t={TIME},v0={EMPTY}"),
            format!("t={TIME},v1={EMPTY}"),
            format!("t={TIME},v0={}", &EMPTY[..62]),
            format!("t=99999999999999999999999,v0={EMPTY}"),
        ] {
            assert!(!valid(&header), "{header}");
        }
    }
}
