//! The magic telephone numbers, in one place: the README's table, `GET /_simulator/numbers` and the stand-in itself read this.

use crate::behaviour::{Answer, Behaviour, Event, Fault, Reading, Story, Transcript, Turns};

/// What every number outside [`NUMBERS`] does.
pub const EVERY_OTHER: Behaviour = Behaviour::usual(
    "",
    "answered",
    "answered: seven turns are posted, then the signed post-call event; +15550100000 to +15550100099 will always do this",
);

/// The numbers with a behaviour of their own, ascending.
pub const NUMBERS: &[Behaviour] = &[
    usual("+15550100100", "refused", "200 with `success: false`, as when Twilio refuses an unverified number; nothing placed")
        .answer(Answer::Refused),
    usual("+15550100101", "wrong_key", "400 `invalid_api_key`, as if the key were wrong; nothing placed")
        .answer(Answer::Error(Fault::InvalidKey)),
    usual("+15550100102", "missing_permissions", "401 `missing_permissions`; nothing placed")
        .answer(Answer::Error(Fault::MissingPermissions)),
    usual("+15550100103", "unprocessable", "422 with a validation fault; nothing placed")
        .answer(Answer::Error(Fault::Unprocessable)),
    usual("+15550100129", "concurrency_limit", "429 `concurrent_limit_exceeded` with `Retry-After`; nothing placed")
        .answer(Answer::Error(Fault::ConcurrencyLimit)),
    usual("+15550100150", "internal_error", "500 `internal_error`; nothing placed").answer(Answer::Error(Fault::Internal)),
    usual("+15550100151", "error_though_placed", "503, but the call was placed; turns carry `conversation_id`")
        .answer(Answer::ErrorThoughPlaced),
    usual("+15550100160", "cut_before", "connection cut without an answer; nothing placed").answer(Answer::CutBefore),
    usual("+15550100161", "cut_though_placed", "connection cut without an answer, but the call was placed; turns carry `conversation_id`")
        .answer(Answer::CutThoughPlaced),
    usual("+15550100170", "too_slow", "answered only after the `slow` setting; the call goes on meanwhile, turns carry `conversation_id`")
        .answer(Answer::TooSlow),
    usual("+15550100171", "slow", "answered after a quarter of `slow`, 2 s at most; the turns follow the answer").answer(Answer::Slow),
    usual("+15550100180", "first_turn_first", "the first turn, with `conversation_id`, is posted and answered before the request is answered")
        .answer(Answer::AfterFirstTurn),
    usual("+15550100181", "first_turn_unlinked", "the first turn is posted before the request is answered, without `conversation_id`, and tried again on 400")
        .answer(Answer::AfterFirstAttempt),
    usual("+15550100182", "turns_at_once", "all turns posted at the same moment").turns(Turns::AtOnce),
    usual("+15550100183", "turns_three_times", "every turn posted three times at the same moment").turns(Turns::ThreeTimes),
    usual("+15550100186", "busy", "accepted, then `call_initiation_failure` with reason `busy`; no turns").story(Story::Busy),
    usual("+15550100187", "no_answer", "accepted, then `call_initiation_failure` with reason `no-answer`; no turns").story(Story::NoAnswer),
    usual("+15550100188", "voicemail", "a machine answers: one agent turn, `call_result` voicemail, status done").story(Story::Voicemail),
    usual("+15550100189", "breaks_off", "status failed with an error after two turns; told by the post-call event").story(Story::BreaksOff),
    usual("+15550100190", "without_id", "200 and `success: true`, `conversation_id` null; the call is placed, turns carry `conversation_id`")
        .answer(Answer::WithoutId),
    usual("+15550100191", "web_page", "200 with an HTML page instead of JSON; nothing placed").answer(Answer::WebPage),
    usual("+15550100192", "redirect", "307 to the same address; nothing placed").answer(Answer::Redirect),
    usual("+15550100200", "event_twice", "post-call event delivered twice, byte for byte").event(Event::Twice),
    usual("+15550100201", "event_first", "post-call event delivered before the request is answered; no turns posted")
        .answer(Answer::AfterEvent)
        .turns(Turns::Lost),
    usual("+15550100202", "event_never", "post-call event never sent (unless asked for); reading the conversation shows it").event(Event::Never),
    usual("+15550100203", "event_late", "post-call event sent after the `late` setting").event(Event::Late),
    usual("+15550100204", "event_before_last_turns", "post-call event sent before the last two turns are posted").turns(Turns::LastTwoAfterEvent),
    usual("+15550100205", "turns_lost", "no turn posted, only the post-call event").turns(Turns::Lost),
    usual("+15550100206", "turns_half_lost", "every second turn lost, then the post-call event").turns(Turns::HalfLost),
    usual("+15550100207", "transcript_edited", "ElevenLabs' transcript has other white space, and an agent turn cut short (`interrupted`, `original_message`)")
        .transcript(Transcript::Edited),
    usual("+15550100208", "wrong_signature_first", "post-call event first with a wrong signature, then rightly signed").event(Event::WrongSignatureFirst),
    usual("+15550100209", "never_ends", "all turns posted, then in progress for ever; no event").story(Story::NeverEnds),
    usual("+15550100210", "transcript_untidy", "event with null messages, fractions where whole numbers are expected, and unknown fields")
        .transcript(Transcript::Untidy),
    usual("+15550100211", "event_among_others", "an event of unknown type before, and `post_call_audio` after the post-call event").event(Event::AmongOthers),
    usual("+15550100212", "variables_not_echoed", "event and reading do not echo the dynamic variables").transcript(Transcript::WithoutVariables),
    usual("+15550100213", "transcript_huge", "3000 turns, more than 2 MiB in all, none posted, only the post-call event")
        .transcript(Transcript::Huge)
        .turns(Turns::Lost),
    usual("+15550100214", "reading_limited", "reading the conversation answers 429; the post-call event is never sent")
        .event(Event::Never)
        .reading(Reading::TooManyRequests),
    usual("+15550100215", "reading_broken", "reading the conversation answers 500; the post-call event is never sent")
        .event(Event::Never)
        .reading(Reading::ServerError),
    usual("+15550100216", "nothing_placed", "500, and no conversation exists (as +15550100150)").answer(Answer::Error(Fault::Internal)),
];

