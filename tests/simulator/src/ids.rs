//! Random identifiers in the shapes ElevenLabs and its telephone providers use.

use crate::books::Route;

/// `conv_` and 26 lowercase letters or digits.
pub(crate) fn conversation_id() -> String {
    format!("conv_{}", random(26, 36))
}

/// The provider's own id of the phone call: Twilio's `CA…`, or the SIP trunk's `SCL_…`.
pub(crate) fn provider_call_id(route: Route) -> String {
    match route {
        Route::Twilio => format!("CA{}", random(32, 16)),
        Route::SipTrunk => format!("SCL_{}", random(12, 36)),
    }
}

/// A request id: 32 hex digits.
pub(crate) fn request_id() -> String {
    random(32, 16)
}

fn random(length: usize, radix: u32) -> String {
    let mut bytes = vec![0_u8; length];
    // Without randomness the ids would repeat and every test with two calls would say so; there is nothing better to do here.
    let _ = getrandom::fill(&mut bytes);
    bytes
        .iter()
        .filter_map(|byte| char::from_digit(u32::from(*byte) % radix, radix))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let id = conversation_id();
        assert_eq!(id.len(), 31);
        assert!(
            id[5..]
                .chars()
                .all(|c| c.is_ascii_digit() || c.is_ascii_lowercase())
        );
        assert_ne!(id, conversation_id());
        assert!(provider_call_id(Route::Twilio).starts_with("CA"));
        assert!(provider_call_id(Route::SipTrunk).starts_with("SCL_"));
    }
}
