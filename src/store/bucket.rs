//! What the ledger needs of a bucket: texts under keys, read and written whole.

use core::convert::Infallible;
use core::fmt;
use core::future::Future;

/// Why the bucket did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketError(String);

impl BucketError {
    /// An error with the bucket's own message, for the log only.
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
/// Every operation is idempotent. After an error it may have happened nevertheless, because an
/// answer can be lost. What was written is read by everyone from the answer on.
pub trait Bucket {
    /// Writes an object, in place of one that has this key.
    ///
    /// # Errors
    /// [`BucketError`]; the object may be written nevertheless.
    fn put(&self, key: &str, text: &str) -> impl Future<Output = Result<(), BucketError>>;

    /// Reads an object; `None` if there is none.
    ///
    /// # Errors
    /// [`BucketError`] if the bucket does not tell.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<String>, BucketError>>;

    /// Deletes at most 1,000 objects. Keys without an object are no error.
    ///
    /// # Errors
    /// [`BucketError`]; some or all may be deleted nevertheless.
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
