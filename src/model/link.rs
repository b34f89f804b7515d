//! Which conversation a call has, how sure that is, and who may change it: a pure decision.

/// The conversation of a call, as it is on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link<'a> {
    /// The call has no conversation yet.
    None,
    /// An unauthenticated turn named this conversation, and ElevenLabs has not confirmed it.
    Claimed(&'a str),
    /// ElevenLabs, or a turn with the token, named this conversation. It stays.
    Confirmed(&'a str),
}

impl<'a> Link<'a> {
    /// Reads the columns `conversation_id` and `conversation_claimed`.
    #[must_use]
    pub const fn new(conversation_id: Option<&'a str>, claimed: bool) -> Self {
        match conversation_id {
            None => Self::None,
            Some(conversation_id) if claimed => Self::Claimed(conversation_id),
            Some(conversation_id) => Self::Confirmed(conversation_id),
        }
    }
}

/// Who names a conversation for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A turn on the open route: the sender is unauthenticated.
    OpenTurn,
    /// A turn whose sender knows the token.
    TokenTurn,
    /// ElevenLabs' answer to the dial of this call.
    Dial,
    /// ElevenLabs, in an event or when asked.
    ElevenLabs,
    /// ElevenLabs as well, but it says that the conversation is another call's.
    ElevenLabsForAnother,
}

/// What to do with the call's conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// The call has this conversation. Change nothing.
    Keep,
    /// Give the call the conversation, as a claim.
    Claim,
    /// Give the call the conversation if it has none, and mark it as confirmed.
    Confirm,
    /// Put the conversation in the place of this claimed one. The turns move with the call.
    Replace(&'a str),
    /// Take the claimed conversation away from the call. The call keeps its turns.
    Disown,
    /// The call has another conversation. Change nothing.
    Refuse,
}

/// Decides what to do when a conversation is `named` for a call.
///
/// **Invariant:** a confirmed conversation never changes, and a turn never changes any.
#[must_use]
pub fn decide<'a>(current: Link<'a>, named: &str, by: By) -> Step<'a> {
    match (current, by) {
        (Link::None, By::OpenTurn) => Step::Claim,
        (Link::None, By::TokenTurn | By::Dial | By::ElevenLabs) => Step::Confirm,
        (Link::None, By::ElevenLabsForAnother) => Step::Refuse,
        // An invented conversation must not keep ElevenLabs' own away.
        (Link::Claimed(claimed), By::Dial | By::ElevenLabs) if claimed != named => {
            Step::Replace(claimed)
        }
        (Link::Claimed(known) | Link::Confirmed(known), _) if known != named => Step::Refuse,
        (Link::Claimed(_), By::Dial | By::ElevenLabs) => Step::Confirm,
        // Another call's conversation, and so another driver's: this call must not be settled by it.
        (Link::Claimed(_), By::ElevenLabsForAnother) => Step::Disown,
        (Link::Claimed(_), By::OpenTurn | By::TokenTurn) | (Link::Confirmed(_), _) => Step::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::{By, Link, Step, decide};

    #[test]
    fn the_link_and_the_source_decide() {
        use By::{Dial, ElevenLabs, ElevenLabsForAnother, OpenTurn, TokenTurn};
        use Step::{Claim, Confirm, Disown, Keep, Refuse, Replace};
        let claimed = Link::new(Some("conv_1"), true);
        let confirmed = Link::new(Some("conv_1"), false);
        // The link on record, the source; the step if it names conv_1, and if it names conv_2.
        let table = [
            (Link::None, OpenTurn, Claim, Claim),
            (Link::None, TokenTurn, Confirm, Confirm),
            (Link::None, Dial, Confirm, Confirm),
            (Link::None, ElevenLabs, Confirm, Confirm),
            (Link::None, ElevenLabsForAnother, Refuse, Refuse),
            (claimed, OpenTurn, Keep, Refuse),
            (claimed, TokenTurn, Keep, Refuse),
            (claimed, Dial, Confirm, Replace("conv_1")),
            (claimed, ElevenLabs, Confirm, Replace("conv_1")),
            (claimed, ElevenLabsForAnother, Disown, Refuse),
            (confirmed, OpenTurn, Keep, Refuse),
            (confirmed, TokenTurn, Keep, Refuse),
            (confirmed, Dial, Keep, Refuse),
            (confirmed, ElevenLabs, Keep, Refuse),
            (confirmed, ElevenLabsForAnother, Keep, Refuse),
        ];
        for (current, by, same, other) in table {
            assert_eq!(decide(current, "conv_1", by), same, "{current:?} {by:?}");
            assert_eq!(decide(current, "conv_2", by), other, "{current:?} {by:?}");
        }
        assert_eq!(Link::new(None, true), Link::None);
    }
}
