//! What the product needs from its environment: configuration, clock, random numbers, timers, log.

pub mod config;
pub mod effects;
pub mod log;
pub mod never;
pub mod plan;
pub mod printable;
mod runtime;
mod settings;
mod traced;
#[cfg(target_arch = "wasm32")]
pub mod worker_runtime;
pub mod worker_settings;

pub use never::invariant_broken;
pub use runtime::{RandomUnavailable, Runtime};
pub use traced::{Traced, random_id};
