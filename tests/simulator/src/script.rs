//! What is said on the phone: short invented conversations around the variables the caller gave.

use crate::behaviour::{Behaviour, Story, Transcript};
use crate::conversation::{Speaker, Turn, rfc3339};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

/// Turns of the huge conversation.
const HUGE_TURNS: usize = 3000;

/// The turns of a conversation whose phone is answered at `accepted_at`. Times are conversation times and do not depend on how fast
/// the stand-in plays, so the same words at different moments (the driver says "Yes." twice) always are different turns.
pub(crate) fn write(
    behaviour: &Behaviour,
    story: Story,
    variables: &Map<String, Value>,
    accepted_at: DateTime<Utc>,
) -> Vec<Turn> {
    let lines = match story {
        Story::Busy | Story::NoAnswer | Story::CannotStart => Vec::new(),
        Story::Voicemail => vec![(
            Speaker::Agent,
            format!(
                "Hello {}, this is the safety desk. Please call us back when you are parked.",
                text(variables, "driver_name")
            ),
        )],
        _ if behaviour.transcript == Transcript::Huge => huge(),
        _ => usual(variables),
    };
    let mut turns: Vec<Turn> = lines
        .into_iter()
        .enumerate()
        .map(|(place, (speaker, message))| turn(place, speaker, message, accepted_at))
        .collect();
    if story == Story::BreaksOff {
        turns.truncate(2);
    }
    if behaviour.transcript == Transcript::Edited {
        turns
            .iter_mut()
            .enumerate()
            .for_each(|(place, turn)| edit(place, turn));
    }
    turns
}

fn usual(variables: &Map<String, Value>) -> Vec<(Speaker, String)> {
    let name = text(variables, "driver_name");
    let violations = text(variables, "violations");
    vec![
        (
            Speaker::Agent,
            format!("Hello {name}, this is the safety desk. Are you parked, and free to talk?"),
        ),
        (Speaker::User, "Yes.".into()),
        (
            Speaker::Agent,
            format!("Thank you. This is on record for you: {violations}. Did it happen like that?"),
        ),
        (Speaker::User, "Yes.".into()),
        (
            Speaker::Agent,
            "Will you take your full rest before the next trip, and tell dispatch if you can't?"
                .into(),
        ),
        (
            Speaker::User,
            "Sí, claro… mañana descanso ☕️ – no pasa nada 👍🏽".into(),
        ),
        (
            Speaker::Agent,
            format!("Gracias, {name}. Drive safely. Goodbye."),
        ),
    ]
}

fn huge() -> Vec<(Speaker, String)> {
    let padding = "and so on, mile after mile, ".repeat(27);
    (0..HUGE_TURNS)
        .map(|place| {
            let speaker = if place % 2 == 0 {
                Speaker::Agent
            } else {
                Speaker::User
            };
            (
                speaker,
                format!("Turn {} of {HUGE_TURNS}: {padding}over.", place + 1),
            )
        })
        .collect()
}

fn turn(place: usize, speaker: Speaker, message: String, accepted_at: DateTime<Utc>) -> Turn {
    // Not whole seconds, so that a reader who rounds is found out.
    let offset_ms = i64::try_from(place).unwrap_or(0) * 3_417 + 120;
    Turn {
        speaker,
        transcript_message: message.clone(),
        message,
        interrupted: false,
        offset_ms,
        timestamp: rfc3339(accepted_at + TimeDelta::milliseconds(offset_ms)),
        answers: Vec::new(),
    }
}

/// Makes the posted text and the transcript differ: other white space in every turn, and the fifth cut short by the driver.
fn edit(place: usize, turn: &mut Turn) {
    turn.message = format!("{} ", turn.message.replacen(' ', "  ", 1));
    if place == 4 {
        let words: Vec<&str> = turn.transcript_message.split(' ').take(6).collect();
        turn.transcript_message = format!("{}...", words.join(" "));
        turn.interrupted = true;
    }
}

/// A variable as the agent would read it out.
fn text(variables: &Map<String, Value>, name: &str) -> String {
    match variables.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers;

    fn turns_of(number: &str) -> Vec<Turn> {
        let variables =
            serde_json::json!({ "driver_name": "Ada Díaz", "violations": "drove 12 h" });
        let behaviour = numbers::find(number);
        write(
            behaviour,
            behaviour.story,
            variables.as_object().unwrap(),
            Utc::now(),
        )
    }

    #[test]
    fn the_usual_script_uses_the_variables_and_repeats_a_sentence_at_another_time() {
        let turns = turns_of("+15551234567");
        assert!(turns[0].message.contains("Ada Díaz") && turns[2].message.contains("drove 12 h"));
        assert_eq!(turns[1].message, turns[3].message);
        assert_ne!(turns[1].timestamp, turns[3].timestamp);
    }

    #[test]
    fn the_edited_script_differs_from_its_transcript() {
        let turns = turns_of("+15550100207");
        assert!(
            turns
                .iter()
                .all(|turn| turn.message != turn.transcript_message)
        );
        assert!(turns[4].interrupted && turns[4].transcript_message.len() < turns[4].message.len());
    }

    #[test]
    fn the_huge_script_is_huge() {
        let bytes: usize = turns_of("+15550100213")
            .iter()
            .map(|turn| turn.message.len())
            .sum();
        assert!(bytes > 2 * 1024 * 1024, "{bytes}");
    }
}
