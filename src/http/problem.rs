//! Every error of a request, and the one place where it becomes a response.
//!
//! The response is `application/problem+json` (RFC 9457) with a stable `code`. The cause of a 5xx
//! goes into the log line only, never into the response.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{About, Answer};
use super::fields::{Fault, Faults, MAX_FAULTS};
use crate::ledger::place_calls::{PlaceError, PlaceErrorCause};
use crate::model::CallSid;
use crate::platform::config::NotConfigured;
use crate::platform::log::Line;
use crate::store::DatabaseError;

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The body or the query is invalid (400).
    InvalidRequest {
        detail: String,
        /// The first [`MAX_FAULTS`] faults.
        faults: Vec<Fault>,
        /// The number of all faults.
        count: usize,
        /// The call that the body names, if it names one.
        call_sid: Option<String>,
    },
    /// A turn of a call that is not on record (400: the fault is in the body, not in the path).
    UnknownCall(String),
    /// A read of a call that is not on record (404).
    CallNotFound(String),
    /// A turn for a call that has no conversation (400).
    ConversationNotLinked(String),
    /// A turn that names another conversation than its call has, or the conversation of another
    /// call (400).
    OtherConversation(String),
    /// The bearer token is missing or wrong (401).
    Unauthorized,
    /// The signature is missing, wrong, or not of about this time (401).
    InvalidSignature,
    /// No route has this path (404).
    NotFound,
    /// The route does not take this method (405); with the methods that it takes.
    MethodNotAllowed(&'static str),
    /// The rate limit of a call or of an address is exceeded (429).
    RateLimited,
    /// The body is longer than this limit, in bytes (413).
    PayloadTooLarge(usize),
    /// The database did not confirm the calls; nothing was dialled (500).
    CallNotRecorded(PlaceError),
    /// The database failed, after its retries (500).
    StoreUnavailable {
        call_sid: Option<String>,
        /// For the log only.
        cause: DatabaseError,
    },
    /// The database does not answer the health check (503).
    Unhealthy(DatabaseError),
    /// A setting is missing or invalid (503).
    NotConfigured(NotConfigured),
}

impl From<NotConfigured> for Problem {
    fn from(missing: NotConfigured) -> Self {
        Self::NotConfigured(missing)
    }
}

/// Maximum number of faulty fields that a log line names.
const NAMES_IN_A_LINE: usize = 10;
/// Maximum length of one field's name in a log line, in characters.
const LONGEST_NAME_IN_A_LINE: usize = 100;

/// The names of the first faulty fields.
fn names(faults: &[Fault]) -> String {
    let name = |fault: &Fault| {
        let name = fault.field.chars().take(LONGEST_NAME_IN_A_LINE);
        name.collect::<String>()
    };
    let names: Vec<String> = faults.iter().take(NAMES_IN_A_LINE).map(name).collect();
    names.join(", ")
}

/// The body of a problem response.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ProblemBody {
    /// Always `about:blank`. Distinguish problems by `code`.
    r#type: &'static str,
    /// The reason phrase of the HTTP status.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong and what to do about it, for people.
    detail: String,
    /// What is wrong, for programs. It is stable.
    code: &'static str,
    /// The call that the problem is about, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    call_sid: Option<String>,
    /// The calls that the database did not confirm.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    call_sids: Vec<CallSid>,
    /// The faults of an invalid request: the first 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// The number of all faults; present with `errors`.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_count: Option<usize>,
}

