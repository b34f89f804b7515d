//! HTTP answers, and ElevenLabs' three shapes of an error: an object, a list of faults, or a bare sentence under `detail`.

use crate::ids;
use crate::world::OpenRequest;
use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

pub(crate) type Answer = Response<AnswerBody>;

/// A body that knows when it has been written: whatever it carries along is dropped with it, and that is after the last byte was
/// handed to the connection, or when the caller is gone.
pub(crate) struct AnswerBody {
    bytes: Full<Bytes>,
    along: Option<(OpenRequest, Option<oneshot::Sender<()>>)>,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.bytes).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.bytes.size_hint()
    }
}

/// Ties an open request, and the signal that its answer has left, to the answer's body.
pub(crate) fn carry(
    mut answer: Answer,
    open: OpenRequest,
    written: Option<oneshot::Sender<()>>,
) -> Answer {
    answer.body_mut().along = Some((open, written));
    answer
}

/// A JSON answer.
pub(crate) fn json_answer(status: StatusCode, value: &Value) -> Answer {
    answer(status, "application/json", value.to_string())
}

/// An answer of any type.
pub(crate) fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Answer {
    let mut answer = Response::new(AnswerBody {
        bytes: Full::new(body.into()),
        along: None,
    });
    *answer.status_mut() = status;
    with_header(answer, CONTENT_TYPE, content_type)
}

/// The answer with one more header.
pub(crate) fn with_header(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// `{"detail": "…"}`, as the web framework answers by itself.
pub(crate) fn bare(status: StatusCode, detail: &str) -> Answer {
    json_answer(status, &json!({ "detail": detail }))
}

/// `{"detail": {…}}`, as ElevenLabs' own code answers.
pub(crate) fn error(status: StatusCode, kind: &str, code: &str, message: &str) -> Answer {
    let request_id = ids::request_id();
    let body = json!({ "detail": {
        "type": kind, "code": code, "message": message, "status": code, "request_id": request_id,
    }});
    with_header(
        json_answer(status, &body),
        HeaderName::from_static("request-id"),
        &request_id,
    )
}

/// `{"detail": [fault…]}`, as the web framework answers a request that does not fit its schema.
pub(crate) fn faults(faults: Vec<Value>) -> Answer {
    json_answer(
        StatusCode::UNPROCESSABLE_ENTITY,
        &json!({ "detail": faults }),
    )
}

/// The key was rejected. That this is 400, while a missing key is 401, was observed on the live API.
pub(crate) fn invalid_key() -> Answer {
    error(
        StatusCode::BAD_REQUEST,
        "authentication_error",
        "invalid_api_key",
        "Invalid API key.",
    )
}

/// The one answer to a request's key: `None` when it is right.
pub(crate) fn refuse_key(headers: &hyper::HeaderMap, api_key: &str) -> Option<Answer> {
    match headers.get("xi-api-key") {
        None => Some(error(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "missing_api_key",
            "No API key was given in the xi-api-key header.",
        )),
        Some(key) if key.as_bytes() == api_key.as_bytes() => None,
        Some(_) => Some(invalid_key()),
    }
}

/// Something named by id does not exist, or belongs to another workspace.
pub(crate) fn not_found(what: &str) -> Answer {
    error(
        StatusCode::NOT_FOUND,
        "not_found",
        "document_not_found",
        &format!("No {what} with this id exists in this workspace."),
    )
}
