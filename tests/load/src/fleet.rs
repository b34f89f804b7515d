//! A fleet: it places calls, repeats requests, sends overlapping ones, loses its patience, watches what becomes of its
//! calls, and posts turns that ElevenLabs does not have.

use crate::chance::Chance;
use crate::client::{Again, Client, Reply};
use crate::metrics::{Ended, Route};
use crate::mix;
use crate::promised::{Answers, Note};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

const PLACE: &str = "/driver_data/call-elevenlabs";
const TURN: &str = "/webhooks/elevenlabs/transcription";

/// How long a fleet watches a call before it goes on with the next ones.
const WATCH: Duration = Duration::from_secs(10);

/// One fleet.
pub struct Fleet {
    number: u64,
    chance: Chance,
    client: Client,
    answers: Arc<Answers>,
    /// Requests so far; each has a time of its own.
    requests: u64,
    notes: JoinSet<()>,
}

/// A driver to be phoned.
#[derive(Clone)]
struct Driver {
    id: u64,
    number: String,
}

impl Fleet {
    pub fn new(number: u64, seed: u64, client: Client, answers: Arc<Answers>) -> Self {
        Self {
            number,
            chance: Chance::new(seed, number),
            client,
            answers,
            requests: 0,
            notes: JoinSet::new(),
        }
    }

    /// Places calls until then, one request after the other, so many a second at most.
    pub async fn work(mut self, until: Instant, calls_a_second: f64) {
        while Instant::now() < until {
            let began = Instant::now();
            let count = self.batch();
            let linked = self.place(count).await;
            for call_sid in &linked {
                if self.chance.percent(10) {
                    self.note(call_sid);
                }
            }
            if let Some(call_sid) = linked.first() {
                self.watch(call_sid, until).await;
            }
            let spread = 0.5 + self.chance.below(1000) as f64 / 1000.0;
            let pause = f64::from(u32::try_from(count).unwrap_or(1)) / calls_a_second * spread;
            let next = began + Duration::from_secs_f64(pause);
            sleep_until(next.min(until)).await;
        }
        while self.notes.join_next().await.is_some() {}
    }

    /// How many drivers a request names: mostly a few, sometimes as many as it may.
    fn batch(&mut self) -> usize {
        let most = if self.chance.percent(5) { 20 } else { 6 };
        usize::try_from(1 + self.chance.below(most)).unwrap_or(1)
    }

