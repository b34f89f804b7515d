//! What the run is asked to do.

use std::fmt;
use std::str::FromStr;

/// The settings of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How long calls are placed.
    pub minutes: f64,
    /// How many fleets do so side by side.
    pub fleets: usize,
    /// How many calls a second they place at most, all together.
    pub calls: f64,
    /// How many requests a second all readers make at most.
    pub reads: f64,
    /// How often the worker's runtime is killed.
    pub crashes: usize,
    /// What all choices follow from.
    pub seed: u64,
    /// Damage done before comparing, which the comparison has to find.
    pub sabotage: Option<Sabotage>,
    /// Keeps the folder of the run, also when all is well.
    pub keep: bool,
}

/// A damage that the comparison has to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A turn is deleted from the database.
    LoseTurn,
    /// A call is deleted from the database, with its turns.
    LoseCall,
    /// A call's status is changed in the database.
    Status,
    /// A turn's words are changed in the database.
    Words,
    /// A request for a call stands twice in the simulator's books.
    DialTwice,
}

const SABOTAGES: [(&str, Sabotage); 5] = [
    ("lose-turn", Sabotage::LoseTurn),
    ("lose-call", Sabotage::LoseCall),
    ("status", Sabotage::Status),
    ("words", Sabotage::Words),
    ("dial-twice", Sabotage::DialTwice),
];

/// The help text.
pub const HELP: &str = "\
Fleets place calls through the built worker for some minutes, against the simulated ElevenLabs; meanwhile its runtime is
killed, and started again on the same state. Then every record is compared with what was answered and with the simulator's books.

  --minutes N     how long calls are placed (10)
  --quick         the same as --minutes 1
  --fleets N      how many fleets place calls side by side (12)
  --calls N       calls placed a second, at most, by all fleets together (6)
  --reads N       requests a second, at most, by all readers together (10)
  --crashes N     how often the runtime is killed (once, and once more for every 3 further minutes)
  --seed N        what all choices follow from (1)
  --keep          keep the folder of the run: the state, the worker's log
  --sabotage X    damage the result before it is compared, to see that the comparison finds it:
                  lose-turn, lose-call, status, words or dial-twice
  --help          print this, and end";

impl Options {
    /// Reads the arguments; `None` when help is asked for.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self {
            minutes: 10.0,
            fleets: 12,
            calls: 6.0,
            reads: 10.0,
            crashes: 0,
            seed: 1,
            sabotage: None,
            keep: false,
        };
        let mut crashes = None;
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{name} needs a value"))
            };
            match name.as_str() {
                "--help" | "-h" => return Ok(None),
                "--quick" => options.minutes = 1.0,
                "--keep" => options.keep = true,
                "--minutes" => options.minutes = within(&name, &value()?, 0.2, 24.0 * 60.0)?,
                "--fleets" => options.fleets = within(&name, &value()?, 1, 200)?,
                "--calls" => options.calls = within(&name, &value()?, 0.1, 1000.0)?,
                "--reads" => options.reads = within(&name, &value()?, 0.1, 1000.0)?,
                "--crashes" => crashes = Some(within(&name, &value()?, 0, 1000)?),
                "--seed" => options.seed = within(&name, &value()?, 0, u64::MAX)?,
                "--sabotage" => options.sabotage = Some(sabotage(&value()?)?),
                _ => return Err(format!("unknown argument {name:?}")),
            }
        }
        let more = (1..).take_while(|more| f64::from(*more) * 3.0 < options.minutes);
        options.crashes = crashes.unwrap_or_else(|| 1_usize.max(more.count()));
        Ok(Some(options))
    }
}

fn within<T>(name: &str, value: &str, least: T, most: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + fmt::Display,
{
    match value.parse() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("{name} {value}: choose {least} to {most}")),
    }
}

fn sabotage(name: &str) -> Result<Sabotage, String> {
    SABOTAGES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, sabotage)| *sabotage)
        .ok_or_else(|| format!("--sabotage {name}: there is no such damage"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Result<Option<Options>, String> {
        Options::parse(arguments.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_number_of_crashes_follows_from_the_minutes() {
        for (arguments, crashes) in [
            ("", 3),
            ("--quick", 1),
            ("--minutes 3", 1),
            ("--minutes 30", 9),
            ("--crashes 0", 0),
        ] {
            let options = parse(arguments).unwrap().unwrap();
            assert_eq!(options.crashes, crashes, "{arguments}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            parse("--fleet 3").unwrap_err(),
            "unknown argument \"--fleet\""
        );
        assert_eq!(parse("--fleets").unwrap_err(), "--fleets needs a value");
        assert_eq!(
            parse("--fleets 0").unwrap_err(),
            "--fleets 0: choose 1 to 200"
        );
        assert_eq!(parse("--minutes 1 --help").unwrap(), None);
        assert_eq!(
            parse("--sabotage status").unwrap().unwrap().sabotage,
            Some(Sabotage::Status)
        );
    }
}
