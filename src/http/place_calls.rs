//! `POST /driver_data/call-elevenlabs`: places calls.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::About;
use super::problem::Problem;
use super::takes::Takes;
use super::{Answer, Incoming, Service, auth, body};
use crate::elevenlabs::{Client, Transport};
use crate::ledger::pending::Pending;
use crate::ledger::place_calls::{Order, Placed, place_calls};
use crate::model::{
    CallSid, CallStatus, Driver, DriverId, ExactTime, FailureReason, UtcTime, Violation, reason,
};
use crate::platform::Runtime;
use crate::platform::config::{self, Settings};
use crate::store::Database;

/// Maximum length of the body, in bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;
/// Maximum number of drivers in one request.
pub const MAX_DRIVERS: usize = 20;

/// A request to place calls.
#[derive(Debug)]
pub(super) struct PlaceCalls {
    timestamp: ExactTime,
    drivers: Vec<Driver>,
}

/// The result of each driver's call, in the order of the request.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CallsPlaced {
    /// The request's time, in UTC.
    timestamp: UtcTime,
    calls: Vec<PlacedCall>,
}

/// The result of one driver's call.
#[derive(Debug, Serialize, JsonSchema)]
struct PlacedCall {
    call_sid: CallSid,
    driver_id: i64,
    /// ElevenLabs' id of the conversation; `null` until it is known.
    conversation_id: Option<String>,
    status: CallStatus,
    /// True if this request recorded the call; false if it was on record before.
    created: bool,
    /// Why the call could not be placed; absent if it was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<PlacingError>,
    /// Present while it is unknown whether a phone rang.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<Pending>,
}

/// Why a call could not be placed.
#[derive(Debug, Serialize, JsonSchema)]
struct PlacingError {
    /// `elevenlabs_rejected`: ElevenLabs refused the call, no phone rang. `not_dialled`: the
    /// request ended before it dialled, no phone rang. `never_started`: ElevenLabs has no
    /// conversation of this call, so no phone rang. `outcome_unknown`: a phone may have rung.
    #[schemars(extend("enum" = [
        reason::ELEVENLABS_REJECTED,
        reason::NOT_DIALLED,
        reason::NEVER_STARTED,
        reason::OUTCOME_UNKNOWN,
    ]))]
    code: &'static str,
    /// The reason in words.
    message: String,
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    /// 1. Authenticate the caller by `API_TOKEN`. Answer 503 if the setting is missing, 401 if the
    ///    token is missing or wrong.
    /// 2. Read the settings that a dial needs. Answer 503 if one is missing: a call that is
    ///    recorded without them could never be dialled.
    /// 3. Read and check the whole body. Answer 413 or 400 before anything is recorded, so that
    ///    the caller can correct the body and send it again.
    /// 4. Record the calls, dial them while the caller waits, and record each result. If the
    ///    database does not confirm the rows, dial nothing and answer 500, so that the caller
    ///    retries.
    /// 5. Answer with the result of each call: 201 if this request placed all of them, 200 if all
    ///    were on record before, 502 if none could be placed, 207 if the results differ.
    pub(super) async fn place_calls(
        &self,
        incoming: &mut impl Incoming,
    ) -> Result<Answer, Problem> {
        let arrived_at = self.runtime.now();
        // 1. 503, 401.
        auth::require_bearer(incoming, &config::api_token(&self.settings)?)?;
        // 2. 503. After 1, so that an unauthenticated caller learns nothing of the settings.
        let settings = config::placing(&self.settings)?;
        // 3. 413, 400.
        let request = read(body::receive(incoming, BODY_LIMIT).await?)?;
        // 4. 500.
        let access = &settings.access;
        let elevenlabs = Client::new(
            &self.transport,
            &access.base_url,
            access.api_key.clone(),
            access.timeout,
        );
        let order = Order {
            requested_at: request.timestamp,
            drivers: &request.drivers,
            arrived_at,
            // Without a valid setting the reconciler does not ask ElevenLabs about calls.
            reconcile_after: config::reconcile_after(&self.settings).ok(),
        };
        let caller = || incoming.caller();
        let placed = place_calls(
            &self.store,
            &self.runtime,
            &elevenlabs,
            &settings,
            order,
            caller,
        )
        .await
        .map_err(Problem::CallNotRecorded)?;
        // 5. 201, 200, 502, 207.
        Ok(answer(order, placed, self.runtime.now()))
    }
}

