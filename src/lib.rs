//! Call Ledger: places ElevenLabs voice-agent calls to drivers, and keeps the record of every
//! attempt and every spoken turn.
//!
//! The way of a request: [`http`] → [`ledger`] → [`store`] or [`elevenlabs`] → response. This
//! file is where the Workers runtime calls in; `docs/architecture.md` tells the rest.

pub mod elevenlabs;
pub mod http;
pub mod json;
pub mod ledger;
pub mod model;
pub mod platform;
pub mod store;

#[cfg(target_arch = "wasm32")]
mod events;