    /// Asks for calls to so many drivers in one of the ways clients do, until there is an answer. Returns the calls that
    /// have a conversation.
    async fn place(&mut self, count: usize) -> Vec<String> {
        self.requests += 1;
        let base = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_454);
        let fraction = if self.chance.percent(20) { 250 } else { 0 };
        let seconds = i64::try_from(self.requests).unwrap_or(0);
        let at = base + TimeDelta::milliseconds(seconds * 1000 + fraction);
        let first = self.number * 100_000 + self.requests * 20 % 1000;
        let drivers: Vec<_> = (first..)
            .take(count)
            .map(|id| Driver {
                id,
                number: mix::number(&mut self.chance),
            })
            .collect();
        for driver in &drivers {
            self.answers.asked(&call_sid(driver, at));
        }
        let body = placing(&drivers, at, "Z");
        match self.chance.below(100) {
            // The dispatcher clicks again.
            0..15 => {
                self.insist(&body, None).await;
                self.insist(&body, None).await
            }
            // Two systems of the fleet ask at the same moment for some of the same drivers, one in another time zone.
            15..35 => {
                let others = drivers.get(count / 2..).unwrap_or_default();
                let other = placing(others, at, "+02:00");
                let mut second = self.another();
                let (one, two) =
                    tokio::join!(self.insist(&body, None), second.insist(&other, None));
                if one.is_empty() { two } else { one }
            }
            // A client that hangs up soon, and asks again.
            35..45 => {
                let patience = 50 + self.chance.below(1000);
                self.insist(&body, Some(Duration::from_millis(patience)))
                    .await
            }
            _ => self.insist(&body, None).await,
        }
    }

    /// A second client of this fleet.
    fn another(&mut self) -> Self {
        Self {
            chance: Chance::new(self.chance.next(), self.number),
            client: self.client.clone(),
            answers: Arc::clone(&self.answers),
            notes: JoinSet::new(),
            ..*self
        }
    }

    /// Posts until there is an answer about the calls; impatient at the first attempt only.
    async fn insist(&mut self, body: &Value, mut patience: Option<Duration>) -> Vec<String> {
        let mut again = Again::new();
        loop {
            let posted = self.client.post(Route::Place, PLACE, body, patience.take());
            let linked = posted.await.ok().and_then(|reply| self.understood(&reply));
            match linked {
                Some(linked) => return linked,
                None if again.pause(&mut self.chance).await.is_none() => return Vec::new(),
                None => {}
            }
        }
    }

    fn understood(&self, reply: &Reply) -> Option<Vec<String>> {
        if (400..500).contains(&reply.status) {
            self.answers.saw(
                PLACE,
                format!(
                    "a good request was answered {}: {}",
                    reply.status, reply.text
                ),
            );
            return Some(Vec::new());
        }
        self.answers.placed(reply)
    }

    /// Looks at a call until it is over, or the fleet has other things to do.
    async fn watch(&mut self, call_sid: &str, until: Instant) {
        let path = format!("/calls/{call_sid}");
        let end = until.min(Instant::now() + WATCH);
        while Instant::now() < end {
            sleep(Duration::from_millis(700 + self.chance.below(600))).await;
            match self.client.get(Route::Call, &path).await {
                Ok(reply) if reply.status == 404 => {
                    let what = "was placed, and then is not found".to_owned();
                    return self.answers.saw(call_sid, what);
                }
                Ok(reply) if reply.text_at("/status") == Some("in_progress") => {}
                Ok(reply) if reply.status == 200 => return,
                _ => {}
            }
        }
    }

    /// Posts, beside everything else, a turn that ElevenLabs does not have, until it is answered. Sometimes twice at
    /// the same moment.
    fn note(&mut self, call_sid: &str) {
        let serial = self.chance.next();
        let speaker = if serial.is_multiple_of(2) {
            "agent"
        } else {
            "user"
        };
        let message = format!("Nota bene {serial:016x} – überhört 👂");
        let later = i64::try_from(self.chance.below(40_000)).unwrap_or(0);
        let time = Utc::now() + TimeDelta::milliseconds(later);
        let body = json!({
            "call_sid": call_sid, "speaker": speaker, "message": message, "timestamp": rfc3339(time),
        });
        let wait = Duration::from_millis(self.chance.below(8000));
        let twice = self.chance.percent(20);
        let (mut first, mut second) = (self.another(), self.another());
        let mut note = Note {
            call_sid: call_sid.to_owned(),
            speaker: if speaker == "user" { "driver" } else { speaker },
            message,
            ..Note::default()
        };
        let answers = Arc::clone(&self.answers);
        self.notes.spawn(async move {
            sleep(wait).await;
            if twice {
                let mut copy = Note::default();
                tokio::join!(
                    first.post_note(&body, &mut note),
                    second.post_note(&body, &mut copy)
                );
                note.accepted |= copy.accepted;
                note.unclear |= copy.unclear;
                note.created += copy.created;
                note.ids.append(&mut copy.ids);
            } else {
                first.post_note(&body, &mut note).await;
            }
            answers.noted(note);
        });
    }

    async fn post_note(&mut self, body: &Value, note: &mut Note) {
        let mut again = Again::new();
        loop {
            match self.client.post(Route::Turn, TURN, body, None).await {
                Ok(reply) if matches!(reply.status, 200 | 201) => {
                    note.accepted = true;
                    note.created += usize::from(reply.status == 201);
                    note.ids
                        .extend(reply.body.get("transcription_id").and_then(Value::as_i64));
                    return;
                }
                Ok(reply) if !Ended::Status(reply.status).is_passing() => return,
                _ => note.unclear = true,
            }
            if again.pause(&mut self.chance).await.is_none() {
                return;
            }
        }
    }
}

/// The name that the worker gives to a call.
fn call_sid(driver: &Driver, at: DateTime<Utc>) -> String {
    format!("EL_{}_{}", driver.id, rfc3339(at))
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The body of a request for calls, its time written in UTC or in another offset.
fn placing(drivers: &[Driver], at: DateTime<Utc>, offset: &str) -> Value {
    let time = if offset == "Z" {
        rfc3339(at)
    } else {
        rfc3339(at + TimeDelta::hours(2)).replace('Z', offset)
    };
    let driver = |driver: &Driver| {
        json!({
            "driverId": driver.id, "driverName": format!("Driver {}", driver.id), "phoneNumber": driver.number,
            "violations": [{ "type": "hours_of_service", "description": "Drove 12 h without a break" }],
        })
    };
    json!({ "timestamp": time, "drivers": drivers.iter().map(driver).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_offsets_name_the_same_moment() {
        let at = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::milliseconds(1_250);
        let driver = Driver {
            id: 7,
            number: "+15550100000".into(),
        };
        assert_eq!(call_sid(&driver, at), "EL_7_1970-01-01T00:00:01.250Z");
        let there = placing(std::slice::from_ref(&driver), at, "+02:00");
        assert_eq!(there["timestamp"], "1970-01-01T02:00:01.250+02:00");
    }
}
