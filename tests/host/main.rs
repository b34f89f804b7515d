//! The promises over the whole service on the host: real SQLite with the real migrations, the
//! real routes and status codes, a clock that stands still and a scripted ElevenLabs.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod boundary;
mod bucket;
mod build_script;
mod claimed_links;
mod claims_refuted;
mod closing_events;
mod documents;
mod foreign_events;
mod http_bodies;
mod http_surface;
mod late_turn_costs;
mod late_turns;
mod layers;
mod links;
mod listing;
mod listing_csv;
mod listing_pages;
mod log_joins;
mod log_lines;
mod log_operations;
mod measure;
mod migration_0010;
mod migrations;
mod migrations_of_old_data;
mod openapi;
mod operating;
mod placing;
mod placing_hang_up;
mod placing_input;
mod placing_outcomes;
mod placing_races;
mod placing_supposed;
mod post_call;
mod post_call_bodies;
mod post_call_reading;
mod query_plans;
mod reading;
mod reasons;
mod reconciling;
mod reconciling_bounds;
mod reconciling_costs;
mod reconciling_events;
mod reconciling_faults;
mod reconciling_patience;
mod reconciling_shares;
mod retention;
mod retention_late;
mod retention_pace;
mod retries;
mod security_document;
mod settings;
mod settling;
mod settling_corrections;
mod settling_events;
mod store_faults;
mod transcripts;
mod turn_ids;
mod turns;
mod turns_and_conversations;
mod waiting_events;
mod where_requests_go;
mod words_from_outside;
