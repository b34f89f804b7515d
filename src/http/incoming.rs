//! The request, as the routes see it.

use core::future::Future;

use crate::ledger::place_calls::Caller;

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than the route's limit.
    TooLarge,
    /// The connection broke before the end; with the runtime's message.
    Broken(String),
}

/// A request. Nothing is read before a route asks for it.
pub trait Incoming {
    /// The method, in capitals.
    fn method(&self) -> String;

    /// The path, still percent-encoded, without the query.
    fn path(&self) -> String;

    /// The query, still percent-encoded, without the question mark; empty when there is none.
    fn query(&self) -> String;

    /// The first value of a header; the name in lower case.
    fn header(&self, name: &str) -> Option<String>;

    /// Whether the caller still waits for the answer. It may change at every await.
    fn caller(&self) -> Caller {
        Caller::Unknown
    }

    /// The whole body, at most `limit` bytes. Of a longer body the rest is not read.
    ///
    /// # Errors
    /// [`BodyError`] if it is longer, or the connection broke before its end.
    fn body(&mut self, limit: usize) -> impl Future<Output = Result<Vec<u8>, BodyError>>;
}