impl Problem {
    /// An invalid request, without faults of single fields.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::InvalidRequest {
            detail: detail.into(),
            faults: Vec::new(),
            count: 0,
            call_sid: None,
        }
    }

    /// Adds the call that an invalid request names.
    #[must_use]
    pub fn about_call(mut self, name: Option<&str>) -> Self {
        if let Self::InvalidRequest { call_sid, .. } = &mut self {
            *call_sid = name.map(str::to_owned);
        }
        self
    }

    /// A request with faulty fields.
    #[must_use]
    pub fn faulty(faults: Faults) -> Self {
        let (faults, count) = faults.into_parts();
        let detail = match count {
            1 => "One field is wrong; see errors. Nothing was recorded.".to_owned(),
            2..=MAX_FAULTS => {
                format!("{count} fields are wrong; see errors. Nothing was recorded.")
            }
            _ => format!(
                "{count} fields are wrong; errors has the first {MAX_FAULTS}. Nothing was recorded."
            ),
        };
        Self::InvalidRequest {
            detail,
            faults,
            count,
            call_sid: None,
        }
    }

    /// A query with faulty parameters.
    #[must_use]
    pub fn faulty_query(mut faults: Vec<Fault>) -> Self {
        let count = faults.len();
        faults.truncate(MAX_FAULTS);
        Self::InvalidRequest {
            detail: "The query is wrong; see errors.".to_owned(),
            faults,
            count,
            call_sid: None,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest { .. } | Self::OtherConversation(_) => "invalid_request",
            Self::UnknownCall(_) | Self::CallNotFound(_) => "unknown_call_sid",
            Self::ConversationNotLinked(_) => "conversation_not_linked",
            Self::Unauthorized => "unauthorized",
            Self::InvalidSignature => "invalid_signature",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::RateLimited => "rate_limited",
            Self::PayloadTooLarge(_) => "payload_too_large",
            Self::CallNotRecorded(_) => "call_not_recorded",
            Self::StoreUnavailable { .. } | Self::Unhealthy(_) => "store_unavailable",
            Self::NotConfigured(_) => "not_configured",
        }
    }

    pub(super) const fn status(&self) -> (u16, &'static str) {
        match self {
            Self::InvalidRequest { .. }
            | Self::OtherConversation(_)
            | Self::UnknownCall(_)
            | Self::ConversationNotLinked(_) => (400, "Bad Request"),
            Self::Unauthorized | Self::InvalidSignature => (401, "Unauthorized"),
            Self::NotFound | Self::CallNotFound(_) => (404, "Not Found"),
            Self::MethodNotAllowed(_) => (405, "Method Not Allowed"),
            Self::RateLimited => (429, "Too Many Requests"),
            Self::PayloadTooLarge(_) => (413, "Content Too Large"),
            Self::CallNotRecorded(_) | Self::StoreUnavailable { .. } => {
                (500, "Internal Server Error")
            }
            Self::NotConfigured(_) | Self::Unhealthy(_) => (503, "Service Unavailable"),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::InvalidRequest { detail, .. } => detail.clone(),
            Self::UnknownCall(_) | Self::CallNotFound(_) => {
                "No call on record has this call_sid. Check that it is the call_sid in the answer to \
                 the request that placed the call."
                    .to_owned()
            }
            Self::ConversationNotLinked(_) => {
                "This call has no conversation yet. Send the turn again after ElevenLabs has \
                 accepted the call, or add the conversation_id to the turn."
                    .to_owned()
            }
            Self::OtherConversation(_) => {
                "conversation_id is not the conversation of this call. Nothing was changed. \
                 Check that call_sid and conversation_id come from the same conversation."
                    .to_owned()
            }
            Self::Unauthorized => {
                "Send the header Authorization: Bearer <token> with the token of this route."
                    .to_owned()
            }
            Self::InvalidSignature => {
                "The header ElevenLabs-Signature is missing, its time is more than 45 minutes from \
                 now, or it is not the signature of exactly these bytes under this service's \
                 webhook secret."
                    .to_owned()
            }
            Self::NotFound => "No route has this path.".to_owned(),
            Self::MethodNotAllowed(allowed) => format!("This path takes {allowed}."),
            Self::RateLimited => {
                "Too many turns. Nothing was stored. Send this turn again after a minute."
                    .to_owned()
            }
            Self::PayloadTooLarge(limit) => {
                format!("The body may have at most {limit} bytes.")
            }
            Self::CallNotRecorded(_) => {
                "The database did not confirm that the calls are on record. None was dialled, \
                 and this request will dial none. Send the same request again. If its answer has \
                 created true for a call, that request placed the call. If it has created false \
                 and no conversation_id, the call was on record before: error or pending says \
                 whether a phone rang, and when a new timestamp is safe."
                    .to_owned()
            }
            Self::StoreUnavailable { .. } => {
                "The database is not available at the moment. Send the same request again. A retry \
                 stores nothing twice."
                    .to_owned()
            }
            Self::Unhealthy(_) => "The database does not answer.".to_owned(),
            Self::NotConfigured(_) => {
                "A setting that this route needs is missing or invalid. The service's log says \
                 which."
                    .to_owned()
            }
        }
    }

    /// Adds what only the people who run the service may know: the cause, and the database
    /// operation that failed.
    #[must_use]
    pub fn log(&self, line: Line) -> Line {
        let cause = match self {
            Self::StoreUnavailable { cause, .. } | Self::Unhealthy(cause) => {
                return cause.log(line);
            }
            Self::CallNotRecorded(error) => match &error.cause {
                PlaceErrorCause::NotRecorded(cause) => return cause.log(line),
                PlaceErrorCause::NoToken(cause) => cause.to_string(),
            },
            Self::NotConfigured(missing) => missing.to_string(),
            Self::InvalidRequest { faults, count, .. } if !faults.is_empty() => {
                return Line {
                    faulty_fields: Some(names(faults)),
                    count: u64::try_from(*count).ok(),
                    ..line
                };
            }
            _ => return line,
        };
        let cause = Some(cause);
        Line { cause, ..line }
    }

    /// The response.
    #[must_use]
    pub fn to_answer(&self) -> Answer {
        let (status, title) = self.status();
        let (call_sid, errors) = match self {
            Self::UnknownCall(call_sid)
            | Self::CallNotFound(call_sid)
            | Self::ConversationNotLinked(call_sid)
            | Self::OtherConversation(call_sid) => (Some(call_sid.clone()), Vec::new()),
            Self::StoreUnavailable { call_sid, .. } => (call_sid.clone(), Vec::new()),
            Self::InvalidRequest {
                faults, call_sid, ..
            } => (call_sid.clone(), faults.clone()),
            _ => (None, Vec::new()),
        };
        let call_sids = match self {
            Self::CallNotRecorded(error) => error.call_sids.clone(),
            _ => Vec::new(),
        };
        let error_count = match self {
            Self::InvalidRequest { count, .. } if *count > 0 => Some(*count),
            _ => None,
        };
        let about = About {
            call_sid: call_sid.clone(),
            code: Some(self.code()),
            ..About::default()
        };
        let body = ProblemBody {
            r#type: "about:blank",
            title,
            status,
            detail: self.detail(),
            code: self.code(),
            call_sid,
            call_sids,
            errors,
            error_count,
        };
        let mut answer = Answer::json(status, &body).about(about);
        for (name, value) in &mut answer.headers {
            if *name == "content-type" {
                "application/problem+json".clone_into(value);
            }
        }
        match self {
            Self::Unauthorized => answer.with_header("www-authenticate", "Bearer"),
            Self::MethodNotAllowed(allowed) => answer.with_header("allow", *allowed),
            // The longest period of a rate limit binding, in seconds.
            Self::RateLimited => answer.with_header("retry-after", "60"),
            _ => answer,
        }
    }
}
