//! Asks ElevenLabs about the outcome of a conversation.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::conversation::Report;
use super::lenient::{self, Object};
use super::{ApiAnswer, Client, Transport, TransportError};
use crate::json::into_text;
use crate::model::CallSid;

/// Maximum number of conversations that are read from each of the two lists. A call should have one.
const CANDIDATES: usize = 3;
/// Maximum number of requests of one lookup: the conversation itself, and two lists with their
/// candidates.
pub const MAX_REQUESTS: u32 = 1 + 2 * (1 + 3);

/// The characters that are escaped in a URL: all except the unreserved ones of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The result of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T> {
    /// ElevenLabs has it.
    Found(T),
    /// ElevenLabs does not have it.
    NotFound,
    /// ElevenLabs lists conversations under this name, and none of them can be confirmed or ruled out.
    /// So there may be one.
    Unconfirmed,
    /// ElevenLabs did not answer the question: a refusal, a rate limit, a failure or a timeout. A later
    /// run retries.
    Failed(LookupFailure),
}

/// Why a lookup failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupFailure {
    /// A stable code: `rate_limited`, `refused` or `unavailable`.
    pub code: &'static str,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
}

impl<T: Transport> Client<T> {
    /// Asks ElevenLabs for the report on a conversation.
    pub async fn conversation(&self, conversation_id: &str) -> Lookup<Report> {
        // Even escaped, these two would lead to another path of the same host.
        if matches!(conversation_id, "." | "..") {
            return Lookup::NotFound;
        }
        let id = utf8_percent_encode(conversation_id, ESCAPED);
        let path = format!("/v1/convai/conversations/{id}");
        match classify_response(self.send("GET", &path, None).await) {
            Lookup::Found(body) => match Report::parse(&body) {
                Some(report) if report.conversation_id == conversation_id => Lookup::Found(report),
                _ => Lookup::Failed(LookupFailure {
                    code: "unavailable",
                    status: Some(200),
                }),
            },
            Lookup::NotFound | Lookup::Unconfirmed => Lookup::NotFound,
            Lookup::Failed(failure) => Lookup::Failed(failure),
        }
    }

    /// Looks for the conversation of a call whose conversation is unknown: by the `user_id`, then by the
    /// dynamic variable `call_sid`, which placing the call sent. Each candidate is read to confirm it.
    /// [`Lookup::NotFound`] if ElevenLabs has none. [`Lookup::Unconfirmed`] if it lists one that cannot
    /// be read or that names no call.
    pub async fn conversation_of(&self, call_sid: &CallSid) -> Lookup<Report> {
        let value = utf8_percent_encode(call_sid.as_str(), ESCAPED);
        let mut read: Vec<(String, Candidate)> = Vec::new();
        let mut unconfirmed = false;
        for query in [
            format!("user_id={value}"),
            format!("dynamic_variable_params=call_sid%3Aeq%3A{value}"),
        ] {
            let path = format!("/v1/convai/conversations?page_size=10&{query}");
            let found = match classify_response(self.send("GET", &path, None).await) {
                Lookup::Found(body) => candidates(&body),
                Lookup::Failed(failure) => return Lookup::Failed(failure),
                Lookup::NotFound | Lookup::Unconfirmed => Some(Vec::new()),
            };
            // An answer that is not a list does not mean that there is no conversation.
            let Some(found) = found else {
                return Lookup::Failed(LookupFailure {
                    code: "unavailable",
                    status: Some(200),
                });
            };
            let mut kinds = Vec::new();
            for conversation_id in found.into_iter().take(CANDIDATES) {
                if let Some((_, kind)) = read.iter().find(|(id, _)| *id == conversation_id) {
                    kinds.push(*kind);
                    continue;
                }
                let kind = match self.conversation(&conversation_id).await {
                    Lookup::Found(report) => match report.call_sid.as_deref() {
                        Some(named) if named == call_sid.as_str() => return Lookup::Found(report),
                        Some(_) => Candidate::OfAnotherCall,
                        None => Candidate::Unclear,
                    },
                    Lookup::NotFound | Lookup::Unconfirmed => Candidate::Unclear,
                    Lookup::Failed(failure) => return Lookup::Failed(failure),
                };
                kinds.push(kind);
                read.push((conversation_id, kind));
            }
            unconfirmed |= is_unconfirmed(&kinds);
        }
        if unconfirmed {
            Lookup::Unconfirmed
        } else {
            Lookup::NotFound
        }
    }
}

/// What reading a listed conversation showed, if it is not the call's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Candidate {
    /// It names another call.
    OfAnotherCall,
    /// It cannot be read, or it names no call.
    Unclear,
}

/// Whether a list means that the call may have a conversation. A list with another call's
/// conversation ignores the filter, so it means nothing.
fn is_unconfirmed(listed: &[Candidate]) -> bool {
    !listed.is_empty() && listed.iter().all(|one| *one == Candidate::Unclear)
}

/// The conversations in a page of a list. `None` if the text is not a page, or if it names none of
/// the conversations that it lists.
fn candidates(body: &str) -> Option<Vec<String>> {
    let body = lenient::read(body)?;
    let found = Object::of(&body)?.objects("conversations")?;
    let ids = found.iter().filter_map(|item| item.text("conversation_id"));
    let ids: Vec<String> = ids.map(str::to_owned).collect();
    (found.is_empty() || !ids.is_empty()).then_some(ids)
}

fn classify_response(answer: Result<ApiAnswer, TransportError>) -> Lookup<String> {
    let (code, status) = match answer {
        Ok(answer) => match answer.status {
            200..=299 => {
                let body = into_text(answer.body.into_bytes());
                return Lookup::Found(body.unwrap_or_default());
            }
            404 => return Lookup::NotFound,
            429 => ("rate_limited", Some(429)),
            status @ 400..=499 => ("refused", Some(status)),
            status => ("unavailable", Some(status)),
        },
        Err(_) => ("unavailable", None),
    };
    Lookup::Failed(LookupFailure { code, status })
}
