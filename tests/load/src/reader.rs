//! Those who only read: lists page by page, single calls, transcriptions. What they see has to make sense at any moment.

use crate::chance::Chance;
use crate::client::{Client, Reply};
use crate::metrics::Route;
use crate::promised::Answers;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How many pages of a list are read in one go.
const PAGES: usize = 5;

/// Reads until then, so many requests a second at most.
pub async fn read(
    mut chance: Chance,
    client: Client,
    answers: Arc<Answers>,
    until: Instant,
    requests_a_second: f64,
) {
    let pause = Duration::from_secs_f64(1.0 / requests_a_second);
    let mut reader = Reader {
        client,
        answers,
        pause,
    };
    while Instant::now() < until {
        sleep(pause).await;
        let call = reader.answers.any_call(chance.next());
        match (chance.below(100), call) {
            (0..30, Some(call)) => reader.call(&call).await,
            (30..60, Some(call)) => reader.transcription(&call).await,
            (60..70, Some(call)) => reader.plain(&call).await,
            (70..75, _) => reader.table().await,
            (_, call) => reader.list(&mut chance, call, until).await,
        }
    }
}

struct Reader {
    client: Client,
    answers: Arc<Answers>,
    pause: Duration,
}

impl Reader {
    async fn call(&mut self, call_sid: &str) {
        let path = format!("/calls/{call_sid}");
        if let Ok(reply) = self.client.get(Route::Call, &path).await {
            self.expect_200(call_sid, &reply);
        }
    }

    async fn transcription(&mut self, call_sid: &str) {
        // The name may be percent-encoded.
        let path = format!("/calls/{}/transcription", call_sid.replace(':', "%3A"));
        let reply = self.client.get(Route::Transcription, &path).await;
        if let Ok(reply) = reply
            && self.expect_200(call_sid, &reply)
        {
            let numbers = reply.list_at("turns").iter().map(|turn| {
                let number = turn.get("sequence_number").and_then(Value::as_i64);
                number.unwrap_or(0)
            });
            let numbers: Vec<_> = numbers.collect();
            if !(1..).zip(&numbers).all(|(place, number)| place == *number) {
                let what = format!("sequence numbers were read as {numbers:?}");
                self.answers.saw(call_sid, what);
            }
        }
    }

    async fn plain(&mut self, call_sid: &str) {
        let path = format!("/calls/{call_sid}/transcription");
        let client = &self.client;
        let reply = client.get_as(Route::Transcription, &path, "text/plain");
        if let Ok(reply) = reply.await {
            self.expect_200(call_sid, &reply);
        }
    }

    async fn table(&mut self) {
        let client = &self.client;
        let reply = client.get_as(Route::List, "/calls?limit=100", "text/csv");
        if let Ok(reply) = reply.await {
            self.expect_200("/calls", &reply);
        }
    }

    /// Some pages of a list. Whoever pages sees no call twice, and none newer than the one before.
    async fn list(&mut self, chance: &mut Chance, call: Option<String>, until: Instant) {
        let driver = call.as_deref().and_then(|call| call.split('_').nth(1));
        let filter = match (chance.below(4), driver) {
            (0, _) => "&status=failed".to_owned(),
            (1, _) => "&status=completed&from=2026-01-01T00:00:00Z".to_owned(),
            (2, Some(driver)) => format!("&driver_id={driver}"),
            _ => String::new(),
        };
        let limit = 10 + chance.below(190);
        let mut seen = BTreeSet::new();
        let mut last: Option<String> = None;
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let path = format!("/calls?limit={limit}&cursor={cursor}{filter}");
            let Ok(reply) = self.client.get(Route::List, &path).await else {
                return;
            };
            if !self.expect_200(&path, &reply) {
                return;
            }
            for call in reply.list_at("calls") {
                let text = |name: &str| {
                    let text = call.get(name).and_then(Value::as_str);
                    text.unwrap_or_default().to_owned()
                };
                let (call_sid, began) = (text("call_sid"), text("call_start_time"));
                if last.as_ref().is_some_and(|last| *last < began) {
                    let what = "stands after an older call".to_owned();
                    self.answers.saw(&call_sid, what);
                }
                last = Some(began);
                if !seen.insert(call_sid.clone()) {
                    self.answers.saw(&call_sid, "stands twice in a list".into());
                }
            }
            match reply.text_at("/next_cursor") {
                Some(next) if Instant::now() < until => next.clone_into(&mut cursor),
                _ => return,
            }
            sleep(self.pause).await;
        }
    }

    /// Whether it is 200. What is asked for is there, so nothing but a failure of the server is an excuse.
    fn expect_200(&self, about: &str, reply: &Reply) -> bool {
        if reply.status != 200 && reply.status < 500 {
            let what = format!("reading was answered {}: {}", reply.status, reply.text);
            self.answers.saw(about, what);
        }
        reply.status == 200
    }
}
