//! Effects as data: how the worker's Rust asks the JavaScript around it to do things.
//!
//! A future that needs the database, the network or a timer does not call JavaScript. It calls
//! [`Effects::ask`], which notes the effect as data and waits. [`Task::step`] polls the future
//! until it waits, and returns all effects that it asked for as one JSON text. `src/entry.js`
//! performs them and hands each result to [`Task::answer`].
//!
//! Two things follow. A request crosses between WebAssembly and JavaScript a handful of times
//! instead of some eighty times, which is most of what WebAssembly costs here. And a future is
//! only ever polled while its own request's result is delivered, so it never runs in the context
//! of another request, whose I/O the Workers runtime would refuse.

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

/// What came of an effect.
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
    /// The runtime's message where the effect failed.
    pub fn text(self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Bytes(bytes) => String::from_utf8(bytes)
                .map_err(|_| "the runtime answered with bytes that are no text".to_owned()),
            Self::Failed(message) => Err(message),
        }
    }
}

/// An effect that somebody waits for.
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
    /// Effects whose results are awaited, by id.
    waiting: BTreeMap<u32, Slot>,
    hung_up: bool,
}

/// The effects of one task. A clone speaks for the same task.
#[derive(Clone, Default)]
pub struct Effects(Rc<RefCell<Exchange>>);

impl core::fmt::Debug for Effects {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Effects")
    }
}

impl Effects {
    /// Asks for an effect. It starts when the task's step ends, and several that were asked for in
    /// one step run at the same time. Dropping the result's future does not stop the effect.
    ///
    /// `kind` is the name of its function in `src/entry.js`; the payload is its argument.
    pub fn ask(&self, kind: &'static str, payload: &impl Serialize) -> Asked {
        let mut exchange = self.0.borrow_mut();
        exchange.newest += 1;
        let id = exchange.newest;
        // Payloads are lists of texts and numbers, which always serialise.
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

    /// Notes whether the sender of the task's request has hung up. It comes with every result.
    pub fn note_hang_up(&self, hung_up: bool) {
        self.0.borrow_mut().hung_up |= hung_up;
    }

    /// Whether the sender of the task's request had hung up when the newest result came.
    #[must_use]
    pub fn has_hung_up(&self) -> bool {
        self.0.borrow().hung_up
    }

    fn answer(&self, id: u32, outcome: Outcome) {
        let mut exchange = self.0.borrow_mut();
        // Nobody waits any more when the future was dropped, for example after a timeout.
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

/// The result of an effect, once it is there.
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

/// Whether the future asked to be polled again.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Where a task stands after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It waits. The new effects: `[[id, kind, payload], …]`, without the outer brackets; empty
    /// when it only waits for earlier ones.
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
    /// A task that has not begun yet. The future asks for its effects through `effects`.
    pub fn new(effects: Effects, future: impl Future<Output = String> + 'static) -> Self {
        Self {
            future: Box::pin(future),
            effects,
            woken: Arc::new(Woken(AtomicBool::new(false))),
        }
    }

    /// Hands over the result of an effect, and whether the sender of the request has hung up. The
    /// next [`Task::step`] goes on with it.
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
            // A group of futures may return early and ask to be polled once more.
            if !self.woken.0.load(Ordering::Relaxed) {
                return Step::Waits(self.effects.take_asked());
            }
        }
    }
}

/// The tasks that have begun and are not done, by number.
#[derive(Debug, Default)]
pub struct Tasks {
    newest: u32,
    tasks: BTreeMap<u32, (i64, Task)>,
}

/// From this many tasks on, [`Tasks::reserve`] removes abandoned ones.
const MANY: usize = 64;
/// A task this old, in milliseconds, is abandoned: a cron run has 15 minutes, and no request waits
/// for an hour.
const ABANDONED_AFTER_MS: i64 = 3_600_000;

impl Tasks {
    /// Returns the number of a task that begins at this time, in milliseconds.
    ///
    /// The runtime can end a request without telling: its effects then never have a result. Such
    /// tasks are removed here, so that they do not fill the memory.
    pub fn reserve(&mut self, now_ms: i64) -> u32 {
        if self.tasks.len() >= MANY {
            self.tasks
                .retain(|_, (begun, _)| now_ms.saturating_sub(*begun) < ABANDONED_AFTER_MS);
        }
        // A number is not given again while its task lives: 2^32 requests lie in between.
        self.newest = self.newest.wrapping_add(1);
        self.newest
    }

    /// Takes a task out for a step, with the time at which it began. `None` when it is done or was
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
