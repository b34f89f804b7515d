//! Describes the problems, from the responses that they become.

use serde_json::{Map, Value, json};

use super::common_headers;
use crate::http::Problem;
use crate::http::fields::Faults;
use crate::http::router::Route;
use crate::ledger::place_calls::{PlaceError, PlaceErrorCause};
use crate::model::CallSid;
use crate::platform::config::NotConfigured;
use crate::store::DatabaseError;

/// One problem of each kind.
#[must_use]
pub fn every_problem() -> Vec<Problem> {
    let first = invalid_field("speaker", "must be agent or user");
    core::iter::successors(Some(first), next).collect()
}

/// The next kind. The match has no wildcard, so a new kind does not compile until it is here.
fn next(problem: &Problem) -> Option<Problem> {
    let call_sid = "EL_12345_2025-11-21T10:30:00Z".to_owned();
    Some(match problem {
        Problem::InvalidRequest { .. } => Problem::UnknownCall(call_sid),
        Problem::UnknownCall(_) => Problem::CallNotFound(call_sid),
        Problem::CallNotFound(_) => Problem::ConversationNotLinked(call_sid),
        Problem::ConversationNotLinked(_) => Problem::OtherConversation(call_sid),
        Problem::OtherConversation(_) => Problem::Unauthorized,
        Problem::Unauthorized => Problem::InvalidSignature,
        Problem::InvalidSignature => Problem::NotFound,
        Problem::NotFound => Problem::MethodNotAllowed("POST"),
        Problem::MethodNotAllowed(_) => Problem::RateLimited,
        Problem::RateLimited => Problem::PayloadTooLarge(1024 * 1024),
        Problem::PayloadTooLarge(_) => call_not_recorded(),
        Problem::CallNotRecorded(_) => store_unavailable(),
        Problem::StoreUnavailable { .. } => Problem::Unhealthy(no_cause()),
        Problem::Unhealthy(_) => not_configured(),
        Problem::NotConfigured(_) => return None,
    })
}

/// A problem with one faulty field of a body.
pub fn invalid_field(field: &str, message: &str) -> Problem {
    let mut faults = Faults::default();
    faults.push(field.to_owned(), &message);
    Problem::faulty(faults)
}

/// An example of [`Problem::CallNotRecorded`].
pub fn call_not_recorded() -> Problem {
    Problem::CallNotRecorded(PlaceError {
        call_sids: vec![CallSid::from_text("EL_12345_2025-11-21T10:30:00Z")],
        cause: PlaceErrorCause::NotRecorded(no_cause()),
    })
}

/// An example of [`Problem::NotConfigured`]. No answer names the setting.
pub const fn not_configured() -> Problem {
    let (name, fault) = ("API_TOKEN", "is not set");
    Problem::NotConfigured(NotConfigured { name, fault })
}

/// An example of [`Problem::StoreUnavailable`].
pub fn store_unavailable() -> Problem {
    Problem::StoreUnavailable {
        call_sid: None,
        cause: no_cause(),
    }
}

/// An empty cause. No answer shows it.
pub fn no_cause() -> DatabaseError {
    DatabaseError::new("")
}

/// The responses to these problems of a route: for each status a name and the response.
pub fn responses(route: Route, problems: &[Problem]) -> Vec<(u16, (String, Value))> {
    let not_allowed = [Problem::MethodNotAllowed(route.allowed())];
    let problems: Vec<&Problem> = problems.iter().chain(&not_allowed).collect();
    let mut statuses: Vec<u16> = problems.iter().map(|problem| problem.status().0).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let response = |status: u16| {
        let of_status = problems
            .iter()
            .filter(|problem| problem.status().0 == status);
        (status, response(&of_status.copied().collect::<Vec<_>>()))
    };
    statuses.into_iter().map(response).collect()
}

/// One response for all these problems, which have the same status, with its name.
fn response(problems: &[&Problem]) -> (String, Value) {
    let mut headers = common_headers();
    let mut examples = Map::new();
    let mut codes: Vec<&str> = Vec::new();
    let mut title = Value::Null;
    for problem in problems {
        let answer = problem.to_answer();
        for (name, value) in &answer.headers {
            if !["content-type", "cache-control"].contains(name) {
                let header = json!({ "required": true, "schema": { "const": value } });
                headers.insert(http_case(name), header);
            }
        }
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        title = body.get("title").cloned().unwrap_or_default();
        let mut name = problem.code().to_owned();
        if examples.contains_key(&name) {
            name.push_str("_too");
        } else {
            codes.push(problem.code());
        }
        examples.insert(name, json!({ "value": body }));
    }
    let response = json!({
        "description": title,
        "headers": headers,
        "content": { "application/problem+json": {
            "schema": {
                "$ref": "#/components/schemas/ProblemBody",
                "properties": { "code": { "enum": codes } },
            },
            "examples": examples,
        } },
    });
    (codes.join("-or-"), response)
}

/// Writes `www-authenticate` as `WWW-Authenticate`.
fn http_case(name: &str) -> String {
    let word = |word: &str| match word.split_at_checked(1) {
        _ if word == "www" => "WWW".to_owned(),
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => String::new(),
    };
    let words: Vec<String> = name.split('-').map(word).collect();
    words.join("-")
}
