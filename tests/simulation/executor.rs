//! A single-threaded executor with virtual time, whose every choice comes from one seed.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// SplitMix64: small, and the same everywhere.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    ready: Arc<Flag>,
}

/// Timers in the order of their time, then of their making.
type Timers = BinaryHeap<Reverse<(i64, u64, usize)>>;

/// The executor, its clock and its dice.
pub struct Executor {
    pub now: Cell<i64>,
    rng: RefCell<Rng>,
    spawned: RefCell<Vec<Task>>,
    timers: RefCell<Timers>,
    wakers: RefCell<Vec<Option<Waker>>>,
    made: Cell<u64>,
}

impl Executor {
    pub fn new(seed: u64, now: i64) -> Self {
        Self {
            now: Cell::new(now),
            rng: RefCell::new(Rng::new(seed)),
            spawned: RefCell::default(),
            timers: RefCell::default(),
            wakers: RefCell::default(),
            made: Cell::default(),
        }
    }

    /// A number from 0 to below `below`.
    pub fn below(&self, below: u64) -> u64 {
        self.rng.borrow_mut().next() % below.max(1)
    }

    /// True so many times in a thousand.
    pub fn chance(&self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    pub fn bits(&self) -> u64 {
        self.rng.borrow_mut().next()
    }

    /// Starts a task that goes on whether or not anybody waits for it.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Handle<T> {
        let slot = Rc::new(Slot {
            value: RefCell::new(None),
            waiting: RefCell::new(None),
        });
        let handle = Handle(slot.clone());
        let future = Box::pin(async move {
            let value = future.await;
            *slot.value.borrow_mut() = Some(value);
            if let Some(waker) = slot.waiting.borrow_mut().take() {
                waker.wake();
            }
        });
        let ready = Arc::new(Flag(AtomicBool::new(true)));
        self.spawned.borrow_mut().push(Task { future, ready });
        handle
    }

    /// Runs until nothing is left to do.
    pub fn run(&self) {
        let mut tasks: Vec<Task> = Vec::new();
        loop {
            tasks.append(&mut self.spawned.borrow_mut());
            let ready: Vec<usize> = (0..tasks.len())
                .filter(|&index| tasks[index].ready.0.load(Ordering::Relaxed))
                .collect();
            if ready.is_empty() {
                if !self.advance() {
                    return;
                }
                continue;
            }
            let index = ready[usize::try_from(self.below(ready.len() as u64)).unwrap()];
            let task = &mut tasks[index];
            task.ready.0.store(false, Ordering::Relaxed);
            let waker = Waker::from(task.ready.clone());
            let poll = task.future.as_mut().poll(&mut Context::from_waker(&waker));
            if poll.is_ready() {
                tasks.swap_remove(index);
            }
        }
    }

    /// Moves the clock to the next timer. Says `false` when there is none.
    fn advance(&self) -> bool {
        let Some(Reverse((at, _, slot))) = self.timers.borrow_mut().pop() else {
            return false;
        };
        self.now.set(self.now.get().max(at));
        let waker = self.wakers.borrow_mut()[slot].take();
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Waits so many virtual milliseconds; 0 lets others go first.
    pub fn delay(&self, millis: u64) -> Delay<'_> {
        let at = self.now.get() + i64::try_from(millis).unwrap();
        Delay {
            executor: self,
            at,
            slot: None,
        }
    }
}

/// A wait.
pub struct Delay<'a> {
    executor: &'a Executor,
    at: i64,
    slot: Option<usize>,
}

impl Future for Delay<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let executor = self.executor;
        match self.slot {
            None => {
                let mut wakers = executor.wakers.borrow_mut();
                let slot = wakers.len();
                wakers.push(Some(context.waker().clone()));
                let made = executor.made.get();
                executor.made.set(made + 1);
                executor
                    .timers
                    .borrow_mut()
                    .push(Reverse((self.at, made, slot)));
                self.slot = Some(slot);
                Poll::Pending
            }
            Some(slot) => {
                let waiting = &mut executor.wakers.borrow_mut()[slot];
                match waiting {
                    Some(waker) => {
                        waker.clone_from(context.waker());
                        Poll::Pending
                    }
                    None => Poll::Ready(()),
                }
            }
        }
    }
}

struct Slot<T> {
    value: RefCell<Option<T>>,
    waiting: RefCell<Option<Waker>>,
}

/// A started task's result, once it is there.
pub struct Handle<T>(Rc<Slot<T>>);

impl<T> Future for Handle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match self.0.value.borrow_mut().take() {
            Some(value) => Poll::Ready(value),
            None => {
                *self.0.waiting.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A future that is dropped at one of its awaits, as a worker that dies.
pub struct Mortal<F> {
    future: Option<Pin<Box<F>>>,
    polls_left: Option<u64>,
}

impl<F: Future> Mortal<F> {
    pub fn new(future: F, polls_left: Option<u64>) -> Self {
        Self {
            future: Some(Box::pin(future)),
            polls_left,
        }
    }
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(left) = &mut self.polls_left {
            if *left == 0 {
                self.future = None;
                return Poll::Ready(None);
            }
            *left -= 1;
        }
        match &mut self.future {
            Some(future) => future.as_mut().poll(context).map(Some),
            None => Poll::Ready(None),
        }
    }
}
