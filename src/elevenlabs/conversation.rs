//! What ElevenLabs says of a conversation: the body of `GET /v1/convai/conversations/{id}`, which
//! is also the `data` of a `post_call_transcription` event.

use serde::Deserialize;

use super::lenient;
use crate::model::{Speaker, UtcTime};

/// Where a conversation stands, in ElevenLabs' words `initiated`, `in-progress`, `processing`,
/// `done` and `failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not over, or not yet processed.
    Running,
    /// Over.
    Done,
    /// Over, and ElevenLabs counts it as failed.
    Failed,
}

/// One turn of ElevenLabs' own transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedTurn {
    /// Who spoke.
    pub speaker: Speaker,
    /// What was said; where the agent was interrupted, as far as it came. U+0000 is U+FFFD here.
    pub message: String,
    /// What the agent was about to say when it was interrupted.
    pub original_message: Option<String>,
    /// Whether the agent was interrupted.
    pub interrupted: bool,
    /// When it was said, from the conversation's start.
    pub offset_ms: i64,
}

/// ElevenLabs' word about one conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The conversation.
    pub conversation_id: String,
    /// Where it stands.
    pub progress: Progress,
    /// The call it belongs to, by the dynamic variable `call_sid` or the `user_id` that placing
    /// the call sent.
    pub call_sid: Option<String>,
    /// When it began.
    pub started_at: Option<UtcTime>,
    /// When it was over.
    pub ended_at: Option<UtcTime>,
    /// Why nobody was reached, or why it broke off.
    pub failure_reason: Option<String>,
    /// ElevenLabs' summary.
    pub summary: Option<String>,
    /// Twilio's or the SIP trunk's name for the phone call.
    pub telephony_call_sid: Option<String>,
    /// The transcript, entries without text left out; `None` where ElevenLabs sent none.
    pub transcript: Option<Vec<ReportedTurn>>,
}

