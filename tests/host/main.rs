//! The promises over the whole service on the host: real SQLite with the real migrations, the
//! real routes and status codes, a clock that stands still and a scripted ElevenLabs.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;
