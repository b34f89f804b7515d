//! The lines a person watching the stand-in reads.

use crate::books::{Delivery, DeliveryKind, Outcome, SimCall};

/// One line for a request that has been dealt with.
pub(crate) fn call(call: &SimCall) -> String {
    let outcome = match call.outcome {
        Outcome::Open => "open".into(),
        Outcome::Answered { status } => format!("answered {status}"),
        Outcome::Cut => "connection cut".into(),
        Outcome::Abandoned => "caller gone".into(),
    };
    format!(
        "call  {} to {} [{}] {outcome}, {}",
        call.call_sid.as_deref().unwrap_or("(no call_sid)"),
        last_four(call.to_number.as_deref().unwrap_or_default()),
        call.behaviour,
        call.conversation_id.as_deref().unwrap_or("nothing placed"),
    )
}

/// One line for one attempt to deliver something.
pub(crate) fn delivery(delivery: &Delivery) -> String {
    let what = match (delivery.kind, delivery.turn) {
        (DeliveryKind::Turn, Some(turn)) => format!("turn {}", turn + 1),
        (DeliveryKind::Turn, None) => "turn".into(),
        (DeliveryKind::PostCallTranscription, _) => "post_call_transcription".into(),
        (DeliveryKind::CallInitiationFailure, _) => "call_initiation_failure".into(),
        (DeliveryKind::PostCallAudio, _) => "post_call_audio".into(),
        (DeliveryKind::UnknownEvent, _) => "event of unknown type".into(),
    };
    let answer = match delivery.status {
        Some(status) => format!("answered {status}"),
        None => format!("no answer ({})", delivery.answer),
    };
    let about = delivery
        .call_sid
        .as_deref()
        .unwrap_or(&delivery.conversation_id);
    let again = if delivery.attempt > 1 {
        format!(" (attempt {})", delivery.attempt)
    } else {
        String::new()
    };
    format!("  to worker: {what} of {about}{again}: {answer}")
}

/// A phone number as it may be shown.
fn last_four(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    let hidden = digits.len().saturating_sub(4);
    format!("…{}", digits.iter().skip(hidden).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::last_four;

    #[test]
    fn shows_the_last_four_digits_only() {
        assert_eq!(last_four("+15550101234"), "…1234");
        assert_eq!(last_four(""), "…");
    }
}
