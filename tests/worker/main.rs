//! The promises over the built worker: the release build under `wrangler dev` with a local database, over HTTP, against
//! the stand-in ElevenLabs.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../support/wrangler.rs"]
mod wrangler;

mod bodies;
mod bucket;
mod configuration;
mod conversations;
mod costs;
mod database;
mod events;
mod guarded;
mod hang_up;
mod http;
mod importing;
mod ledger;
mod listing;
mod migrations;
mod old_calls;
mod outage;
mod placing;
mod placing_input;
mod reading;
mod reconciling;
mod refusals;
mod settings;
mod settling;
mod story;
mod surface;
mod traps;
mod turns;
mod unclear;
mod unread;