const fn usual(number: &'static str, name: &'static str, explanation: &'static str) -> Behaviour {
    Behaviour::usual(number, name, explanation)
}

/// The behaviour of a number.
#[must_use]
pub fn find(number: &str) -> &'static Behaviour {
    NUMBERS
        .iter()
        .find(|behaviour| behaviour.number == number)
        .unwrap_or(&EVERY_OTHER)
}

/// The table as Markdown, as the README carries it.
#[must_use]
pub fn markdown_table() -> String {
    let mut table = String::from("| number | name | what happens |\n|---|---|---|\n");
    for behaviour in NUMBERS {
        table += &row(behaviour.number, behaviour);
    }
    table += &row("any other", &EVERY_OTHER);
    table
}

fn row(number: &str, behaviour: &Behaviour) -> String {
    format!(
        "| {number} | `{}` | {} |\n",
        behaviour.name, behaviour.explanation
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_names_are_unique() {
        assert!(
            NUMBERS
                .windows(2)
                .all(|pair| pair[0].number < pair[1].number)
        );
        let mut names: Vec<_> = NUMBERS.iter().map(|behaviour| behaviour.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NUMBERS.len());
    }

    #[test]
    fn the_readme_carries_this_table() {
        let readme = include_str!("../README.md");
        assert!(
            readme.contains(&markdown_table()),
            "README.md is behind; `elevenlabs-simulator --numbers` prints the table"
        );
    }
}
