//! Asking ElevenLabs what became of a conversation.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::conversation::Report;
use super::lenient::{self, Object};
use super::{ApiAnswer, Client, Transport, TransportError};
use crate::json::into_text;
use crate::model::CallSid;

/// How many conversations of one call are looked at; there should be one.
const CANDIDATES: usize = 3;

/// What is escaped in an address: all but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What ElevenLabs answered to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked<T> {
    /// This.
    Answer(T),
    /// It knows no such thing.
    Unknown,
    /// It gave no answer that tells: a refusal, a rate limit, a failure, silence. Asking goes on
    /// another time.
    NoAnswer(NoAnswer),
}

/// Why ElevenLabs gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAnswer {
    /// A stable code: `rate_limited`, `refused` or `unavailable`.
    pub code: &'static str,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
}

impl<T: Transport> Client<T> {
    /// ElevenLabs' word about a conversation.
    pub async fn conversation(&self, conversation_id: &str) -> Asked<Report> {
        // Escaped or not, these two would lead to another path of the same host.
        if matches!(conversation_id, "." | "..") {
            return Asked::Unknown;
        }
        let id = utf8_percent_encode(conversation_id, ESCAPED);
        let path = format!("/v1/convai/conversations/{id}");
        match told(self.send("GET", &path, None).await) {
            Asked::Answer(body) => match Report::parse(&body) {
                Some(report) if report.conversation_id == conversation_id => Asked::Answer(report),
                _ => Asked::NoAnswer(NoAnswer {
                    code: "unavailable",
                    status: Some(200),
                }),
            },
            Asked::Unknown => Asked::Unknown,
            Asked::NoAnswer(no_answer) => Asked::NoAnswer(no_answer),
        }
    }

    /// The conversation of a call whose conversation is not known: looked for by the `user_id`
    /// and then by the dynamic variable `call_sid` that placing the call sent, and confirmed by
    /// reading it. [`Asked::Unknown`] when ElevenLabs has none.
    pub async fn conversation_of(&self, call_sid: &CallSid) -> Asked<Report> {
        let value = utf8_percent_encode(call_sid.as_str(), ESCAPED);
        let mut seen: Vec<String> = Vec::new();
        for query in [
            format!("user_id={value}"),
            format!("dynamic_variable_params=call_sid%3Aeq%3A{value}"),
        ] {
            let path = format!("/v1/convai/conversations?page_size=10&{query}");
            let found = match told(self.send("GET", &path, None).await) {
                Asked::Answer(body) => candidates(&body),
                Asked::Unknown => Some(Vec::new()),
                Asked::NoAnswer(no_answer) => return Asked::NoAnswer(no_answer),
            };
            // An answer that is no list does not say that there is nothing.
            let Some(found) = found else {
                return Asked::NoAnswer(NoAnswer {
                    code: "unavailable",
                    status: Some(200),
                });
            };
            for conversation_id in found.into_iter().take(CANDIDATES) {
                if seen.contains(&conversation_id) {
                    continue;
                }
                match self.conversation(&conversation_id).await {
                    Asked::Answer(report)
                        if report.call_sid.as_deref() == Some(call_sid.as_str()) =>
                    {
                        return Asked::Answer(report);
                    }
                    Asked::Answer(_) | Asked::Unknown => {}
                    Asked::NoAnswer(no_answer) => return Asked::NoAnswer(no_answer),
                }
                seen.push(conversation_id);
            }
        }
        Asked::Unknown
    }
}

/// The conversations that a page lists; `None` when it is no page.
fn candidates(body: &str) -> Option<Vec<String>> {
    let body = lenient::read(body)?;
    let found = Object::of(&body)?.objects("conversations")?;
    let ids = found.iter().filter_map(|item| item.text("conversation_id"));
    Some(ids.map(str::to_owned).collect())
}

fn told(answer: Result<ApiAnswer, TransportError>) -> Asked<String> {
    let (code, status) = match answer {
        Ok(answer) => match answer.status {
            200..=299 => {
                let body = into_text(answer.body.into_bytes());
                return Asked::Answer(body.unwrap_or_default());
            }
            404 => return Asked::Unknown,
            429 => ("rate_limited", Some(429)),
            status @ 400..=499 => ("refused", Some(status)),
            status => ("unavailable", Some(status)),
        },
        Err(_) => ("unavailable", None),
    };
    Asked::NoAnswer(NoAnswer { code, status })
}
