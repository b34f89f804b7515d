//! ElevenLabs' report on a conversation: the body of `GET /v1/convai/conversations/{id}`, and the `data`
//! of a `post_call_transcription` event.

use super::lenient::{self, Object};
use crate::model::{Speaker, UtcTime, reason};

/// The state of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// `initiated`, `in-progress` or `processing`: not over, or not processed yet.
    Running,
    /// `done`: over.
    Done,
    /// `failed`: over, and ElevenLabs counts it as failed.
    Failed,
}

/// One turn of ElevenLabs' own transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedTurn {
    /// Who spoke.
    pub speaker: Speaker,
    /// The text. If the agent was interrupted, its beginning. U+0000 is replaced by U+FFFD.
    pub message: String,
    /// The agent's full text, if it was interrupted.
    pub original_message: Option<String>,
    /// Whether the agent was interrupted.
    pub interrupted: bool,
    /// Milliseconds since the start of the conversation.
    pub offset_ms: i64,
}

/// ElevenLabs' report on one conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The conversation.
    pub conversation_id: String,
    /// Settling needs a final one.
    pub progress: Progress,
    /// The dynamic variable `call_sid`, or the `user_id`, that placing the call sent.
    pub call_sid: Option<String>,
    /// When it began.
    pub started_at: Option<UtcTime>,
    /// When it was over.
    pub ended_at: Option<UtcTime>,
    /// Why the driver was not reached, or why the conversation broke off.
    pub failure_reason: Option<String>,
    /// ElevenLabs' summary. U+0000 is U+FFFD here.
    pub summary: Option<String>,
    /// Twilio's or the SIP trunk's name for the phone call.
    pub telephony_call_sid: Option<String>,
    /// The transcript without entries that have no text. `None` if ElevenLabs sent none.
    pub transcript: Option<Vec<ReportedTurn>>,
}

impl Report {
    /// Reads the JSON text of a conversation. `None` if it is no JSON object with a conversation id.
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        report(Object::of(&lenient::read(json)?)?, Progress::Running)
    }

    /// Whether the conversation is over, so that its call can be settled.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self.progress, Progress::Running)
    }
}

/// Reads a conversation. `None` without a conversation id. `unsaid` is its progress if its `status` is
/// missing or unknown.
pub(super) fn report(conversation: Object<'_>, unsaid: Progress) -> Option<Report> {
    let metadata = conversation.object("metadata");
    let client = conversation.object("conversation_initiation_client_data");
    let call_sid = client
        .object("dynamic_variables")
        .text("call_sid")
        .or_else(|| client.text("user_id"))
        .or_else(|| conversation.text("user_id"))
        .map(str::to_owned);
    let progress = match conversation.text("status") {
        Some("done") => Progress::Done,
        Some("failed") => Progress::Failed,
        Some("initiated" | "in-progress" | "processing") => Progress::Running,
        _ => unsaid,
    };
    let started_at = metadata.number("start_time_unix_secs").map(millis);
    let started_at = started_at.and_then(UtcTime::from_millis);
    let duration = metadata.number("call_duration_secs").map(millis);
    let entries = conversation.objects("transcript");
    let voicemail = entries.iter().flatten().copied().any(met_voicemail);
    let transcript: Option<Vec<ReportedTurn>> =
        entries.map(|entries| entries.into_iter().filter_map(turn).collect());
    let failure_reason = failure(progress, voicemail, metadata, transcript.as_deref());
    Some(Report {
        conversation_id: conversation.text("conversation_id")?.to_owned(),
        progress,
        call_sid,
        started_at,
        ended_at: started_at
            .zip(duration)
            .map(|(started, duration)| started.plus_millis(duration)),
        failure_reason,
        summary: conversation
            .object("analysis")
            .text("transcript_summary")
            .map(storable),
        telephony_call_sid: metadata
            .object("phone_call")
            .text("call_sid")
            .map(str::to_owned),
        transcript,
    })
}

/// Why the driver was not reached. `None` if the conversation took place.
///
/// ElevenLabs' `status` is not enough: an unanswered call can be `done` with a duration of 0, and a
/// call that a voicemail answered is `done`, too.
fn failure(
    progress: Progress,
    voicemail: bool,
    metadata: Object<'_>,
    transcript: Option<&[ReportedTurn]>,
) -> Option<String> {
    if progress == Progress::Running {
        return None;
    }
    let result = metadata
        .text("call_result")
        .or_else(|| metadata.object("phone_call").text("call_result"));
    let silent = transcript.is_some_and(<[_]>::is_empty)
        && metadata.number("call_duration_secs") == Some(0.0)
        && metadata.number("accepted_time_unix_secs").is_none();
    let code = match (result, progress) {
        (Some("voicemail"), _) => "voicemail",
        (Some("busy"), _) => "busy",
        (Some("no_answer" | "no-answer"), _) => "no-answer",
        _ if voicemail => "voicemail",
        (Some("failed"), _) | (_, Progress::Failed) => {
            let said = metadata.object("error").text("reason");
            let said = said.or_else(|| metadata.text("termination_reason"));
            return Some(reason::cut(said.unwrap_or("unknown")));
        }
        _ if silent => "no-answer",
        _ => return None,
    };
    Some(code.to_owned())
}

fn met_voicemail(entry: Object<'_>) -> bool {
    let results = entry.objects("tool_results").unwrap_or_default();
    results.iter().any(|result| {
        let kind = result.object("result").text("result_type");
        kind == Some("voicemail_detection_success")
    })
}

/// A text that can be stored. SQLite's JSON functions, by which a transcript is written, end a text
/// at U+0000, and SQLite cannot read an export that has one.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn turn(entry: Object<'_>) -> Option<ReportedTurn> {
    let message = storable(entry.text("message")?);
    let original_message = entry.text("original_message").map(storable);
    Some(ReportedTurn {
        speaker: Speaker::from_elevenlabs(entry.text("role")?)?,
        original_message: original_message.filter(|original| *original != message),
        message,
        interrupted: entry.flag("interrupted") == Some(true),
        offset_ms: entry.number("time_in_call_secs").map_or(0, millis).max(0),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast saturates, and a time out of range is refused afterwards"
)]
fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
