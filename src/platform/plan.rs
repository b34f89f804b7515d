//! What Cloudflare's plan allows one invocation of the worker.
//!
//! Source: <https://developers.cloudflare.com/d1/platform/limits/> (queries per invocation) and
//! <https://developers.cloudflare.com/workers/platform/limits/> (subrequests).

/// What a piece of work uses, or may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Statements sent to the database. Each statement of a batch counts, and each retry.
    pub statements: u32,
    /// Requests to other services.
    pub requests: u32,
}

impl Cost {
    /// The difference from an earlier cost.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            statements: self.statements.saturating_sub(before.statements),
            requests: self.requests.saturating_sub(before.requests),
        }
    }
}

/// The plan of the Cloudflare account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Plan {
    /// Workers Free.
    #[default]
    Free,
    /// Workers Paid.
    Paid,
}

impl Plan {
    /// The limits of one invocation.
    #[must_use]
    pub const fn limits(self) -> Cost {
        match self {
            Self::Free => Cost {
                statements: 50,
                requests: 50,
            },
            Self::Paid => Cost {
                statements: 1_000,
                requests: 10_000,
            },
        }
    }
}
