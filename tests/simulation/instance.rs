//! One worker at work on one request: who sent it and when that one hangs up, and what of its
//! work went wrong.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use call_ledger::ledger::place_calls::Caller;
use call_ledger::store::{Param, Statement};

use super::world::World;

/// How long a request goes on after its sender has gone, in milliseconds.
pub const GRACE_MS: u64 = 30_000;
/// How often the ledger tries an operation.
const TRIES: u32 = 3;

/// The sender of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sender {
    /// When it hangs up, in Unix milliseconds; `None` waits for ever.
    pub gone_at: Option<i64>,
    /// Whether the runtime tells that it has hung up.
    pub untold: bool,
}

impl Sender {
    /// A sender that may lose patience, at any moment of a placement.
    pub fn impatient(world: &World) -> Self {
        let executor = &world.executor;
        let wait = match executor.below(4) {
            0 => executor.below(100),
            1 => executor.below(2_000),
            2 => executor.below(30_000),
            _ => executor.below(200_000),
        };
        let leaves = executor.chance(world.weather.get().hangs_up);
        let at = executor.now.get() + i64::try_from(wait).unwrap();
        Self {
            gone_at: leaves.then_some(at),
            untold: world.untold,
        }
    }

    pub fn is_gone(&self, now: i64) -> bool {
        self.gone_at.is_some_and(|at| now >= at)
    }

    /// What the worker is told.
    pub fn caller(&self, now: i64) -> Caller {
        match (self.untold, self.is_gone(now)) {
            (true, _) => Caller::Unknown,
            (false, true) => Caller::Gone,
            (false, false) => Caller::Connected,
        }
    }
}

/// One worker while it answers one request.
#[derive(Debug)]
pub struct Instance {
    pub sender: Sender,
    /// When the request arrived, in Unix milliseconds.
    pub arrived_at: i64,
    /// The token of the calls that it recorded, or tried to.
    pub dial_token: RefCell<Option<String>>,
    /// Operations of the database that failed on every try.
    pub failed_operations: Cell<u32>,
    failures: RefCell<HashMap<String, u32>>,
}

impl Instance {
    pub fn new(world: &World, sender: Sender) -> Self {
        Self {
            sender,
            arrived_at: world.executor.now.get(),
            dial_token: RefCell::default(),
            failed_operations: Cell::default(),
            failures: RefCell::default(),
        }
    }

    /// Notes what the worker asks of the database.
    pub fn asks(&self, statements: &[Statement]) {
        for statement in statements {
            if statement.sql.starts_with("INSERT INTO calls")
                && let Some(Param::Text(token)) = statement.params.get(2)
            {
                *self.dial_token.borrow_mut() = Some(token.clone());
            }
        }
    }

    /// Notes that a try of an operation failed, as far as the worker sees.
    pub fn failed(&self, statements: &[Statement]) {
        let mut failures = self.failures.borrow_mut();
        let tries = failures.entry(format!("{statements:?}")).or_default();
        *tries += 1;
        if *tries == TRIES {
            *tries = 0;
            self.failed_operations.set(self.failed_operations.get() + 1);
        }
    }
}
