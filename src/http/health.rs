//! `GET /health`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, Incoming, Problem, Service, auth};
use crate::elevenlabs::Transport;
use crate::platform::Runtime;
use crate::platform::config::{self, Settings};
use crate::store::Database;

/// What everybody may know.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    #[schemars(extend("const" = "ok"))]
    status: &'static str,
}

/// What the holder of `API_TOKEN` may know.
#[derive(Serialize, JsonSchema)]
pub(super) struct DetailedHealth {
    #[schemars(extend("const" = "ok"))]
    status: &'static str,
    database: DatabaseHealth,
    /// The bucket for the payloads of events; `null` if none is bound.
    events_bucket: Option<BucketHealth>,
    /// Which settings are set. Never their values.
    configuration: BTreeMap<&'static str, bool>,
    /// What is wrong with settings that are set; empty when all can be used. Never their values.
    configuration_faults: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum BucketHealth {
    /// It answers.
    Ok,
    /// It does not. Payloads go into the database meanwhile.
    Failing,
}

#[derive(Serialize, JsonSchema)]
struct DatabaseHealth {
    /// How long the database took to answer.
    round_trip_ms: u64,
    /// The newest migration.
    migration: Option<String>,
    /// Calls that no evidence has settled yet, counted up to 1,001.
    unsettled_calls: i64,
    /// Events that wait for their call, counted up to 1,001.
    waiting_events: i64,
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    /// 200 when the database answers; 503 otherwise, so that a monitor turns red. Whoever sends
    /// `API_TOKEN` is told more; whoever sends another token is told what everybody is.
    pub(super) async fn health(&self, incoming: &impl Incoming) -> Result<Answer, Problem> {
        let status = "ok";
        let token = config::api_token(&self.settings);
        if !token.is_ok_and(|token| auth::require_bearer(incoming, &token).is_ok()) {
            self.store.ping().await.map_err(Problem::Unhealthy)?;
            return Ok(Answer::json(200, &Health { status }));
        }
        let condition = self.store.condition().await.map_err(Problem::Unhealthy)?;
        let round_trip_ms = self.store.usage().millis;
        let bucket = self.store.bucket_answers().await;
        let health = DetailedHealth {
            status,
            database: DatabaseHealth {
                round_trip_ms,
                migration: condition.migration,
                unsettled_calls: condition.unsettled_calls,
                waiting_events: condition.waiting_events,
            },
            events_bucket: bucket.map(|answers| match answers {
                true => BucketHealth::Ok,
                false => BucketHealth::Failing,
            }),
            configuration: config::present(&self.settings),
            configuration_faults: config::faults(&self.settings),
        };
        Ok(Answer::json(200, &health))
    }
}
