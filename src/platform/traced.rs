//! Log lines that can be joined: each has the id of its request or reconciler run.

use core::future::Future;
use std::rc::Rc;

use super::log::Line;
use super::{RandomUnavailable, Runtime};
use crate::model::UtcTime;

/// A runtime for one request or one reconciler run. It puts the id into every log line.
#[derive(Debug, Clone)]
pub struct Traced<R> {
    runtime: R,
    id: Id,
}

#[derive(Debug, Clone)]
enum Id {
    Request(Rc<str>),
    Run(Rc<str>),
}

impl<R: Runtime> Traced<R> {
    /// A runtime whose lines carry this `request_id`.
    pub fn request(runtime: R, id: &str) -> Self {
        let id = Id::Request(id.into());
        Self { runtime, id }
    }

    /// A runtime whose lines carry a new `run_id`.
    pub fn run(runtime: R) -> Self {
        let id = Id::Run(random_id(&runtime).into());
        Self { runtime, id }
    }
}

/// 128 random bits in hexadecimal. Zeros if the system gives no random numbers.
pub fn random_id(runtime: &impl Runtime) -> String {
    let bits = runtime.random().map_or(0, u128::from_be_bytes);
    format!("{bits:032x}")
}

impl<R: Runtime> Runtime for Traced<R> {
    fn now(&self) -> UtcTime {
        self.runtime.now()
    }

    fn random(&self) -> Result<[u8; 16], RandomUnavailable> {
        self.runtime.random()
    }

    fn sleep(&self, millis: u64) -> impl Future<Output = ()> {
        self.runtime.sleep(millis)
    }

    fn log(&self, line: &Line) {
        let mut line = line.clone();
        match &self.id {
            Id::Request(id) => line.request_id = Some(id.to_string()),
            Id::Run(id) => line.run_id = Some(id.to_string()),
        }
        self.runtime.log(&line);
    }
}
