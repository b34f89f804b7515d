//! A request, as the routes see it.

use core::future::Future;

use crate::ledger::place_calls::Caller;

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than the route takes.
    TooLarge,
    /// The sender broke off, with the runtime's words.
    Broken(String),
}

/// A request on its way in. Nothing is read before a route asks for it.
pub trait Incoming {
    /// The method, in capitals.
    fn method(&self) -> String;

    /// The path, still percent-encoded, without the query.
    fn path(&self) -> String;

    /// The query, still percent-encoded, without the question mark; empty when there is none.
    fn query(&self) -> String;

    /// The first value of a header; the name in lower case.
    fn header(&self, name: &str) -> Option<String>;

    /// Whether the sender still waits for the answer. It may change at every await.
    fn caller(&self) -> Caller {
        Caller::Unknown
    }

    /// The whole body, of at most `limit` bytes. A longer one is not read to its end.
    ///
    /// # Errors
    /// [`BodyError`] when it is longer, or did not arrive whole.
    fn body(&mut self, limit: usize) -> impl Future<Output = Result<Vec<u8>, BodyError>>;
}
