//! `POST /webhooks/elevenlabs/transcription`: one spoken turn.

use schemars::JsonSchema;
use serde::Serialize;

use super::address::rate_limit_key;
use super::answer::About;
use super::problem::Problem;
use super::takes::Takes;
use super::{Answer, Incoming, Service, auth, body};
use crate::elevenlabs::Transport;
use crate::json::Json;
use crate::ledger::record_turn::{RecordError, Recorded, TurnSource, record_turn};
use crate::model::{CallSid, NewTurn};
use crate::platform::Runtime;
use crate::platform::config::{self, Settings};
use crate::store::Database;

/// Maximum length of the body, in bytes.
pub const BODY_LIMIT: usize = 256 * 1024;

/// Maximum length of a `call_sid` or `conversation_id`, in bytes. Real ones have about 50. They go
/// into rows, log lines and URLs.
const LONGEST_NAME: usize = 200;

/// The answer to a turn that is in the ledger.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TurnSaved<'a> {
    #[schemars(extend("const" = "success"))]
    status: &'static str,
    /// The result in words.
    message: String,
    call_sid: &'a CallSid,
    /// The turn's id: unique in the whole ledger, below 2^53. It never changes, and the id of a
    /// removed turn is never used again. A later turn may have a smaller id.
    transcription_id: i64,
    /// The turn's place in its conversation: 1, 2, 3 … Later evidence from ElevenLabs may renumber
    /// it.
    sequence_number: i64,
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    /// 1. Authenticate the sender if `WEBHOOK_TOKEN` is set: answer 401 if the token is missing or
    ///    wrong, 503 if the setting cannot be read. If it is not set, the route is open.
    /// 2. Apply the rate limit of the sender's address (429), before the body costs anything.
    /// 3. Read and check the body: a JSON object of at most 256 KiB (413, 400).
    /// 4. Apply the rate limit of the call (429). The call is known only from the body.
    /// 5. Record the turn. Answer 201 if it is new. Answer 200 with the first one's numbers if it
    ///    was stored before, so that a retry is safe.
    /// 6. If the sender named a call that is unknown or has no conversation, or the wrong
    ///    conversation, answer 400: the sender must correct the turn, or wait for the conversation.
    /// 7. If the database failed, answer 500 so that the sender retries.
    pub(super) async fn record_turn(
        &self,
        incoming: &mut impl Incoming,
    ) -> Result<Answer, Problem> {
        // 1. 503, 401.
        let token = config::webhook_token(&self.settings)?;
        let source = match token {
            None => TurnSource::Open,
            Some(token) => {
                auth::require_bearer(incoming, &token)?;
                TurnSource::Token
            }
        };
        // 2. 429.
        if let Some(address) = incoming.header("cf-connecting-ip") {
            let key = rate_limit_key(&address);
            self.admit(config::TURN_LIMIT_BY_ADDRESS, &key).await?;
        }
        // 3. 413, 400.
        let turn = read(body::receive(incoming, BODY_LIMIT).await?)?;
        // 4. 429.
        self.admit(config::TURN_LIMIT_BY_CALL, turn.call_sid.as_str())
            .await?;
        // 5. 201, 200.
        let recorded = record_turn(&self.store, &self.runtime, &turn, source).await;
        let call_sid = || turn.call_sid.to_string();
        let (status, saved) = match recorded {
            Ok(Recorded::New(saved)) => (201, saved),
            Ok(Recorded::Repeat(saved)) => (200, saved),
            // 6. 400.
            Err(RecordError::UnknownCall) => return Err(Problem::UnknownCall(call_sid())),
            Err(RecordError::NotLinked) => return Err(Problem::ConversationNotLinked(call_sid())),
            Err(RecordError::OtherConversation | RecordError::ConversationTaken) => {
                return Err(Problem::OtherConversation(call_sid()));
            }
            // 7. 500.
            Err(RecordError::Store(cause)) => {
                let call_sid = Some(call_sid());
                return Err(Problem::StoreUnavailable { call_sid, cause });
            }
        };
        let answer = TurnSaved {
            status: "success",
            message: format!("Transcription saved for call {}", turn.call_sid),
            call_sid: &turn.call_sid,
            transcription_id: saved.transcription_id,
            sequence_number: saved.sequence_number,
        };
        Ok(Answer::json(status, &answer).about(About {
            call_sid: Some(call_sid()),
            conversation_id: Some(saved.conversation_id),
            driver_id: saved.driver_id,
            code: None,
        }))
    }
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    async fn admit(&self, limit: &'static str, key: &str) -> Result<(), Problem> {
        if config::admits(&self.settings, limit, key).await? {
            Ok(())
        } else {
            Err(Problem::RateLimited)
        }
    }
}

fn read(mut body: Vec<u8>) -> Result<NewTurn, Problem> {
    let body = body::parse(&mut body)?;
    body::read(&body, turn).map_err(|problem| problem.about_call(named(&body)))
}

/// The `call_sid` of a body that may have other faults, for the answer and the log.
fn named<'a>(body: &'a Json<'a>) -> Option<&'a str> {
    let name = body.as_object()?.get("call_sid")?.as_text()?;
    (!name.trim().is_empty() && name.len() <= LONGEST_NAME).then_some(name)
}

/// The body of the request.
pub(super) fn turn(fields: &mut impl Takes) -> Option<NewTurn> {
    let call_sid = fields.required_words_within("call_sid", LONGEST_NAME);
    let speaker = fields.required_speaker("speaker");
    let message = fields.required_words("message");
    let timestamp = fields.required_time("timestamp");
    let conversation_id = fields.text_within("conversation_id", LONGEST_NAME);
    Some(NewTurn {
        call_sid: CallSid::from_text(call_sid?),
        speaker: speaker?,
        message: message?,
        timestamp: timestamp?,
        // A template of ElevenLabs leaves an empty text if it has no conversation id.
        conversation_id: conversation_id
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty()),
    })
}
