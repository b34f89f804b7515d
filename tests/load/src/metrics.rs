//! Every request, when it was made, how long it took and how it ended.

use crate::lock;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// What was requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// Calls to be placed.
    Place,
    /// A turn, from the simulator or a client.
    Turn,
    /// An event, from the simulator.
    Event,
    /// A page of the list of calls.
    List,
    /// One call.
    Call,
    /// One call's transcription.
    Transcription,
    /// A run of the reconciler.
    Reconcile,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// With this status.
    Status(u16),
    /// Nobody listened.
    Refused,
    /// The connection broke before there was an answer.
    Cut,
    /// The client lost its patience.
    GivenUp,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub route: Route,
    pub ended: Ended,
    /// When it ended, since the run began.
    pub at: Duration,
    pub took: Duration,
}

/// All requests.
pub struct Metrics {
    began: Instant,
    samples: Mutex<Vec<Sample>>,
}

impl Metrics {
    /// None yet; the run begins now.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            samples: Mutex::default(),
        }
    }

    /// How long the run has lasted.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Notes a request that ends now.
    pub fn note(&self, route: Route, ended: Ended, took: Duration) {
        self.add(Sample {
            route,
            ended,
            at: self.now(),
            took,
        });
    }

    /// Adds a request that somebody else made.
    pub fn add(&self, sample: Sample) {
        lock(&self.samples).push(sample);
    }

    /// How many requests ended so far.
    pub fn count(&self) -> usize {
        lock(&self.samples).len()
    }

    /// All requests so far.
    pub fn samples(&self) -> Vec<Sample> {
        lock(&self.samples).clone()
    }
}

impl Ended {
    /// Whether the same request is worth making again.
    pub fn is_passing(self) -> bool {
        match self {
            Self::Status(status) => status >= 500 && status != 502,
            Self::Refused | Self::Cut | Self::GivenUp => true,
        }
    }

    /// Whether there was an answer that is no complaint about the server. 502 says that ElevenLabs placed no call.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Status(status) if status < 500 || status == 502)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            Self::Refused => f.write_str("refused"),
            Self::Cut => f.write_str("cut"),
            Self::GivenUp => f.write_str("timed out"),
        }
    }
}

/// Numbers of one route.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    pub count: usize,
    pub percentiles: [Duration; 4],
    pub ended: BTreeMap<Ended, usize>,
}

/// The 50th, 90th and 99th percentile and the longest, of requests that were answered well, and how all of them ended.
pub fn summarize<'a>(samples: impl Iterator<Item = &'a Sample>) -> Summary {
    let mut took = Vec::new();
    let mut ended: BTreeMap<Ended, usize> = BTreeMap::new();
    for sample in samples {
        *ended.entry(sample.ended).or_default() += 1;
        if sample.ended.is_well() {
            took.push(sample.took);
        }
    }
    took.sort_unstable();
    let at = |percent: usize| {
        let index = (took.len() * percent).div_ceil(100).saturating_sub(1);
        took.get(index).copied().unwrap_or_default()
    };
    Summary {
        count: ended.values().sum(),
        percentiles: [at(50), at(90), at(99), at(100)],
        ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_well_answered_requests() {
        let sample = |ended, took| Sample {
            route: Route::Call,
            ended,
            at: Duration::ZERO,
            took: Duration::from_millis(took),
        };
        let mut samples: Vec<_> = (1..=100)
            .map(|took| sample(Ended::Status(200), took))
            .collect();
        samples.push(sample(Ended::Refused, 100_000));
        let summary = summarize(samples.iter());
        assert_eq!(
            summary.percentiles.map(|took| took.as_millis()),
            [50, 90, 99, 100]
        );
        assert_eq!((summary.count, summary.ended[&Ended::Refused]), (101, 1));
        assert_eq!(
            summarize([].iter()).percentiles,
            [Duration::ZERO; 4],
            "of nothing"
        );
    }
}