impl Report {
    /// Reads the JSON text of a conversation; `None` when it is none at all.
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        serde_json::from_str::<Conversation>(json).ok()?.report()
    }

    /// Whether the conversation is over, so that its call can be settled.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self.progress, Progress::Running)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Conversation {
    #[serde(deserialize_with = "lenient::optional")]
    conversation_id: Option<String>,
    #[serde(deserialize_with = "lenient::optional")]
    status: Option<String>,
    #[serde(deserialize_with = "lenient::optional")]
    user_id: Option<String>,
    #[serde(deserialize_with = "lenient::list")]
    transcript: Option<Vec<Entry>>,
    #[serde(deserialize_with = "lenient::optional")]
    metadata: Option<Metadata>,
    #[serde(deserialize_with = "lenient::optional")]
    analysis: Option<Analysis>,
    #[serde(deserialize_with = "lenient::optional")]
    conversation_initiation_client_data: Option<ClientData>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    #[serde(deserialize_with = "lenient::optional")]
    role: Option<String>,
    #[serde(deserialize_with = "lenient::optional")]
    message: Option<String>,
    #[serde(deserialize_with = "lenient::optional")]
    original_message: Option<String>,
    #[serde(deserialize_with = "lenient::optional")]
    interrupted: Option<bool>,
    #[serde(deserialize_with = "lenient::number")]
    time_in_call_secs: Option<f64>,
    #[serde(deserialize_with = "lenient::list")]
    tool_results: Option<Vec<ToolResult>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ToolResult {
    #[serde(deserialize_with = "lenient::optional")]
    result: Option<SystemResult>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SystemResult {
    #[serde(deserialize_with = "lenient::optional")]
    result_type: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "lenient::number")]
    start_time_unix_secs: Option<f64>,
    #[serde(deserialize_with = "lenient::number")]
    accepted_time_unix_secs: Option<f64>,
    #[serde(deserialize_with = "lenient::number")]
    call_duration_secs: Option<f64>,
    #[serde(deserialize_with = "lenient::optional")]
    termination_reason: Option<String>,
    #[serde(deserialize_with = "lenient::optional")]
    error: Option<Failure>,
    #[serde(deserialize_with = "lenient::optional")]
    call_result: Option<String>,
    #[serde(deserialize_with = "lenient::optional")]
    phone_call: Option<PhoneCall>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Failure {
    #[serde(deserialize_with = "lenient::optional")]
    reason: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PhoneCall {
    #[serde(deserialize_with = "lenient::optional")]
    call_sid: Option<String>,
    #[serde(deserialize_with = "lenient::optional")]
    call_result: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Analysis {
    #[serde(deserialize_with = "lenient::optional")]
    transcript_summary: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ClientData {
    #[serde(deserialize_with = "lenient::optional")]
    user_id: Option<String>,
    #[serde(deserialize_with = "lenient::optional")]
    dynamic_variables: Option<Variables>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Variables {
    #[serde(deserialize_with = "lenient::optional")]
    call_sid: Option<String>,
}

impl Conversation {
    fn report(self) -> Option<Report> {
        let conversation_id = self.conversation_id.filter(|id| !id.is_empty())?;
        let metadata = self.metadata.unwrap_or_default();
        let client = self.conversation_initiation_client_data.unwrap_or_default();
        let call_sid = client
            .dynamic_variables
            .and_then(|variables| variables.call_sid)
            .or(client.user_id)
            .or(self.user_id);
        let progress = match self.status.as_deref() {
            Some("done") => Progress::Done,
            Some("failed") => Progress::Failed,
            _ => Progress::Running,
        };
        let started = metadata.start_time_unix_secs.and_then(unix_time);
        let duration = metadata.call_duration_secs.map(millis);
        let voicemail = self.transcript.iter().flatten().any(Entry::met_voicemail);
        let transcript: Option<Vec<ReportedTurn>> = self
            .transcript
            .map(|entries| entries.into_iter().filter_map(Entry::turn).collect());
        let failure_reason = failure(progress, voicemail, &metadata, transcript.as_deref());
        Some(Report {
            conversation_id,
            progress,
            call_sid: call_sid.filter(|call_sid| !call_sid.is_empty()),
            started_at: started,
            ended_at: started
                .zip(duration)
                .map(|(started, duration)| started.plus_millis(duration)),
            failure_reason,
            summary: self
                .analysis
                .and_then(|analysis| analysis.transcript_summary)
                .filter(|summary| !summary.trim().is_empty()),
            telephony_call_sid: metadata.phone_call.and_then(|call| call.call_sid),
            transcript,
        })
    }
}

/// Why the driver was not reached; `None` where the conversation took place.
///
/// ElevenLabs' `status` alone does not tell: a call that nobody answered can be `done` with no
/// duration, and one that a voicemail answered is `done` too.
fn failure(
    progress: Progress,
    voicemail: bool,
    metadata: &Metadata,
    transcript: Option<&[ReportedTurn]>,
) -> Option<String> {
    if progress == Progress::Running {
        return None;
    }
    let result = metadata.call_result.as_deref().or_else(|| {
        let call = metadata.phone_call.as_ref()?;
        call.call_result.as_deref()
    });
    let silent = transcript.is_some_and(<[_]>::is_empty)
        && metadata.call_duration_secs == Some(0.0)
        && metadata.accepted_time_unix_secs.is_none();
    match (result, progress) {
        (Some("voicemail"), _) => Some("voicemail".to_owned()),
        (Some("busy"), _) => Some("busy".to_owned()),
        (Some("no_answer" | "no-answer"), _) => Some("no-answer".to_owned()),
        _ if voicemail => Some("voicemail".to_owned()),
        (Some("failed"), _) | (_, Progress::Failed) => {
            let words = |text: &Option<String>| {
                let text = text.as_deref().map(str::trim);
                text.filter(|text| !text.is_empty()).map(str::to_owned)
            };
            let said = metadata
                .error
                .as_ref()
                .and_then(|error| words(&error.reason))
                .or_else(|| words(&metadata.termination_reason));
            Some(said.unwrap_or_else(|| "unknown".to_owned()))
        }
        _ if silent => Some("no-answer".to_owned()),
        _ => None,
    }
}

impl Entry {
    fn met_voicemail(&self) -> bool {
        let results = self.tool_results.iter().flatten();
        let mut types = results.filter_map(|result| result.result.as_ref()?.result_type.as_deref());
        types.any(|kind| kind == "voicemail_detection_success")
    }

    fn turn(self) -> Option<ReportedTurn> {
        // SQLite's JSON functions, by which a transcript is written, end a text at U+0000.
        let storable = |text: String| text.replace('\0', "\u{fffd}");
        let message = self.message.filter(|message| !message.trim().is_empty())?;
        let message = storable(message);
        let original_message = self.original_message.map(storable);
        Some(ReportedTurn {
            speaker: Speaker::from_elevenlabs(self.role.as_deref()?)?,
            original_message: original_message.filter(|original| *original != message),
            message,
            interrupted: self.interrupted.unwrap_or(false),
            offset_ms: self.time_in_call_secs.map_or(0, millis).max(0),
        })
    }
}

fn unix_time(seconds: f64) -> Option<UtcTime> {
    UtcTime::from_millis(millis(seconds))
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
