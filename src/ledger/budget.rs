//! What a run may spend: reserved before a piece of work begins, and settled when it is done.

use core::time::Duration;

use crate::elevenlabs::lookup::MAX_REQUESTS;
use crate::model::UtcTime;
use crate::platform::plan::Cost;

/// A kind of work, and the line in which its pieces wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// The waiting events of one conversation are tried.
    Event,
    /// ElevenLabs is asked about one unsettled call.
    Call,
    /// One page of texts is cleared.
    Texts,
}

impl Piece {
    /// All kinds, in the order of their turns.
    pub const ALL: [Self; 3] = [Self::Event, Self::Call, Self::Texts];

    /// The most that one piece spends if neither the database nor the bucket need be asked twice, no
    /// object is gone, and the transcript is not longer than 500 kB. `tests/host/reconciling_costs.rs` measures it.
    #[must_use]
    pub const fn worst(self) -> Cost {
        match self {
            // Take; read and link by the report of a running conversation (2 + 2); read the
            // payloads; read and settle (2 + 8).
            Self::Event => Cost {
                statements: 16,
                requests: 1,
            },
            // Take; read and settle (2 + 7).
            Self::Call => Cost {
                statements: 10,
                requests: MAX_REQUESTS,
            },
            // Ask what is due in three tables; read which objects go; clear it.
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
    /// No piece of work may last beyond this time.
    ends_at: UtcTime,
}

impl Budget {
    /// A budget of which nothing is spent.
    #[must_use]
    pub const fn new(limits: Cost, ends_at: UtcTime) -> Self {
        let left = limits;
        Self { left, ends_at }
    }

    /// Sets the worst case of a piece of work aside; `None` if that much is not left.
    pub fn reserve(&mut self, worst: Cost) -> Option<Cost> {
        self.left = Cost {
            statements: self.left.statements.checked_sub(worst.statements)?,
            requests: self.left.requests.checked_sub(worst.requests)?,
        };
        Some(worst)
    }

    /// How many statements a piece with this reservation may send: what was set aside for it, and
    /// what is set aside for nobody. Retries are paid from the latter.
    #[must_use]
    pub const fn statements(&self, reserved: Cost) -> u32 {
        reserved.statements.saturating_add(self.left.statements)
    }

    /// Ends a reservation: what was not spent is left for others, what was spent beyond it is not.
    pub const fn settle(&mut self, reserved: Cost, spent: Cost) {
        self.left = Cost {
            statements: self.statements(reserved).saturating_sub(spent.statements),
            requests: (reserved.requests.saturating_add(self.left.requests))
                .saturating_sub(spent.requests),
        };
    }

    /// Whether a piece that begins now is done in time, if each of its requests takes `longest`.
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
