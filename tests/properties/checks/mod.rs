//! What holds of whatever comes in, described a second time and in other words than in `src/`.
//!
//! `tests/properties` tries it with generated inputs, `fuzz/` with libFuzzer's. So there is one
//! description of each property, and every `make test` compiles and runs it.

#![allow(dead_code, reason = "a fuzz target uses only its own part")]

pub mod bodies;
pub mod event;
pub mod json;
pub mod phone;
pub mod service;
pub mod signature;
pub mod time;

/// A check of any bytes.
pub type Check = fn(&[u8]);

/// The checks of any bytes by the names of their fuzz targets.
pub const TARGETS: [(&str, Check); 7] = [
    ("event", event::check),
    ("json", json::check),
    ("phone", phone::check),
    ("place", bodies::check_place),
    ("signature", signature::check),
    ("time", time::check),
    ("turn", bodies::check_turn),
];
