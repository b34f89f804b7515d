//! `GET /health`

use serde::Serialize;

use super::{Answer, Problem, Service};
use crate::elevenlabs::Transport;
use crate::platform::Runtime;
use crate::platform::config::Settings;
use crate::store::Database;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    /// 200 when the database answers; 503 otherwise, so that a monitor turns red.
    pub(super) async fn health(&self) -> Result<Answer, Problem> {
        match self.store.ping().await {
            Ok(()) => Ok(Answer::json(200, &Health { status: "ok" })),
            Err(cause) => Err(Problem::Unhealthy(cause)),
        }
    }
}
