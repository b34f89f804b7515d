//! The telephony route of an instance, which its configuration chooses.

/// Which of ElevenLabs' two telephony routes places the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telephony {
    /// A number imported from Twilio.
    Twilio,
    /// A number behind a SIP trunk. This route answers only when the driver picks up.
    SipTrunk,
}
