//! The worker's bucket: Cloudflare R2, through the effects `put`, `get` and `delete` of
//! `src/effects.js`. Each has a timeout of five seconds.

use super::bucket::{Bucket, BucketError};
use crate::platform::effects::Effects;

/// R2 behind the binding `EVENTS`.
#[derive(Debug, Clone)]
pub struct R2 {
    effects: Effects,
}

impl R2 {
    /// The bucket, for the task of these effects.
    #[must_use]
    pub const fn new(effects: Effects) -> Self {
        Self { effects }
    }
}

impl Bucket for R2 {
    async fn put(&self, key: &str, text: &str) -> Result<(), BucketError> {
        let answer = self.effects.ask("put", &(key, text)).await.text();
        answer.map(drop).map_err(BucketError::new)
    }

    async fn get(&self, key: &str) -> Result<Option<String>, BucketError> {
        let answer = self.effects.ask("get", &key).await.text();
        let answer = answer.map_err(BucketError::new)?;
        Ok(answer.strip_prefix('=').map(str::to_owned))
    }

    async fn delete(&self, keys: &[String]) -> Result<(), BucketError> {
        let answer = self.effects.ask("delete", &keys).await.text();
        answer.map(drop).map_err(BucketError::new)
    }
}
