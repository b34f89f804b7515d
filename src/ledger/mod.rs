//! What the product does, a file for each verb.
//!
//! Generic over database, ElevenLabs' transport and runtime: the same code runs in the worker,
//! in the host tests and in the simulation.

mod budget;
mod dialer;
pub mod judge;
mod link;
pub mod pending;
mod pieces;
pub mod place_calls;
mod placed;
pub mod reconcile;
pub mod record_turn;
pub mod same_turn;
pub mod settle;
pub mod transcript;
mod verdict;
