//! `GET /calls`, `GET /calls/{call_sid}`, `GET /calls/{call_sid}/transcription`.

use core::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use super::accept::preferred;
use super::answer::About;
use super::problem::Problem;
use super::query::Query;
use super::takes::TakesQuery;
use super::{Answer, Incoming, Service, auth, csv, cursor};
use crate::elevenlabs::Transport;
use crate::model::{Call, CallSid, Turn};
use crate::platform::Runtime;
use crate::platform::config::{self, Settings};
use crate::platform::printable::one_line;
use crate::store::reading::{CallFilter, Position, Transcription};
use crate::store::{Database, DatabaseError};

/// Maximum number of calls of one page.
pub const MAX_LIMIT: i64 = 200;
/// Number of calls of one page if the request has no `limit`.
pub const DEFAULT_LIMIT: i64 = 50;

/// One page of calls.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CallPage {
    /// Newest first.
    calls: Vec<Call>,
    /// The `cursor` for the next page; `null` on the last page.
    next_cursor: Option<String>,
}

/// What was said in a call.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CallTranscription {
    call_sid: CallSid,
    /// ElevenLabs' id of the conversation; `null` until it is known.
    conversation_id: Option<String>,
    /// In the order of the conversation.
    turns: Vec<Turn>,
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    fn may_read(&self, incoming: &impl Incoming) -> Result<(), Problem> {
        auth::require_bearer(incoming, &config::api_token(&self.settings)?)
    }

    /// One page of calls, newest first, as JSON or CSV.
    pub(super) async fn list_calls(&self, incoming: &impl Incoming) -> Result<Answer, Problem> {
        self.may_read(incoming)?;
        let (filter, limit) = parse(&incoming.query())?;
        // Read one more than asked: if it exists, there is a next page.
        let calls = self.store.list_calls(&filter, limit + 1).await;
        let mut calls = calls.map_err(|cause| unavailable(None, cause))?;
        let asked = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = calls.len() > asked;
        calls.truncate(asked);
        let next_cursor = calls.last().filter(|_| more).map(next);
        let accept = incoming.header("accept");
        let offered = ["application/json", "text/csv"];
        if preferred(accept.as_deref(), &offered) == Some("text/csv") {
            let answer = Answer::new(
                200,
                "text/csv; charset=utf-8; header=present",
                csv::table(&calls),
            );
            return Ok(match next_cursor {
                Some(cursor) => answer.with_header("x-next-cursor", cursor),
                None => answer,
            });
        }
        Ok(Answer::json(200, &CallPage { calls, next_cursor }))
    }

    /// One call.
    pub(super) async fn read_call(
        &self,
        incoming: &impl Incoming,
        call_sid: String,
    ) -> Result<Answer, Problem> {
        self.may_read(incoming)?;
        let found = self
            .store
            .get_by_call_sid(&CallSid::from_text(&*call_sid))
            .await;
        match found.map_err(|cause| unavailable(Some(&call_sid), cause))? {
            Some(call) => Ok(Answer::json(200, &call).about(About {
                call_sid: Some(call_sid),
                conversation_id: call.conversation_id,
                driver_id: call.driver_id,
                code: None,
            })),
            None => Err(Problem::CallNotFound(call_sid)),
        }
    }

    /// What was said in a call, as JSON or plain text.
    pub(super) async fn read_transcription(
        &self,
        incoming: &impl Incoming,
        call_sid: String,
    ) -> Result<Answer, Problem> {
        self.may_read(incoming)?;
        let found = self
            .store
            .transcription(&CallSid::from_text(&*call_sid))
            .await;
        let found = found.map_err(|cause| unavailable(Some(&call_sid), cause))?;
        let Some(found) = found else {
            return Err(Problem::CallNotFound(call_sid));
        };
        let about = About {
            call_sid: Some(call_sid),
            conversation_id: found.conversation_id.clone(),
            ..About::default()
        };
        let accept = incoming.header("accept");
        let offered = ["application/json", "text/plain"];
        if preferred(accept.as_deref(), &offered) == Some("text/plain") {
            let answer = Answer::new(200, "text/plain; charset=utf-8", plain_text(&found));
            return Ok(answer.about(about));
        }
        let body = CallTranscription {
            call_sid: found.call_sid,
            conversation_id: found.conversation_id,
            turns: found.turns,
        };
        Ok(Answer::json(200, &body).about(about))
    }
}

fn unavailable(call_sid: Option<&str>, cause: DatabaseError) -> Problem {
    Problem::StoreUnavailable {
        call_sid: call_sid.map(str::to_owned),
        cause,
    }
}

fn next(last: &Call) -> String {
    cursor::encode(&Position {
        call_start_time: last.call_start_time.as_stored().to_owned(),
        id: last.id,
    })
}

fn parse(text: &str) -> Result<(CallFilter, i64), Problem> {
    let mut query = Query::of(text);
    let read = self::query(&mut query);
    query.or(read).map_err(Problem::faulty_query)
}

/// The parameters of `GET /calls`: which calls, and how many.
pub(super) fn query(query: &mut impl TakesQuery) -> (CallFilter, i64) {
    let filter = CallFilter {
        status: query.status("status"),
        driver_id: query.driver_id("driver_id"),
        from: query.time("from", "Only calls that started then or later."),
        to: query.time("to", "Only calls that started before then."),
        after: query.cursor("cursor"),
    };
    (filter, query.number("limit", MAX_LIMIT, DEFAULT_LIMIT))
}

/// The turns for people, one line each. Line ends in a message are replaced, so that a message
/// cannot fake a line of another speaker. The JSON form has the exact words.
fn plain_text(transcription: &Transcription) -> String {
    let conversation = transcription
        .conversation_id
        .as_deref()
        .map_or_else(|| "none yet".to_owned(), one_line);
    let mut text = format!(
        "Call {}\nConversation {conversation}\n\n",
        transcription.call_sid
    );
    for turn in &transcription.turns {
        let speaker = turn.speaker.as_str();
        let message = one_line(&turn.message);
        let _ = writeln!(text, "[{}] {speaker}: {message}", turn.timestamp);
    }
    text
}
