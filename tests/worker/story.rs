//! What the stand-in plays on the phone, beside what the ledger has of it.

use elevenlabs_simulator::{Delivery, DeliveryKind, Speaker, Turn};
use serde_json::{Value, json};

use crate::http::{Reply, sid};
use crate::ledger::{Ledger, until};

/// A placed call.
pub struct Story {
    pub driver: i64,
    pub call_sid: String,
    pub conversation_id: String,
    /// What placing it was answered.
    pub placed: Reply,
}

/// One turn: its number, who spoke, and the words.
pub type Line = (i64, String, String);

impl Story {
    /// Places a call to this number. However it is answered, the phone rings.
    pub async fn begin(ledger: &Ledger, number: &str) -> Self {
        let driver = ledger.driver();
        let placed = ledger.http.place(&[(driver, number)]).await;
        let call_sid = sid(driver);
        let dials = ledger.dials(&call_sid);
        assert_eq!(dials.len(), 1, "{number}");
        let conversation_id = dials[0].conversation_id.clone();
        Self {
            driver,
            call_sid,
            conversation_id: conversation_id
                .unwrap_or_else(|| panic!("{number} places no call: {:?}", dials[0])),
            placed,
        }
    }

    /// What is said, by ElevenLabs' own transcript.
    pub fn said(&self, ledger: &Ledger) -> Vec<Turn> {
        ledger
            .simulator
            .conversation(&self.conversation_id)
            .unwrap()
    }

    /// ElevenLabs' own transcript.
    pub fn transcript(&self, ledger: &Ledger) -> Vec<Line> {
        let said = self.said(ledger);
        let lines = said.iter().zip(1..).map(|(turn, number)| {
            let speaker = match turn.speaker {
                Speaker::Agent => "agent",
                Speaker::User => "driver",
            };
            (number, speaker.to_owned(), turn.transcript_message.clone())
        });
        lines.collect()
    }

    /// The transcription as it is read.
    pub async fn read(&self, ledger: &Ledger) -> Vec<Line> {
        let path = format!("/calls/{}/transcription", self.call_sid);
        let reply = ledger.http.get(&path).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.body["conversation_id"], self.conversation_id);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let turns = reply.body["turns"].as_array().unwrap().iter().map(|turn| {
            let number = turn["sequence_number"].as_i64().unwrap();
            (number, text(&turn["speaker"]), text(&turn["message"]))
        });
        turns.collect()
    }

    /// The attempts to deliver an event, once there are so many.
    pub async fn events(&self, ledger: &Ledger, count: usize) -> Vec<Delivery> {
        let delivered = || {
            let mut deliveries = ledger.simulator.deliveries();
            deliveries.retain(|delivery| {
                delivery.kind != DeliveryKind::Turn
                    && delivery.conversation_id == self.conversation_id
            });
            (deliveries.len() >= count).then_some(deliveries)
        };
        until("the events", delivered).await
    }

    /// Waits until every turn was posted, and answered, so many times.
    pub async fn posted(&self, ledger: &Ledger, times: usize) -> Vec<Turn> {
        let posted = || {
            let turns = self.said(ledger);
            let all = turns.iter().all(|turn| turn.answers.len() >= times);
            all.then_some(turns)
        };
        until("all turns posted", posted).await
    }

    /// The call's row.
    pub fn row(&self, ledger: &Ledger) -> Value {
        ledger.call(&self.call_sid).unwrap()
    }

    /// Asserts that the call ends like this, and that its transcription is ElevenLabs' own.
    pub async fn assert_settled(&self, ledger: &Ledger, status: &str, reason: Option<&str>) {
        // An event that meets the answer of its own dial is applied by whichever of the two is later.
        let settled = || {
            let row = self.row(ledger);
            let ends = row["status"] == status && row["failure_reason"] == json!(reason);
            ends.then_some(row)
        };
        let sought = format!("{status} {reason:?} of {}", self.row(ledger));
        let row = until(&sought, settled).await;
        assert_eq!(row["conversation_id"], self.conversation_id, "{row}");
        assert!(
            row["call_end_time"].as_str() >= row["call_start_time"].as_str().map(to_the_second),
            "{row}"
        );
        assert_eq!(self.read(ledger).await, self.transcript(ledger));
    }
}

/// ElevenLabs tells times in whole seconds.
fn to_the_second(time: &str) -> &str {
    &time[..19]
}
