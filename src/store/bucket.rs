//! The interface to the bucket: whole texts under keys.

use core::convert::Infallible;
use core::fmt;
use core::future::Future;

/// Why an operation of the bucket failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketError(String);

impl BucketError {
    /// An error with the bucket's own message. It goes into the log only.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for BucketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for BucketError {}

/// A bucket: Cloudflare R2 in the worker, a map in the tests.
///
/// Every operation is idempotent. It may have happened despite an error: the answer may be lost. A
/// successful write is visible to all later reads.
pub trait Bucket {
    /// Writes an object. Replaces the one with this key.
    ///
    /// # Errors
    /// [`BucketError`]. The object may be written nevertheless.
    fn put(&self, key: &str, text: &str) -> impl Future<Output = Result<(), BucketError>>;

    /// Reads an object; `None` if there is none.
    ///
    /// # Errors
    /// [`BucketError`] if the bucket did not answer.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<String>, BucketError>>;

    /// Deletes at most 1,000 objects. Keys without an object are no error.
    ///
    /// # Errors
    /// [`BucketError`]. Some or all may be deleted nevertheless.
    fn delete(&self, keys: &[String]) -> impl Future<Output = Result<(), BucketError>>;
}

/// The type of a bucket that is never bound.
impl Bucket for Infallible {
    async fn put(&self, _key: &str, _text: &str) -> Result<(), BucketError> {
        match *self {}
    }

    async fn get(&self, _key: &str) -> Result<Option<String>, BucketError> {
        match *self {}
    }

    async fn delete(&self, _keys: &[String]) -> Result<(), BucketError> {
        match *self {}
    }
}
