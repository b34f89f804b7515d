//! Payloads of events in R2, on the server that has a bucket.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::events::{event, post_signed};
use crate::ledger::{Ledger, test_guarded};
use crate::reconciling::reconcile;

/// The size of each object in the local bucket by its key.
pub fn objects(ledger: &Ledger) -> Vec<(String, i64)> {
    let state = ledger.database.ancestors().nth(3).map(Path::to_owned);
    let folder: PathBuf = state.unwrap().join("r2/miniflare-R2BucketObject");
    let mut objects = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().path();
        let is_database = file.extension().is_some_and(|name| name == "sqlite");
        if !is_database || file.file_stem().is_some_and(|stem| stem == "metadata") {
            continue;
        }
        let connection = rusqlite::Connection::open(&file).unwrap();
        let mut query = connection
            .prepare("SELECT key, size FROM _mf_objects")
            .unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        objects.extend(rows.unwrap().map(Result::unwrap));
    }
    objects.sort();
    objects
}

/// The key under which an event of this conversation is to be.
fn key(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    format!(
        "events/{}/{}/{}",
        text(&event["data"]["conversation_id"]),
        text(&event["type"]),
        event["event_timestamp"]
    )
}

fn row(ledger: &Ledger, conversation_id: &str) -> Value {
    let sql = "SELECT outcome, payload IS NULL AS moved, payload_in_bucket FROM elevenlabs_events WHERE conversation_id = ?1";
    ledger.rows(sql, &[conversation_id]).remove(0)
}

fn kept_as(outcome: &str) -> Value {
    json!({ "outcome": outcome, "moved": 1, "payload_in_bucket": 1 })
}

#[test]
fn an_event_is_kept_in_the_bucket_byte_by_byte() {
    test_guarded(async |ledger, _| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let mut event = event(&conversation_id, Some(&call_sid));
        event["note"] = json!("é\u{1f69a}\0");
        assert_eq!(post_signed(ledger, &event).await.body["status"], "applied");
        assert_eq!(row(ledger, &conversation_id), kept_as("applied"));
        let size = i64::try_from(event.to_string().len()).unwrap();
        assert!(objects(ledger).contains(&(key(&event), size)));
        let again = post_signed(ledger, &event).await;
        assert_eq!(again.body["status"], "already_applied");
        assert_eq!(row(ledger, &conversation_id), kept_as("applied"));
    });
}

#[test]
fn a_waiting_event_of_four_megabytes_is_read_from_the_bucket() {
    test_guarded(async |ledger, _| {
        let conversation_id = format!("conv_large_{}", ledger.driver());
        let mut event = event(&conversation_id, None);
        event["note"] = json!("x".repeat(4_000_000));
        assert_eq!(post_signed(ledger, &event).await.body["status"], "kept");
        assert_eq!(row(ledger, &conversation_id), kept_as("kept"));
        // Its call appears, and is settled by the event without a question to ElevenLabs.
        let (call_sid, placeholder) = ledger.seed_call().await;
        let link = format!(
            "UPDATE calls SET conversation_id = '{conversation_id}' WHERE conversation_id = '{placeholder}'"
        );
        ledger.execute(&link).await;
        reconcile(ledger).await;
        assert_eq!(ledger.call(&call_sid).unwrap()["status"], "completed");
        assert_eq!(row(ledger, &conversation_id), kept_as("applied"));
        assert_eq!(ledger.turns(&conversation_id).len(), 2);
    });
}

#[test]
fn what_is_ignored_leaves_no_object() {
    test_guarded(async |ledger, _| {
        let (call_sid, _) = ledger.seed_call().await;
        let conversation_id = format!("conv_second_{}", ledger.driver());
        let second = event(&conversation_id, Some(&call_sid));
        let ignored = post_signed(ledger, &second).await;
        assert_eq!(ignored.body["status"], "ignored", "{}", ignored.text);
        let all = objects(ledger);
        assert!(
            !all.iter().any(|(name, _)| *name == key(&second)),
            "{all:?}"
        );
        assert_eq!(
            row(ledger, &conversation_id),
            json!({ "outcome": "ignored", "moved": 1, "payload_in_bucket": 0 })
        );
    });
}

#[test]
fn health_says_that_the_bucket_answers() {
    test_guarded(async |ledger, _| {
        let health = ledger.http.get("/health").await;
        assert_eq!(health.body["events_bucket"], "ok", "{}", health.text);
    });
    crate::ledger::test(async |ledger| {
        let health = ledger.http.get("/health").await;
        assert_eq!(health.body["events_bucket"], Value::Null);
    });
}
