//! `GET /health`: whether the service works, for monitors and for the people who run it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, Incoming, Problem, Service, auth};
use crate::elevenlabs::Transport;
use crate::platform::Runtime;
use crate::platform::config::{self, Settings};
use crate::store::Database;

/// The answer to an unauthenticated request.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    #[schemars(extend("const" = "ok"))]
    status: &'static str,
}

/// The answer to a request with `API_TOKEN`.
#[derive(Serialize, JsonSchema)]
pub(super) struct DetailedHealth {
    #[schemars(extend("const" = "ok"))]
    status: &'static str,
    database: DatabaseHealth,
    /// The bucket for the payloads of events; `null` if none is bound.
    events_bucket: Option<BucketHealth>,
    /// True for each setting that is set. Never a value.
    configuration: BTreeMap<&'static str, bool>,
    /// What is wrong with each invalid setting; empty if all are valid. Never a value.
    configuration_faults: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum BucketHealth {
    /// The bucket answers.
    Ok,
    /// The bucket does not answer. Meanwhile payloads are stored in the database.
    Failing,
}

#[derive(Serialize, JsonSchema)]
struct DatabaseHealth {
    /// How long the database took to answer, in milliseconds.
    round_trip_ms: u64,
    /// The newest applied migration.
    migration: Option<String>,
    /// How many calls are not settled by evidence from ElevenLabs; at most 1,001 are counted.
    unsettled_calls: i64,
    /// How many events wait for their call; at most 1,001 are counted.
    waiting_events: i64,
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    /// Answers 200 if the database answers, and 503 if not, so that a monitor alerts. A request
    /// with `API_TOKEN` gets the details. One with a wrong token gets the short answer instead of
    /// a 401: a monitor needs no token.
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