fn answer(order: Order<'_>, placed: Vec<Placed>, now: UtcTime) -> Answer {
    let on_record = placed.iter().filter(|call| !call.created).count();
    let failed = placed
        .iter()
        .filter(|call| call.created && call.state.status == CallStatus::Failed)
        .count();
    let status = match placed.len() {
        // A repeat: this request changed nothing.
        all if on_record == all => 200,
        // ElevenLabs is behind this service, and it took none of the calls.
        all if failed == all => 502,
        _ if on_record == 0 && failed == 0 => 201,
        // The caller must look at each call.
        _ => 207,
    };
    let about = match placed.as_slice() {
        [only] => About {
            call_sid: Some(only.state.call_sid.to_string()),
            conversation_id: only.state.conversation_id.clone(),
            driver_id: Some(only.driver_id),
            code: None,
        },
        _ => About::default(),
    };
    let body = CallsPlaced {
        timestamp: order.requested_at.to_millis(),
        calls: placed
            .into_iter()
            .map(|placed| placed_call(order, placed, now))
            .collect(),
    };
    Answer::json(status, &body).about(about)
}

fn placed_call(order: Order<'_>, placed: Placed, now: UtcTime) -> PlacedCall {
    let pending = Pending::of(&placed, order.reconcile_after, now);
    let state = placed.state;
    let undialled = state.failure_reason == Some(FailureReason::NotDialled);
    let failed = state.status == CallStatus::Failed && state.conversation_id.is_none();
    let error = (failed || undialled).then(|| error(state.failure_reason.as_ref(), placed.failure));
    PlacedCall {
        call_sid: state.call_sid,
        driver_id: placed.driver_id,
        conversation_id: state.conversation_id,
        status: state.status,
        created: placed.created,
        error,
        pending,
    }
}

/// Why a call was not placed: what this request saw, or what an earlier one recorded.
fn error(failure_reason: Option<&FailureReason>, seen: Option<String>) -> PlacingError {
    let on_record = |words: &str| format!("on record as failed: {words}");
    let (code, known) = match failure_reason {
        Some(FailureReason::Rejected(words)) => {
            let code = reason::ELEVENLABS_REJECTED;
            // Retention clears the words and keeps the code.
            (code, on_record(words.as_deref().unwrap_or(code)))
        }
        Some(FailureReason::NotDialled) => (
            reason::NOT_DIALLED,
            "the request that recorded the call ended before it dialled, so no phone rang; place \
             the call with a new timestamp"
                .to_owned(),
        ),
        Some(FailureReason::NeverStarted) => (
            reason::NEVER_STARTED,
            "ElevenLabs has no conversation of this call, so no phone rang; place the call with a \
             new timestamp"
                .to_owned(),
        ),
        other => {
            let words = other.map(FailureReason::text).unwrap_or_default();
            (reason::OUTCOME_UNKNOWN, on_record(&words))
        }
    };
    PlacingError {
        code,
        message: seen.unwrap_or(known),
    }
}

fn read(mut body: Vec<u8>) -> Result<PlaceCalls, Problem> {
    body::read(&body::parse(&mut body)?, request)
}

/// The body of the request.
pub(super) fn request(fields: &mut impl Takes) -> Option<PlaceCalls> {
    let timestamp = fields.required_exact_time("timestamp");
    let mut seen: HashMap<DriverId, usize> = HashMap::new();
    let drivers = fields.required_list("drivers", MAX_DRIVERS, |fields, index| {
        let id = fields.required_driver_id("driverId");
        let first = id.map_or(index, |id| *seen.entry(id).or_insert(index));
        if first != index {
            let message =
                format_args!("is the same driver as drivers[{first}]; list each driver once");
            fields.fault("driverId", &message);
        }
        driver(id, fields)
    });
    Some(PlaceCalls {
        timestamp: timestamp?,
        drivers: drivers?,
    })
}

fn driver(id: Option<DriverId>, fields: &mut impl Takes) -> Option<Driver> {
    let phone_number = fields.required_phone_number("phoneNumber");
    let name = fields.text("driverName");
    let custom_rules = fields.text("customRules");
    let violations = fields.list("violations", |fields, _| {
        let kind = fields.required_words("type");
        let description = fields.text("description");
        let occurred_at = fields.time("occurredAt");
        Some(Violation {
            kind: kind?,
            description,
            occurred_at,
        })
    });
    Some(Driver {
        id: id?,
        name,
        phone_number: phone_number?,
        violations,
        custom_rules,
    })
}
