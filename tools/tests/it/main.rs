//! The tools as people run them: over a stand-in for wrangler, in a folder with what the tools need of the project.
//! `tests/worker/migrations.rs` runs them with the real wrangler.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod exports;
mod folder;
mod importing;
mod migrating;
mod places;
mod tailing;
