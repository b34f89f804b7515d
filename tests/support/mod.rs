//! What several tests need.

#![allow(dead_code, reason = "no test binary uses all of it")]

pub mod bucket;
pub mod contract;
pub mod events;
pub mod sqlite;
pub mod world;
