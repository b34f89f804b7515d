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
use crate::ledger::record_turn::{RecordError, Recorded, record_turn};
use crate::model::{CallSid, NewTurn};
use crate::platform::Runtime;
use crate::platform::config::{self, Settings};
use crate::store::Database;

/// The longest body, in bytes.
pub const BODY_LIMIT: usize = 256 * 1024;

/// The longest name of a call or a conversation, in bytes; real ones are a quarter as long. Names
/// go into rows, log lines and addresses.
const LONGEST_NAME: usize = 200;

/// The answer to a turn that is in the ledger.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TurnSaved<'a> {
    #[schemars(extend("const" = "success"))]
    status: &'static str,
    /// The same for people.
    message: String,
    call_sid: &'a CallSid,
    /// The turn's number in the whole ledger: unique for ever, below 2^53. It never changes, and the
    /// number of a turn that is gone is not given again. Later turns may have smaller numbers.
    transcription_id: i64,
    /// The turn's place in its conversation.
    sequence_number: i64,
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    /// 1. Who may: everybody, unless `WEBHOOK_TOKEN` is set (401), and nobody while it is set but
    ///    unreadable (503).
    ///    Neither one address nor one call more often than its rate limit admits (429).
    /// 2. What came: a JSON object of at most 256 KiB whose fields are right (400, 413).
    /// 3. Stored under the next number (201), or found as stored before (200). A call that is
    ///    unknown or has no conversation is the sender's to mend (400).
    /// 4. A database that did not do it is not (500), so that the sender tries again.
    pub(super) async fn record_turn(
        &self,
        incoming: &mut impl Incoming,
    ) -> Result<Answer, Problem> {
        let token = config::webhook_token(&self.settings)?;
        let anybody = token.is_none();
        if let Some(token) = token {
            auth::require_bearer(incoming, &token)?;
        }
        if let Some(address) = incoming.header("cf-connecting-ip") {
            let key = rate_limit_key(&address);
            self.admit(config::TURN_LIMIT_BY_ADDRESS, &key).await?;
        }
        let turn = read(body::receive(incoming, BODY_LIMIT).await?)?;
        self.admit(config::TURN_LIMIT_BY_CALL, turn.call_sid.as_str())
            .await?;
        let recorded = record_turn(&self.store, &self.runtime, &turn, anybody).await;
        let call_sid = || turn.call_sid.to_string();
        let (status, saved) = match recorded {
            Ok(Recorded::New(saved)) => (201, saved),
            Ok(Recorded::Repeat(saved)) => (200, saved),
            Err(RecordError::UnknownCall) => return Err(Problem::UnknownCall(call_sid())),
            Err(RecordError::NotLinked) => return Err(Problem::ConversationNotLinked(call_sid())),
            Err(RecordError::OtherConversation | RecordError::ConversationTaken) => {
                return Err(Problem::OtherConversation(call_sid()));
            }
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

/// The call that a body names, whatever else is wrong with it.
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
        // An empty text is what a template leaves where it has nothing to fill in.
        conversation_id: conversation_id
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty()),
    })
}
