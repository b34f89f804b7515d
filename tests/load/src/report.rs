//! The figures of a run and the list of what is wrong, for people.

use crate::audit::Record;
use crate::books::Books;
use crate::compare::{Discrepancy, Kind};
use crate::metrics::{Ended, Route, Sample, summarize};
use crate::options::Options;
use crate::output::Counts;
use crate::promised::Promised;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// How long before and after a crash an error is put down to it.
const AROUND: Duration = Duration::from_secs(3);

const ROUTES: [(Route, &str); 7] = [
    (Route::Place, "place calls"),
    (Route::Turn, "turn"),
    (Route::Event, "event"),
    (Route::List, "list"),
    (Route::Call, "call"),
    (Route::Transcription, "transcription"),
    (Route::Reconcile, "reconciler"),
];

/// All that is reported.
pub struct Figures<'a> {
    pub options: &'a Options,
    /// How long calls were placed.
    pub lasted: Duration,
    /// When the crashes were, and for how long the worker was gone.
    pub crashes: Vec<(Duration, Duration)>,
    pub samples: Vec<Sample>,
    pub books: &'a Books,
    pub promised: &'a Promised,
    pub record: &'a Record,
    pub counts: Counts,
    pub event_answers: BTreeMap<String, usize>,
    /// By what became of them.
    pub events: Vec<(String, i64)>,
    /// Turns by where they came from.
    pub origins: Vec<(String, i64)>,
    /// How many calls were left to the reconciler in the end, and how often it then ran.
    pub left_over: usize,
    pub reconciler_runs: usize,
}

/// The figures.
pub fn figures(figures: &Figures<'_>) -> String {
    let mut text = String::from("\n");
    let seconds = figures.lasted.as_secs_f64();
    requests(&mut text, figures, seconds);
    errors(&mut text, figures);
    outcome(&mut text, figures, seconds);
    text
}

fn requests(text: &mut String, figures: &Figures<'_>, seconds: f64) {
    let during: Vec<&Sample> = figures
        .samples
        .iter()
        .filter(|sample| sample.at <= figures.lasted)
        .collect();
    let _ = writeln!(
        text,
        "{} requests in {seconds:.0} s while calls were placed, {:.0} a second. Milliseconds, of requests that were answered well:",
        during.len(),
        rate(during.len(), seconds)
    );
    let _ = writeln!(
        text,
        "  {:<14}{:>8}{:>7}{:>8}{:>8}{:>8}{:>8}   ended",
        "route", "count", "/s", "p50", "p90", "p99", "max"
    );
    for (route, name) in ROUTES {
        let summary = summarize(
            during
                .iter()
                .copied()
                .filter(|sample| sample.route == route),
        );
        let mut line = format!(
            "  {name:<14}{:>8}{:>7.1}",
            summary.count,
            rate(summary.count, seconds)
        );
        for took in summary.percentiles {
            let _ = write!(line, "{:>8}", took.as_millis());
        }
        let _ = writeln!(text, "{line}   {}", listed(&summary.ended));
    }
}

/// What was answered 5xx or not at all, around each crash and away from them.
fn errors(text: &mut String, figures: &Figures<'_>) {
    let bad: Vec<&Sample> = figures
        .samples
        .iter()
        .filter(|sample| sample.at <= figures.lasted && !sample.ended.is_well())
        .collect();
    let near = |sample: &Sample, crash: &(Duration, Duration)| {
        // A request counts from its beginning to its end.
        let began = sample.at.saturating_sub(sample.took);
        began <= crash.0 + crash.1 + AROUND && sample.at + AROUND >= crash.0
    };
    for (number, crash) in (1..).zip(&figures.crashes) {
        let ended = ended(bad.iter().filter(|sample| near(sample, crash)));
        let _ = writeln!(
            text,
            "crash {number} at {:.0} s, gone for {:.1} s: {} requests failed: {}",
            crash.0.as_secs_f64(),
            crash.1.as_secs_f64(),
            ended.values().sum::<usize>(),
            listed(&ended)
        );
    }
    let impatient =
        |sample: &Sample| sample.ended == Ended::GivenUp && sample.route == Route::Place;
    let away = bad
        .iter()
        .filter(|sample| !figures.crashes.iter().any(|crash| near(sample, crash)));
    let (given_up, away): (Vec<&Sample>, Vec<&Sample>) =
        away.copied().partition(|sample| impatient(sample));
    let _ = writeln!(
        text,
        "away from crashes: {} requests failed: {} ({} more were given up on purpose)",
        away.len(),
        listed(&ended(away.iter())),
        given_up.len()
    );
}

