//! The promises over the whole service on the host: real SQLite with the real migrations, the
//! real routes and status codes, a clock that stands still and a scripted ElevenLabs.
//!
//! The folders mirror the routes: placing calls, turns, events, reading, reconciling. What holds of
//! the whole platform is in `platform`: access, logs, settings, migrations, the documents.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod placing {
    mod accepting;
    mod hang_up;
    mod input;
    mod outcomes;
    mod races;
    mod supposed;
}

mod turns {
    mod claimed_links;
    mod claims_refuted;
    mod conversations;
    mod ids;
    mod late_turn_costs;
    mod late_turns;
    mod links;
    mod recording;
    mod words_from_outside;
}

mod events {
    mod bodies;
    mod bucket;
    mod closing;
    mod corrections;
    mod fields;
    mod foreign;
    mod post_call;
    mod settling;
    mod settling_events;
    pub mod transcripts;
    mod waiting;
}

mod reading {
    mod calls;
    mod csv;
    mod listing;
    mod pages;
}

mod reconciling {
    mod asking;
    mod bounds;
    mod costs;
    mod events;
    mod faults;
    mod patience;
    mod retention;
    mod retention_late;
    mod retention_pace;
    mod shares;
}

mod platform {
    mod access;
    mod boundary;
    mod build_script;
    mod documents;
    mod http_bodies;
    mod http_surface;
    mod layers;
    mod log_joins;
    mod log_lines;
    mod log_operations;
    mod measure;
    mod migration_0010;
    mod migrations;
    mod migrations_of_old_data;
    mod openapi;
    mod operating;
    mod query_plans;
    mod reasons;
    mod retries;
    mod security_document;
    mod settings;
    mod store_faults;
    mod where_requests_go;
}
