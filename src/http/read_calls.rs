//! `GET /calls`, `GET /calls/{call_sid}`, `GET /calls/{call_sid}/transcription`.

use core::fmt::Write;

use serde::Serialize;

use super::accept::preferred;
use super::answer::About;
use super::problem::Problem;
use super::query::Query;
use super::{Answer, Incoming, Service, auth, cursor};
use crate::elevenlabs::Transport;
use crate::model::{Call, CallSid, Turn};
use crate::platform::Runtime;
use crate::platform::config::{self, Settings};
use crate::platform::printable::one_line;
use crate::store::reading::{CallFilter, Position, Transcription};
use crate::store::{Database, DatabaseError};

/// The most calls of one page.
pub const MAX_LIMIT: i64 = 200;
/// The calls of one page where the request does not say.
pub const DEFAULT_LIMIT: i64 = 50;

/// One page of calls.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct CallPage {
    /// Newest first.
    calls: Vec<Call>,
    /// The `cursor` of the next page; `null` on the last one.
    next_cursor: Option<String>,
}

/// What was said in a call.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct CallTranscription {
    call_sid: CallSid,
    /// ElevenLabs' name for the conversation, once known.
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
        // One more than asked tells whether there is a next page.
        let calls = self.store.list_calls(&filter, limit + 1).await;
        let mut calls = calls.map_err(|cause| unavailable(None, cause))?;
        let asked = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = calls.len() > asked;
        calls.truncate(asked);
        let next_cursor = calls.last().filter(|_| more).map(next);
        let accept = incoming.header("accept");
        let offered = ["application/json", "text/csv"];
        if preferred(accept.as_deref(), &offered) == Some("text/csv") {
            let answer = Answer::new(200, "text/csv; charset=utf-8; header=present", csv(&calls));
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

/// Reads the query: which calls, and how many.
pub(super) fn query(query: &mut Query<'_>) -> (CallFilter, i64) {
    let filter = CallFilter {
        status: query.status("status"),
        driver_id: query.driver_id("driver_id"),
        from: query.time("from", "Only calls that started then or later."),
        to: query.time("to", "Only calls that started before then."),
        after: query.cursor("cursor"),
    };
    (filter, query.number("limit", MAX_LIMIT, DEFAULT_LIMIT))
}

/// The calls as CSV (RFC 4180) with a heading line.
fn csv(calls: &[Call]) -> String {
    let mut csv = String::from(
        "id,call_sid,conversation_id,driver_id,status,failure_reason,call_start_time,\
         call_end_time,summary,created_at,updated_at,turn_count\r\n",
    );
    for call in calls {
        let text = |text: Option<&str>| cell(text.unwrap_or_default());
        // Writing to a String cannot fail.
        let _ = write!(
            csv,
            "{},{},{},{},{},{},{},{},{},{},{},{}\r\n",
            call.id,
            cell(call.call_sid.as_str()),
            text(call.conversation_id.as_deref()),
            call.driver_id.map(|id| id.to_string()).unwrap_or_default(),
            call.status.as_str(),
            text(call.failure_reason.as_deref()),
            cell(&call.call_start_time.to_string()),
            call.call_end_time
                .as_ref()
                .map(|time| cell(&time.to_string()))
                .unwrap_or_default(),
            text(call.summary.as_deref()),
            cell(&call.created_at.to_string()),
            cell(&call.updated_at.to_string()),
            call.turn_count,
        );
    }
    csv
}

/// A text as a CSV field. One that a spreadsheet would take for a formula gets an apostrophe in
/// front: what ElevenLabs or a driver said must not run on the reader's machine.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// The turns as people read them, a line each, whatever was said: nobody can say a line of somebody
/// else's. JSON has the exact words.
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

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_field_is_quoted_where_it_must_be_and_never_a_formula() {
        for (text, field) in [
            ("", ""),
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"\nnow", "\"say \"\"hi\"\"\nnow\""),
            ("=1+1", "'=1+1"),
            ("@cmd,x", "\"'@cmd,x\""),
            ("-5", "'-5"),
            ("\n=1", "\"'\n=1\""),
            ("\r=1", "\"'\r=1\""),
            ("\t=1", "'\t=1"),
            ("＝1", "'＝1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠SUM", "'＠SUM"),
        ] {
            assert_eq!(cell(text), field);
        }
    }
}
