//! What the product does, one file for each verb.
//!
//! The code is generic over the database, the transport to ElevenLabs and the runtime. The worker, the
//! host tests and the simulation run the same code.

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