fn outcome(text: &mut String, figures: &Figures<'_>, seconds: f64) {
    let calls = &figures.record.calls;
    let mut endings: BTreeMap<String, usize> = BTreeMap::new();
    for call in calls.values() {
        let reason = call.failure_reason.as_deref().unwrap_or_default();
        let reason = reason.split(':').next().unwrap_or_default();
        *endings
            .entry(format!("{} {reason}", call.status).trim().to_owned())
            .or_default() += 1;
    }
    let turns: usize = calls.values().map(|call| call.turns.len()).sum();
    let dials = &figures.books.dials;
    let posted = figures.books.conversations.values();
    let posted = posted.flat_map(|conversation| &conversation.turns);
    let accepted = posted.filter(|turn| turn.accepted > 0).count();
    let notes = &figures.promised.notes;
    let _ = writeln!(
        text,
        "calls on record: {} ({:.1} a second), with {turns} turns: {}",
        calls.len(),
        rate(calls.len(), seconds),
        listed(&endings)
    );
    let _ = writeln!(
        text,
        "  asked for: {}. Dialled: {}, of which {} found nobody to answer (the worker was gone, or had waited long enough); {} calls were never dialled",
        figures.promised.asked.len(),
        dials.len(),
        dials.iter().filter(|dial| dial.abandoned).count(),
        calls.len().saturating_sub(dials.len())
    );
    let _ = writeln!(
        text,
        "  turns posted and answered 2xx: {accepted} of ElevenLabs, {} of {} that ElevenLabs does not have. Stored: {}",
        notes.iter().filter(|note| note.accepted).count(),
        notes.len(),
        pairs(&figures.origins)
    );
    let _ = writeln!(
        text,
        "events: answered {}. Stored: {}",
        listed(&figures.event_answers),
        pairs(&figures.events)
    );
    let _ = writeln!(
        text,
        "reconciler: {} calls were left over in the end, settled in {} runs. Database retries: {}",
        figures.left_over, figures.reconciler_runs, figures.counts.db_retries
    );
    let errors = figures
        .counts
        .lines
        .iter()
        .filter(|(line, _)| line.1 == "error");
    let errors: BTreeMap<String, u64> = errors
        .map(|((event, _, code), count)| (format!("{event} {code}"), *count))
        .collect();
    let _ = writeln!(
        text,
        "log lines of level error: {}",
        if errors.is_empty() {
            "none".to_owned()
        } else {
            listed(&errors)
        }
    );
    let _ = writeln!(text, "seed {}", figures.options.seed);
}

/// What is wrong: the first kind in full, the others in numbers.
pub fn discrepancies(mut found: Vec<Discrepancy>, shown: usize) -> String {
    found.sort_by(|one, other| (one.kind, &one.about).cmp(&(other.kind, &other.about)));
    let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
    for found in &found {
        *kinds.entry(found.kind).or_default() += 1;
    }
    let Some((first, count)) = kinds.pop_first() else {
        return String::new();
    };
    let mut text = format!("\nload: FAILED: {first}: {count}\n");
    for found in found
        .iter()
        .take_while(|found| found.kind == first)
        .take(shown)
    {
        let _ = writeln!(text, "  {}: {}", found.about, found.what);
    }
    if count > shown {
        let _ = writeln!(text, "  … and {} more", count - shown);
    }
    for (kind, count) in kinds {
        let example = found.iter().find(|found| found.kind == kind);
        let example = example.map(|found| format!("{}: {}", found.about, found.what));
        let _ = writeln!(
            text,
            "also: {kind}: {count}, such as {}",
            example.unwrap_or_default()
        );
    }
    text
}

fn ended<'a>(samples: impl Iterator<Item = &'a &'a Sample>) -> BTreeMap<Ended, usize> {
    let mut ended = BTreeMap::new();
    for sample in samples {
        *ended.entry(sample.ended).or_default() += 1;
    }
    ended
}

fn listed<K: ToString, V: ToString>(counts: &BTreeMap<K, V>) -> String {
    let all = counts
        .iter()
        .map(|(name, count)| format!("{} × {}", count.to_string(), name.to_string()));
    all.collect::<Vec<_>>().join(", ")
}

fn pairs(counts: &[(String, i64)]) -> String {
    listed(&counts.iter().cloned().collect())
}

fn rate(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds.max(0.001)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_kind_is_listed_and_the_others_are_counted() {
        let found = vec![
            Discrepancy::new(Kind::Gap, "EL_1", "1, 3"),
            Discrepancy::new(Kind::TurnLost, "EL_3", "turn 2"),
            Discrepancy::new(Kind::TurnLost, "EL_2", "turn 4"),
        ];
        assert_eq!(
            discrepancies(found, 1),
            "\nload: FAILED: a turn that was answered 2xx is lost: 2\n  EL_2: turn 4\n  … and 1 more\n\
             also: sequence numbers with a gap: 1, such as EL_1: 1, 3\n"
        );
    }
}
