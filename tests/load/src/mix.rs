//! Which telephone numbers are called, and how often: each stands for a course of events, see the simulator's numbers.

use crate::chance::Chance;
use elevenlabs_simulator::numbers::NUMBERS;

/// How many of a thousand calls go to a number, by the name of what it does. All others are simply answered.
const PER_MILLE: [(&str, u64); 37] = [
    ("refused", 15),
    ("wrong_key", 5),
    ("missing_permissions", 5),
    ("unprocessable", 5),
    ("concurrency_limit", 10),
    ("internal_error", 8),
    ("error_though_placed", 15),
    ("cut_before", 8),
    ("cut_though_placed", 15),
    ("too_slow", 10),
    ("slow", 20),
    ("first_turn_first", 25),
    ("first_turn_unlinked", 25),
    ("turns_at_once", 30),
    ("turns_three_times", 20),
    ("busy", 25),
    ("no_answer", 25),
    ("voicemail", 20),
    ("breaks_off", 15),
    ("without_id", 10),
    ("web_page", 4),
    ("redirect", 4),
    ("event_twice", 20),
    ("event_first", 15),
    ("event_never", 15),
    ("event_late", 20),
    ("event_before_last_turns", 20),
    ("turns_lost", 15),
    ("turns_half_lost", 15),
    ("transcript_edited", 20),
    ("wrong_signature_first", 10),
    ("never_ends", 5),
    ("transcript_untidy", 15),
    ("event_among_others", 10),
    ("variables_not_echoed", 10),
    ("transcript_huge", 1),
    ("reading_limited", 2),
];

/// A number to call.
pub fn number(chance: &mut Chance) -> String {
    let mut draw = chance.below(1000);
    for (name, times) in PER_MILLE {
        if draw < times {
            let known = NUMBERS.iter().find(|number| number.name == name);
            return known.map_or_else(String::new, |number| number.number.to_owned());
        }
        draw -= times;
    }
    format!("+155501000{:02}", chance.below(100))
}

/// Numbers of which ElevenLabs tells the outcome only when its event is sent after all: neither asking nor waiting helps.
pub const ONLY_BY_EVENT: [&str; 3] = ["never_ends", "reading_limited", "reading_broken"];

/// What a call has to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// `completed`, without a reason.
    Completed,
    /// `failed` for this reason.
    Failed(&'static str),
    /// `failed` for a reason in ElevenLabs' words.
    BrokenOff,
    /// `failed`, refused by ElevenLabs; `never_started` where the worker died before it could write that down.
    Rejected,
}

/// The ending of a call to a number with this name.
pub fn ending(name: &str, rang: bool) -> Ending {
    match name {
        "refused" | "wrong_key" | "missing_permissions" | "unprocessable" | "concurrency_limit" => {
            Ending::Rejected
        }
        _ if !rang => Ending::Failed("never_started"),
        "busy" => Ending::Failed("busy"),
        "no_answer" => Ending::Failed("no-answer"),
        "voicemail" => Ending::Failed("voicemail"),
        "breaks_off" => Ending::BrokenOff,
        _ => Ending::Completed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_number_of_the_simulator() {
        for (name, _) in PER_MILLE {
            assert!(NUMBERS.iter().any(|number| number.name == name), "{name}");
        }
        let total: u64 = PER_MILLE.iter().map(|(_, times)| times).sum();
        assert!(total < 700, "{total}");
    }

    #[test]
    fn all_of_them_come_up() {
        let mut chance = Chance::new(1, 1);
        let drawn: Vec<_> = (0..20_000).map(|_| number(&mut chance)).collect();
        for (name, _) in PER_MILLE {
            let number = NUMBERS.iter().find(|number| number.name == name).unwrap();
            assert!(drawn.iter().any(|drawn| drawn == number.number), "{name}");
        }
        assert!(drawn.iter().all(|number| number.len() == 12));
    }
}
