//! What holds of every input of a kind, tried with thousands of invented ones (proptest).
//!
//! `checks/` says what holds, and `fuzz/` has libFuzzer look for what it does not hold of; the
//! other files invent inputs. `make test` always invents the same. `CASES=n` tries so many, and
//! `SEED=n` other ones; a failure prints both, with the smallest input that was found.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod checks;
mod escapes;
mod events;
mod invent;
mod json;
mod listing;
mod names;
mod phones;
mod placing;
mod runner;
mod same_turn;
mod signatures;
mod targets;
mod times;
mod turns;
