//! Payloads of events: in the bucket if one is bound, else in their rows.
//!
//! **Invariant:** a row that names an object (`payload_in_bucket` is 1) is written after the object,
//! and names it until the object is deleted. So no payload is lost, wherever the worker stops.
//!
//! Some objects stay without a row that names them: the row was never written and ElevenLabs did not
//! deliver the event again, or a second delivery raced with the deletion. A lifecycle rule of the
//! bucket removes them (docs/deploying.md).

use super::bucket::{Bucket, BucketError};
use super::{Database, DatabaseError, FromRow, MAX_TRIES, Row, Statement, Store};
use crate::model::UtcTime;
use crate::platform::Runtime;
use crate::platform::log::{Level, Line};

/// Maximum length of a payload in a row, in bytes. D1 takes 2 MB.
pub(super) const LONGEST_IN_ROW: usize = 1_900_000;
/// Maximum length of a payload in an object, in bytes. An instance has 128 MB, and a payload is in
/// memory four times on its way into the bucket: as the body, as the text of an effect, and twice in
/// JavaScript.
const LONGEST_OBJECT: usize = 4 * 1024 * 1024;
/// Maximum length of an object's key, in bytes. R2's limit.
const LONGEST_KEY: usize = 1024;

/// No retry begins after this time, in milliseconds: ElevenLabs waits for an answer.
const PATIENCE_MS: i64 = 5_000;

/// Where a payload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// In the event's row.
    Row(String),
    /// In the bucket, under this key.
    Object(String),
    /// It was too large for a row, or was cleared.
    Nowhere,
}

/// The result of deleting the objects of events whose texts are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Objects {
    /// All are deleted.
    Deleted,
    /// The bucket failed. The next run deletes them.
    Left,
    /// No bucket is bound, so they cannot be deleted.
    OutOfReach,
}

/// The columns of [`Payload`], and those of the object's key.
pub(super) const COLUMNS: &str =
    "payload, payload_in_bucket, conversation_id, type, event_timestamp";

impl FromRow for Payload {
    /// Reads [`COLUMNS`].
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(if row.integer("payload_in_bucket")? == 1 {
            Self::Object(key(
                &row.text("conversation_id")?,
                &row.text("type")?,
                row.integer("event_timestamp")?,
            ))
        } else {
            let text = row.optional_text("payload")?;
            text.map_or(Self::Nowhere, Self::Row)
        })
    }
}

