//! The budget of a reconciler run: statements, requests and time. A piece of work reserves its worst
//! case before it begins, and returns what it did not spend.

use core::time::Duration;

use crate::elevenlabs::lookup::MAX_REQUESTS;
use crate::model::UtcTime;
use crate::platform::plan::Cost;

/// A kind of work. Each kind has its own queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Try the waiting events of one conversation.
    Event,
    /// Ask ElevenLabs about one unsettled call.
    Call,
    /// Clear one page of texts.
    Texts,
}

impl Piece {
    /// In this order the kinds take turns.
    pub const ALL: [Self; 3] = [Self::Event, Self::Call, Self::Texts];

    /// The worst case of one piece, without retries, without missing objects in the bucket, and with a
    /// transcript of at most 500 kB. `tests/host/reconciling/costs.rs` measures it.
    #[must_use]
    pub const fn worst(self) -> Cost {
        match self {
            // Take 1; read 2 and settle 2 by the report of a running conversation; read the payloads 1;
            // read 2 and settle 8.
            Self::Event => Cost {
                statements: 16,
                requests: 1,
            },
            // Take 1; read 2; settle 7.
            Self::Call => Cost {
                statements: 10,
                requests: MAX_REQUESTS,
            },
            // Read what is due in three tables, read the names of the objects, and clear.
            Self::Texts => Cost {
                statements: 10,
                requests: 0,
            },
        }
    }
}

/// What is left of a run's limits.
#[derive(Debug)]
pub struct Budget {
    left: Cost,
    /// A piece begins only if it ends before this time.
    ends_at: UtcTime,
}

impl Budget {
    /// Starts a run's budget with the whole limits of the plan.
    #[must_use]
    pub const fn new(limits: Cost, ends_at: UtcTime) -> Self {
        let left = limits;
        Self { left, ends_at }
    }

    /// Reserves the worst case of a piece. Returns `None` if less is left.
    pub fn reserve(&mut self, worst: Cost) -> Option<Cost> {
        self.left = Cost {
            statements: self.left.statements.checked_sub(worst.statements)?,
            requests: self.left.requests.checked_sub(worst.requests)?,
        };
        Some(worst)
    }

    /// Maximum number of statements for a piece with this reservation: the reserved ones, and those
    /// that no piece has reserved. The latter pay for retries.
    #[must_use]
    pub const fn statements(&self, reserved: Cost) -> u32 {
        reserved.statements.saturating_add(self.left.statements)
    }

    /// Ends a reservation: returns what was not spent, and subtracts what was spent beyond it.
    pub const fn settle(&mut self, reserved: Cost, spent: Cost) {
        self.left = Cost {
            statements: self.statements(reserved).saturating_sub(spent.statements),
            requests: (reserved.requests.saturating_add(self.left.requests))
                .saturating_sub(spent.requests),
        };
    }

    /// Whether a piece that begins now ends in time if each of its requests takes `longest`.
    #[must_use]
    pub fn has_time(&self, worst: Cost, longest: Duration, now: UtcTime) -> bool {
        now.plus(longest.saturating_mul(worst.requests)) <= self.ends_at
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Cost, Duration, UtcTime};

    const fn cost(statements: u32, requests: u32) -> Cost {
        Cost {
            statements,
            requests,
        }
    }

    #[test]
    fn what_is_reserved_is_nobody_elses_and_what_is_not_spent_is_left() {
        let mut budget = Budget::new(cost(50, 10), UtcTime::EPOCH);
        let event = budget.reserve(cost(20, 1)).unwrap();
        let call = budget.reserve(cost(20, 9)).unwrap();
        assert_eq!(budget.reserve(cost(11, 0)), None);
        assert_eq!(budget.reserve(cost(1, 1)), None);
        assert_eq!(budget.statements(event), 30);
        // It spent more than its worst case: retries. The other piece still has its own.
        budget.settle(event, cost(25, 1));
        assert_eq!(budget.statements(call), 25);
        budget.settle(call, cost(3, 2));
        assert_eq!(budget.reserve(cost(22, 7)), Some(cost(22, 7)));
        assert_eq!(budget.reserve(cost(1, 0)), None);
    }

    #[test]
    fn a_piece_begins_only_if_its_slowest_requests_end_in_time() {
        let at = |seconds: i64| UtcTime::EPOCH.plus_millis(seconds * 1_000);
        let budget = Budget::new(cost(50, 50), at(100));
        let slow = Duration::from_secs(10);
        assert!(budget.has_time(cost(1, 9), slow, at(10)));
        assert!(!budget.has_time(cost(1, 9), slow, at(11)));
        assert!(budget.has_time(cost(1, 0), slow, at(100)));
        assert!(!budget.has_time(cost(1, u32::MAX), Duration::MAX, at(0)));
    }
}
