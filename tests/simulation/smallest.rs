//! The smallest world in which a seed still breaks a promise.
//!
//! A seed's world has every kind of fault and many drivers. Most of them have nothing to do with
//! the failure. So a failing seed runs again with one kind of fault switched off after the other,
//! and then with fewer fleets and drivers. What is not needed stays off.

use std::collections::BTreeSet;
use std::fmt;

use super::world::FAULTS;

/// What a world leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// The names of the kinds of fault that are switched off.
    pub without: BTreeSet<&'static str>,
    /// The maximum number of fleets.
    pub fleets: Option<u64>,
    /// The maximum number of drivers in a fleet.
    pub drivers: Option<u64>,
}

impl Limits {
    /// Reads `WITHOUT=fault,fault`, `FLEETS=n` and `DRIVERS=n` with this function.
    ///
    /// # Panics
    /// On a fault that does not exist, and on a number that cannot be read.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str| {
            let text = variable(name)?;
            let number = text.parse();
            Some(number.unwrap_or_else(|_| panic!("{name} must be a number")))
        };
        let without = variable("WITHOUT").unwrap_or_default();
        let known = |name: &str| {
            let fault = FAULTS.iter().find(|(known, _)| *known == name);
            fault.unwrap_or_else(|| panic!("WITHOUT: there is no fault {name}"))
        };
        Self {
            without: without
                .split(',')
                .filter(|name| !name.is_empty())
                .map(|name| known(name).0)
                .collect(),
            fleets: number("FLEETS"),
            drivers: number("DRIVERS"),
        }
    }
}

/// As variables of a command, each with a blank after it.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.without.is_empty() {
            let without: Vec<_> = self.without.iter().copied().collect();
            write!(f, "WITHOUT={} ", without.join(","))?;
        }
        for (name, number) in [("FLEETS", self.fleets), ("DRIVERS", self.drivers)] {
            if let Some(number) = number {
                write!(f, "{name}={number} ")?;
            }
        }
        Ok(())
    }
}

/// The command that runs a seed again in such a world.
pub fn replay(seed: u64, limits: &Limits) -> String {
    format!("SEED={seed} {limits}cargo test --test simulation every -- --nocapture")
}

/// Leaves out what the failure does not need. `run` says which promise breaks in a world, if any.
/// The promise may be another one than before: a world that differs in one fault takes another
/// course.
pub fn smallest(
    limits: Limits,
    violation: String,
    run: impl Fn(&Limits) -> Option<String>,
) -> (Limits, String) {
    let mut best = (limits, violation);
    // Twice: a kind of fault may be needed only as long as another one is there.
    for _ in 0..2 {
        for (name, _) in FAULTS {
            let mut candidate = best.0.clone();
            if candidate.without.insert(name)
                && let Some(found) = run(&candidate)
            {
                best = (candidate, found);
            }
        }
        for fleets in 1..best.0.fleets.unwrap_or(MOST_FLEETS) {
            let mut candidate = best.0.clone();
            candidate.fleets = Some(fleets);
            if let Some(found) = run(&candidate) {
                best = (candidate, found);
                break;
            }
        }
        for drivers in 1..best.0.drivers.unwrap_or(MOST_DRIVERS) {
            let mut candidate = best.0.clone();
            candidate.drivers = Some(drivers);
            if let Some(found) = run(&candidate) {
                best = (candidate, found);
                break;
            }
        }
    }
    best
}

/// The most fleets that a world has.
pub const MOST_FLEETS: u64 = 3;
/// The most drivers that a fleet has.
pub const MOST_DRIVERS: u64 = 20;

#[test]
fn the_smallest_world_keeps_what_the_failure_needs() {
    let needs = |limits: &Limits| {
        let enough = limits.drivers.is_none_or(|drivers| drivers >= 3);
        let lost = !limits.without.contains("answer_lost");
        // A worker that dies is needed for a second fleet only.
        let dies = !limits.without.contains("worker_dies") || limits.fleets == Some(1);
        (enough && lost && dies).then(|| format!("broken with {limits}"))
    };
    let (limits, violation) = smallest(Limits::default(), "broken".to_owned(), needs);
    assert_eq!(violation, format!("broken with {limits}"));
    assert_eq!((limits.fleets, limits.drivers), (Some(1), Some(3)));
    let kept = FAULTS.iter().map(|(name, _)| *name);
    let kept: Vec<_> = kept.filter(|name| !limits.without.contains(name)).collect();
    assert_eq!(kept, ["answer_lost"]);
}

#[test]
fn the_printed_command_makes_the_same_world() {
    let limits = Limits {
        without: BTreeSet::from(["answer_lost", "worker_dies"]),
        fleets: Some(1),
        drivers: Some(2),
    };
    let command = replay(42, &limits);
    assert_eq!(
        command,
        "SEED=42 WITHOUT=answer_lost,worker_dies FLEETS=1 DRIVERS=2 cargo test --test simulation every -- --nocapture"
    );
    let read = Limits::read(|name| {
        let words = command.split(' ');
        let mut pairs = words.filter_map(|word| word.split_once('='));
        let value = pairs.find(|(variable, _)| *variable == name)?.1;
        Some(value.to_owned())
    });
    assert_eq!(read, limits);
}
