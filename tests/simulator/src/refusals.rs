//! The answers to an outbound-call request that places nothing.

use crate::answers::{self, Answer as HttpAnswer};
use crate::behaviour::{Answer, Fault};
use crate::books::Route;
use crate::outbound::{Cut, provider_answer};
use hyper::StatusCode;
use hyper::header::{HeaderName, LOCATION, RETRY_AFTER};
use serde_json::json;

/// The answers that leave every phone silent. The redirect leads `elsewhere`.
pub(crate) fn unplaced(how: Answer, route: Route, elsewhere: &str) -> Result<HttpAnswer, Cut> {
    Ok(match how {
        Answer::CutBefore => return Err(Cut),
        Answer::Error(fault) => faulty(fault),
        Answer::WebPage => answers::answer(
            StatusCode::OK,
            "text/html; charset=utf-8",
            "<!doctype html><title>Please wait</title><p>We will be back in a moment.</p>",
        ),
        Answer::Redirect => answers::with_header(
            answers::answer(StatusCode::TEMPORARY_REDIRECT, "text/plain", ""),
            LOCATION,
            elsewhere,
        ),
        _ => {
            let message = match route {
                // How Twilio's own library words a refusal, which ElevenLabs hands on.
                Route::Twilio => {
                    "HTTP 400 error: Unable to create record: The number is unverified"
                }
                Route::SipTrunk => "SIP call could not be created",
            };
            answers::json_answer(
                StatusCode::OK,
                &provider_answer(route, false, message, None),
            )
        }
    })
}

fn faulty(fault: Fault) -> HttpAnswer {
    match fault {
        Fault::InvalidKey => answers::invalid_key(),
        Fault::MissingPermissions => answers::error(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "missing_permissions",
            "The API key lacks the permission convai_write.",
        ),
        Fault::Unprocessable => answers::faults(vec![json!({
            "type": "value_error", "loc": ["body", "to_number"],
            "msg": "Value error, this number cannot be called", "input": "withheld",
        })]),
        Fault::ConcurrencyLimit => [
            (RETRY_AFTER, "1"),
            (HeaderName::from_static("current-concurrent-requests"), "10"),
            (HeaderName::from_static("maximum-concurrent-requests"), "10"),
        ]
        .into_iter()
        .fold(
            answers::error(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                "concurrent_limit_exceeded",
                "Too many conversations are open at once.",
            ),
            |answer, (name, value)| answers::with_header(answer, name, value),
        ),
        Fault::Internal => internal_error(),
    }
}

/// The service broke.
pub(crate) fn internal_error() -> HttpAnswer {
    answers::error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal_error",
        "internal_error",
        "Something went wrong on our side.",
    )
}