/// The key of an event's payload: the conversation, type and time that are unique in the table. Only
/// types without a slash are kept, so no two events have the same key.
pub(super) fn key(conversation_id: &str, kind: &str, timestamp: i64) -> String {
    format!("events/{conversation_id}/{kind}/{timestamp}")
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// Whether a bucket is bound and this payload is small enough for it.
    pub(super) fn takes_payload(&self, key: &str, text: &str) -> bool {
        self.database.bucket().is_some() && key.len() <= LONGEST_KEY && text.len() <= LONGEST_OBJECT
    }

    /// Writes a payload into the bucket. Returns false if the bucket failed.
    pub(super) async fn put_payload(&self, key: &str, text: &str) -> bool {
        let put = self.ask_bucket("put", key, async |bucket| bucket.put(key, text).await);
        put.await.is_ok()
    }

    /// Reads an event's payload. `None` if the event has none, its object is gone, or no bucket is
    /// bound: then only ElevenLabs knows the text. If the object is gone, the row's name of it is
    /// removed.
    ///
    /// # Errors
    /// [`BucketError`] if the bucket did not answer. A later read may succeed.
    pub async fn read_payload(
        &self,
        event_id: i64,
        payload: Payload,
    ) -> Result<Option<String>, BucketError> {
        let key = match payload {
            Payload::Row(text) => return Ok(Some(text)),
            Payload::Nowhere => return Ok(None),
            Payload::Object(_) if self.database.bucket().is_none() => return Ok(None),
            Payload::Object(key) => key,
        };
        let get = self.ask_bucket("get", &key, async |bucket| bucket.get(&key).await);
        let text = get.await?;
        if text.is_none() {
            // If this fails, the next read does it.
            let _ = self.forget_object(event_id).await;
        }
        Ok(text)
    }

    /// Deletes the object of an event with a final outcome, and then its name in the row. If that
    /// fails, the row still names the object, and [`Store::clear_texts`] deletes it later.
    pub(super) async fn drop_payload(&self, event_id: i64, payload: Payload) {
        if let Payload::Object(key) = payload
            && self.delete_objects(&[key]).await.is_ok()
        {
            // If this fails, the object is deleted a second time.
            let _ = self.forget_object(event_id).await;
        }
    }

    /// Removes the name of an event's object from the row.
    async fn forget_object(&self, event_id: i64) -> Result<(), DatabaseError> {
        let update = "UPDATE elevenlabs_events SET payload_in_bucket = 0 WHERE id = ?1";
        let statement = Statement::new(update).bind(event_id);
        self.run_one("forget_object", statement).await?;
        Ok(())
    }

    /// Deletes the objects of the events after `from_id` up to `to_id` that are older than `before`.
    /// The range has at most 1,000 events.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries. Then nothing is deleted.
    pub(super) async fn clear_objects(
        &self,
        from_id: i64,
        to_id: i64,
        before: UtcTime,
    ) -> Result<Objects, DatabaseError> {
        let select = Statement::new(format!(
            "SELECT {COLUMNS} FROM elevenlabs_events WHERE id > ?1 AND id <= ?2 \
               AND payload_in_bucket = 1 AND datetime(received_at) < datetime(?3)"
        ));
        let select = select.bind(from_id).bind(to_id).bind(before);
        let named: Vec<Payload> = self.run_one("clear_objects", select).await?.rows()?;
        let keys = named.into_iter().filter_map(|payload| match payload {
            Payload::Object(key) => Some(key),
            Payload::Row(_) | Payload::Nowhere => None,
        });
        let keys: Vec<String> = keys.collect();
        Ok(if self.database.bucket().is_some() {
            match self.delete_objects(&keys).await {
                Ok(()) => Objects::Deleted,
                Err(_) => Objects::Left,
            }
        } else {
            if !keys.is_empty() {
                self.runtime.log(&Line {
                    level: Level::Error,
                    operation: Some("delete"),
                    cause: Some("no bucket is bound".to_owned()),
                    count: u64::try_from(keys.len()).ok(),
                    ..Line::new("bucket_failed")
                });
            }
            Objects::OutOfReach
        })
    }

    /// Deletes at most 1,000 objects.
    ///
    /// # Errors
    /// [`BucketError`] if the bucket did not answer, or none is bound.
    pub(super) async fn delete_objects(&self, keys: &[String]) -> Result<(), BucketError> {
        let Some(first) = keys.first() else {
            return Ok(());
        };
        self.ask_bucket("delete", first, async |bucket| bucket.delete(keys).await)
            .await
    }

    /// Whether the bucket answers. `None` if none is bound.
    pub async fn bucket_answers(&self) -> Option<bool> {
        self.database.bucket()?;
        // There is no such object. Any answer shows that the bucket works.
        let get = self.ask_bucket("get", "health", async |bucket| bucket.get("health").await);
        Some(get.await.is_ok())
    }

    /// Asks the bucket, with at most [`MAX_TRIES`] tries. Retries every error, because every operation
    /// is idempotent. Logs the last error.
    async fn ask_bucket<T>(
        &self,
        operation: &'static str,
        key: &str,
        ask: impl AsyncFn(&D::Bucket) -> Result<T, BucketError>,
    ) -> Result<T, BucketError> {
        let started = self.runtime.now();
        let mut tries = 1;
        loop {
            let answer = match self.database.bucket() {
                Some(bucket) => {
                    self.count_bucket_request();
                    ask(bucket).await
                }
                None => return Err(BucketError::new("no bucket is bound")),
            };
            let waited = self.runtime.now().as_millis() - started.as_millis();
            match answer {
                Err(_) if tries < MAX_TRIES && waited < PATIENCE_MS => {
                    self.pause_before_retry(tries).await;
                    tries += 1;
                }
                Err(error) => {
                    self.runtime.log(&Line {
                        level: Level::Error,
                        operation: Some(operation),
                        cause: Some(format!("{key}: {error}")),
                        ..Line::new("bucket_failed")
                    });
                    return Err(error);
                }
                Ok(answer) => return Ok(answer),
            }
        }
    }
}
