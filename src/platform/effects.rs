//! Effects as data: how the worker's Rust asks the JavaScript around it to do things.
//!
//! A future that needs the database, the network or a timer does not call JavaScript. It calls
//! [`Effects::ask`], which stores the effect as data, and waits. [`Task::step`] polls the future until
//! it waits, and returns all effects that it asked for as one JSON text. `src/entry.js` performs them
//! and passes each result to [`Task::answer`].
//!
//! There are two reasons:
//!
//! - Speed: a request crosses between WebAssembly and JavaScript a few times instead of about 80
//!   times. Those crossings are most of what WebAssembly costs here.
//! - Safety: a future is polled only when a result of its own request arrives. So it never runs in
//!   the context of another request, whose I/O the Workers runtime would refuse.

use core::cell::RefCell;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Wake;

use serde::Serialize;

/// The result of an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded with this text.
    Text(String),
    /// It succeeded with these bytes: the body of a request, or a long text in UTF-8.
    Bytes(Vec<u8>),
    /// It failed, with the runtime's message.
    Failed(String),
}

impl Outcome {
    /// The text.
    ///
    /// # Errors
    /// The runtime's message if the effect failed, or a message if the bytes are not UTF-8.
    pub fn text(self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Bytes(bytes) => String::from_utf8(bytes)
                .map_err(|_| "the runtime answered with bytes that are not UTF-8".to_owned()),
            Self::Failed(message) => Err(message),
        }
    }
}

/// An effect that a future waits for.
#[derive(Default)]
struct Slot {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Exchange {
    /// The id of the newest effect.
    newest: u32,
    /// Effects that were asked for since the last step, as the members of a JSON list.
    asked: String,
    /// Effects that futures wait for, by id.
    waiting: BTreeMap<u32, Slot>,
    hung_up: bool,
}

/// The effects of one task. A clone is for the same task.
#[derive(Clone, Default)]
pub struct Effects(Rc<RefCell<Exchange>>);

impl core::fmt::Debug for Effects {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Effects")
    }
}

impl Effects {
    /// Asks for an effect. It starts when the task's step ends; those of one step run concurrently.
    /// Dropping the returned future does not stop the effect.
    ///
    /// `kind` is the name of its function in `src/entry.js`; the payload is its argument.
    pub fn ask(&self, kind: &'static str, payload: &impl Serialize) -> Asked {
        let mut exchange = self.0.borrow_mut();
        exchange.newest += 1;
        let id = exchange.newest;
        // Payloads are lists of texts and numbers. Serialising those never fails.
        let effect = serde_json::to_string(&(id, kind, payload)).unwrap_or_default();
        if !exchange.asked.is_empty() {
            exchange.asked.push(',');
        }
        exchange.asked.push_str(&effect);
        exchange.waiting.insert(id, Slot::default());
        Asked {
            effects: self.clone(),
            id,
        }
    }

    /// Stores whether the sender of the task's request has hung up. Every result brings it.
    pub fn note_hang_up(&self, hung_up: bool) {
        self.0.borrow_mut().hung_up |= hung_up;
    }

    /// Whether the sender of the task's request had hung up when the newest result arrived.
    #[must_use]
    pub fn has_hung_up(&self) -> bool {
        self.0.borrow().hung_up
    }

    fn answer(&self, id: u32, outcome: Outcome) {
        let mut exchange = self.0.borrow_mut();
        // No future waits if it was dropped, for example after a timeout.
        if let Some(slot) = exchange.waiting.get_mut(&id) {
            slot.outcome = Some(outcome);
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }

    fn take_asked(&self) -> String {
        core::mem::take(&mut self.0.borrow_mut().asked)
    }
}

/// A future for the result of an effect.
#[derive(Debug)]
pub struct Asked {
    effects: Effects,
    id: u32,
}

impl Future for Asked {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut exchange = self.effects.0.borrow_mut();
        let slot = exchange.waiting.entry(self.id).or_default();
        match slot.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.effects.0.borrow_mut().waiting.remove(&self.id);
    }
}

/// Set when the future asks to be polled again.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The state of a task after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It waits. The new effects as JSON: `[id, kind, payload]`, separated by commas. Empty if it
    /// waits only for earlier effects.
    Waits(String),
    /// It is done, with its result.
    Done(String),
}

/// A future with its effects: one request, or one run of the cron.
pub struct Task {
    future: Pin<Box<dyn Future<Output = String>>>,
    effects: Effects,
    woken: Arc<Woken>,
}

impl core::fmt::Debug for Task {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Task")
    }
}

impl Task {
    /// A task that has not started. The future asks for its effects through `effects`.
    pub fn new(effects: Effects, future: impl Future<Output = String> + 'static) -> Self {
        Self {
            future: Box::pin(future),
            effects,
            woken: Arc::new(Woken(AtomicBool::new(false))),
        }
    }

    /// Passes in the result of an effect, and whether the sender of the request has hung up. The
    /// next [`Task::step`] uses it.
    pub fn answer(&self, id: u32, outcome: Outcome, hung_up: bool) {
        self.effects.note_hang_up(hung_up);
        self.effects.answer(id, outcome);
    }

    /// Runs the future until it waits for an effect or is done.
    pub fn step(&mut self) -> Step {
        let waker = Waker::from(self.woken.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            self.woken.0.store(false, Ordering::Relaxed);
            if let Poll::Ready(done) = self.future.as_mut().poll(&mut context) {
                return Step::Done(done);
            }
            // A group of futures may return early and ask to be polled again.
            if !self.woken.0.load(Ordering::Relaxed) {
                return Step::Waits(self.effects.take_asked());
            }
        }
    }
}

/// The tasks that have started and are not done, by number.
#[derive(Debug, Default)]
pub struct Tasks {
    newest: u32,
    tasks: BTreeMap<u32, (i64, Task)>,
}

/// With this many tasks, [`Tasks::reserve`] removes abandoned ones.
const MANY: usize = 64;
/// Age of a task that counts as abandoned, in milliseconds: 1 hour. A cron run has 15 minutes, and no
/// request takes an hour.
const ABANDONED_AFTER_MS: i64 = 3_600_000;

impl Tasks {
    /// Returns the number of a task that starts at this time, in milliseconds.
    ///
    /// The runtime can end a request without notice. Its effects then never have a result. This
    /// removes such tasks, so that they do not fill the memory.
    pub fn reserve(&mut self, now_ms: i64) -> u32 {
        if self.tasks.len() >= MANY {
            self.tasks
                .retain(|_, (begun, _)| now_ms.saturating_sub(*begun) < ABANDONED_AFTER_MS);
        }
        // No two tasks have the same number at a time: it repeats after 2^32 requests.
        self.newest = self.newest.wrapping_add(1);
        self.newest
    }

    /// Takes a task out for a step, with the time at which it started. `None` when it is done or was
    /// abandoned.
    pub fn take(&mut self, number: u32) -> Option<(i64, Task)> {
        self.tasks.remove(&number)
    }

    /// Keeps a task that waits for effects.
    pub fn put(&mut self, number: u32, begun: i64, task: Task) {
        self.tasks.insert(number, (begun, task));
    }
}

#[cfg(test)]
#[path = "effects_tests.rs"]
mod tests;
