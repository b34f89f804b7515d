//! The signature of ElevenLabs' webhooks.
//!
//! `ElevenLabs-Signature: t=<unix seconds>,v0=<hex>`. The hex is HMAC-SHA256 of `<t>.<raw body>`. The key
//! is the webhook's secret as ElevenLabs shows it, including its prefix.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::UtcTime;

/// Maximum difference between `t` and now, in seconds. ElevenLabs' last retry arrives about 40 minutes
/// after the first attempt, and may have the `t` of the first.
pub const TOLERANCE_SECS: i64 = 45 * 60;

/// A signature header with the right form and a recent time. It is valid only if it fits the body.
///
/// To read it needs no secret and no body. A request without it is refused before its body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The digits of `t` as in the header: they are part of the signed text.
    time: &'a str,
    /// The values of `v0` that have the form of a tag.
    tags: Vec<[u8; 32]>,
}

impl<'a> Claim<'a> {
    /// Reads the header. `None` unless it has exactly one `t`, which is not too far from now, and a `v0`
    /// of 64 lowercase hexadecimal digits.
    ///
    /// ElevenLabs' own SDKs compare the digits as text, so capital letters are refused here, too.
    #[must_use]
    pub fn read(header: &'a str, now: UtcTime) -> Option<Self> {
        let parts = || header.split(',').map(str::trim);
        let mut times = parts().filter_map(|part| part.strip_prefix("t="));
        // The signed text contains `t`. Two of them would be ambiguous.
        let (Some(time), None) = (times.next(), times.next()) else {
            return None;
        };
        let is_number = time.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: i64 = time.parse().ok().filter(|_| is_number)?;
        let distance = seconds.abs_diff(now.as_millis().div_euclid(1000));
        if distance > TOLERANCE_SECS.unsigned_abs() {
            return None;
        }
        let tags: Vec<_> = parts()
            .filter_map(|part| from_hex(part.strip_prefix("v0=")?))
            .collect();
        (!tags.is_empty()).then_some(Self { time, tags })
    }

    /// Whether one of the tags is right for this body and one of the secrets.
    ///
    /// `secrets` is one secret, or several separated by commas, for rotation. The comparison is in
    /// constant time.
    #[must_use]
    pub fn is_valid(&self, body: &[u8], secrets: &str) -> bool {
        secrets
            .split(',')
            .map(str::trim)
            .filter(|secret| !secret.is_empty())
            .filter_map(|secret| Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok())
            .any(|mut mac| {
                mac.update(self.time.as_bytes());
                mac.update(b".");
                mac.update(body);
                let tags = &mut self.tags.iter();
                tags.any(|tag| mac.clone().verify_slice(tag).is_ok())
            })
    }
}

/// A tag of SHA-256: 32 bytes as 64 lowercase hexadecimal digits.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let mut tag = [0; 32];
    if pairs.len() != tag.len() {
        return None;
    }
    for (byte, [high, low]) in tag.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(tag)
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, TOLERANCE_SECS};
    use crate::model::UtcTime;

    const SECRET: &str = "wsec_test_0123456789abcdef";
    const TIME: i64 = 1_739_537_297;
    // Made with ElevenLabs' own software kit.
    const EMPTY: &str = "911d36d36e569eb9de67785155fe393c5bacd493bee8fd068f611121358ece7d";
    const UNICODE: &str = "8d4373b1fb7210c41034e46ed5167fd0184b701ed371cc5506881e8082cf453d";

    fn at(seconds: i64) -> UtcTime {
        UtcTime::from_millis(seconds * 1000).unwrap()
    }

    fn is_valid(header: &str, body: &[u8], secrets: &str, now: UtcTime) -> bool {
        Claim::read(header, now).is_some_and(|claim| claim.is_valid(body, secrets))
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
    fn form_and_time_are_wrong_before_any_body_is_there() {
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
            format!("t={TIME},v0={}", &EMPTY[..63]),
            format!("t={TIME},v0={EMPTY}00"),
            format!("t={TIME},v0={}", EMPTY.to_uppercase()),
            format!("t={TIME},v0={}g", &EMPTY[..63]),
            format!("t={},v0={EMPTY}", TIME + TOLERANCE_SECS + 1),
            format!("t=99999999999999999999999,v0={EMPTY}"),
        ] {
            assert_eq!(Claim::read(&header, at(TIME)), None, "{header}");
        }
    }

    #[test]
    fn a_tag_of_another_body_is_invalid() {
        let other = "0".repeat(64);
        assert!(!valid(&format!("t={TIME},v0={other}")));
        assert!(!valid(&format!("t={},v0={EMPTY}", TIME + 1)));
    }
}
