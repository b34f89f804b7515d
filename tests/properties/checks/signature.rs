//! Signatures, with an HMAC of our own from RFC 2104 over SHA-256.

use call_ledger::elevenlabs::signature::{Claim, TOLERANCE_SECS};
use call_ledger::model::UtcTime;
use sha2::{Digest, Sha256};

/// 2025-11-21T10:30:00Z in Unix seconds: now, where a header is tried.
pub const NOW: i64 = 1_763_721_000;
pub const SECRET: &str = "wsec_property";

/// HMAC-SHA256 in hexadecimal.
pub fn hmac(secret: &[u8], text: &[u8]) -> String {
    let mut key = [0; 64];
    if secret.len() > key.len() {
        key[..32].copy_from_slice(&Sha256::digest(secret));
    } else {
        key[..secret.len()].copy_from_slice(secret);
    }
    let inner = [&key.map(|byte| byte ^ 0x36), text].concat();
    let outer = [&key.map(|byte| byte ^ 0x5c)[..], &Sha256::digest(inner)].concat();
    let tag = Sha256::digest(outer);
    tag.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The `v0` of a body at a time.
pub fn tag(secret: &str, time: &str, body: &[u8]) -> String {
    hmac(secret.as_bytes(), &[time.as_bytes(), b".", body].concat())
}

/// Whether the contract takes this header.
pub fn right(header: &str, body: &[u8], secrets: &str, now: i64) -> bool {
    let fields = |name: &str| -> Vec<&str> {
        let fields = header.split(',').map(str::trim);
        fields
            .filter_map(|field| field.strip_prefix(name))
            .collect()
    };
    let &[time] = fields("t=").as_slice() else {
        return false;
    };
    let seconds = time.bytes().try_fold(0_i64, |seconds, byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        seconds.checked_mul(10)?.checked_add(digit)
    });
    let near = seconds.is_some_and(|seconds| {
        !time.is_empty() && (now - TOLERANCE_SECS..=now + TOLERANCE_SECS).contains(&seconds)
    });
    let mut secrets = secrets.split(',').map(str::trim);
    near && secrets.any(|secret| {
        let tag = tag(secret, time, body);
        let given = fields("v0=");
        !secret.is_empty() && given.contains(&tag.as_str())
    })
}

/// A header and a body, apart at the first line's end. In the header `#` stands for now and `$`
/// for the right tag of a body signed now, which nobody finds by guessing.
pub fn check(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (header, body) = data.split_at(end.unwrap_or(data.len()));
    let now = NOW.to_string();
    let header = String::from_utf8_lossy(header).replace('#', &now);
    let header = header.replace('$', &tag(SECRET, &now, body));
    check_header(&header, body, SECRET, NOW);
}

/// A header is taken exactly where it should be.
pub fn check_header(header: &str, body: &[u8], secrets: &str, now: i64) -> bool {
    let time = UtcTime::from_millis(now * 1_000).unwrap_or(UtcTime::EPOCH);
    let claim = Claim::read(header, time);
    let valid = claim.is_some_and(|claim| claim.is_valid(body, secrets));
    let expected = right(header, body, secrets, now);
    assert_eq!(
        valid, expected,
        "{header:?} under {secrets:?} over {body:?}"
    );
    valid
}
