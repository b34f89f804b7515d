//! What a telephone number can stand for, taken apart into independent parts: how the outbound-call request is answered,
//! what happens on the phone, how the turns reach the worker, how ElevenLabs' events do, and what reading back gives.
//! A magic number (see [`crate::numbers`]) is one combination of these parts.

/// One magic number: the combination of parts the stand-in plays when that number is called.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// The number in E.164, or empty for "every other number".
    pub number: &'static str,
    /// A short stable name, as it appears in the journal.
    pub name: &'static str,
    /// What happens, in a sentence for people.
    pub explanation: &'static str,
    pub(crate) answer: Answer,
    pub(crate) story: Story,
    pub(crate) turns: Turns,
    pub(crate) transcript: Transcript,
    pub(crate) event: Event,
    pub(crate) reading: Reading,
}

/// How the outbound-call request is answered, and whether a call is placed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200 with the conversation's id.
    Accepted,
    /// 200 with `success: false`, as when the telephone provider refuses. Nothing is placed.
    Refused,
    /// An error; nothing is placed.
    Error(Fault),
    /// 503, although the call was placed.
    ErrorThoughPlaced,
    /// The connection is cut; nothing is placed.
    CutBefore,
    /// The connection is cut after the call was placed.
    CutThoughPlaced,
    /// Accepted, answered only after `Config::slow`; the call goes on meanwhile.
    TooSlow,
    /// Accepted, answered after a wait that stays within the caller's timeout.
    Slow,
    /// Accepted, but answered only after the first turn was posted and answered.
    AfterFirstTurn,
    /// Accepted, but answered only after the first turn was tried once.
    AfterFirstAttempt,
    /// Accepted, but answered only after the post-call event was delivered.
    AfterEvent,
    /// 200 and `success: true`, without a conversation id; the call is placed.
    WithoutId,
    /// 200 with a web page instead of JSON, as a proxy might. Nothing is placed.
    WebPage,
    /// 307 to the same address. Nothing is placed.
    Redirect,
}

/// The errors a number can provoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    InvalidKey,
    MissingPermissions,
    Unprocessable,
    ConcurrencyLimit,
    Internal,
}

/// What happens on the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Story {
    /// Somebody answers and the conversation runs to its end.
    Answered,
    /// Nobody is reached; told by `call_initiation_failure` alone.
    Busy,
    /// Nobody is reached; told by `call_initiation_failure` alone.
    NoAnswer,
    /// A machine answers; the agent leaves one message.
    Voicemail,
    /// The conversation fails after two turns.
    BreaksOff,
    /// The conversation never ends by itself.
    NeverEnds,
    /// The agent could not start: a variable it needs was not given. No number asks for this; the request does.
    CannotStart,
}

/// How the turns are posted to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turns {
    /// One after the other.
    InOrder,
    /// All at the same moment.
    AtOnce,
    /// One after the other, each three times at the same moment.
    ThreeTimes,
    /// Not at all.
    Lost,
    /// Every second one only.
    HalfLost,
    /// The last two only after the post-call event.
    LastTwoAfterEvent,
}

/// What ElevenLabs' own transcript looks like beside the posted turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transcript {
    /// The same text.
    Same,
    /// Other white space, and one agent turn cut short by the driver.
    Edited,
    /// Nulls, fractions and unknown fields wherever live payloads have shown them.
    Untidy,
    /// The dynamic variables are not echoed.
    WithoutVariables,
    /// 3000 turns, more than 2 MiB.
    Huge,
}

/// How the post-call event is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Once,
    Twice,
    Never,
    /// After `Config::late`.
    Late,
    /// First with a wrong signature, then rightly signed.
    WrongSignatureFirst,
    /// With an event of unknown type and the audio event around it.
    AmongOthers,
}

/// What reading the conversation back by its id gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Works,
    TooManyRequests,
    ServerError,
}

impl Behaviour {
    /// A call that is answered and goes as it should; the base every other number varies.
    pub(crate) const fn usual(
        number: &'static str,
        name: &'static str,
        explanation: &'static str,
    ) -> Self {
        Self {
            number,
            name,
            explanation,
            answer: Answer::Accepted,
            story: Story::Answered,
            turns: Turns::InOrder,
            transcript: Transcript::Same,
            event: Event::Once,
            reading: Reading::Works,
        }
    }

    pub(crate) const fn answer(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    pub(crate) const fn story(self, story: Story) -> Self {
        Self { story, ..self }
    }

    pub(crate) const fn turns(self, turns: Turns) -> Self {
        Self { turns, ..self }
    }

    pub(crate) const fn transcript(self, transcript: Transcript) -> Self {
        Self { transcript, ..self }
    }

    pub(crate) const fn event(self, event: Event) -> Self {
        Self { event, ..self }
    }

    pub(crate) const fn reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }
}

impl Answer {
    /// Whether a phone rings, whatever the caller is told.
    pub(crate) fn places_call(self) -> bool {
        !matches!(
            self,
            Self::Refused | Self::Error(_) | Self::CutBefore | Self::WebPage | Self::Redirect
        )
    }

    /// Whether the conversation runs without waiting for the answer to have gone out.
    pub(crate) fn runs_ahead(self) -> bool {
        matches!(
            self,
            Self::ErrorThoughPlaced
                | Self::CutThoughPlaced
                | Self::TooSlow
                | Self::AfterFirstTurn
                | Self::AfterFirstAttempt
                | Self::AfterEvent
        )
    }

    /// Whether turns name their conversation: wherever the worker could not know it from the answer in time.
    pub(crate) fn turns_name_conversation(self) -> bool {
        matches!(
            self,
            Self::ErrorThoughPlaced
                | Self::CutThoughPlaced
                | Self::TooSlow
                | Self::AfterFirstTurn
                | Self::WithoutId
        )
    }
}
