//! The whole ledger in a model world, thousands of times over.
//!
//! From a seed, workers die at any await, the database refuses or loses answers after
//! committing, ElevenLabs refuses, stalls, cuts the connection or answers late, and deliveries
//! come late, twice, out of order or never. Requests repeat and overlap, the cron runs. Then the
//! weather calms down, the cron goes on for some days, and every promise is checked.
//!
//! `SEEDS=n` runs so many seeds, `FIRST_SEED=n` starts there, `SEED=n` replays one and prints
//! what happened. `WITHOUT=fault,fault`, `FLEETS=n` and `DRIVERS=n` leave something out of the
//! worlds. A failing seed prints the smallest world that still fails.

#![expect(
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod deliveries;
mod elevenlabs;
mod executor;
mod foreign;
mod instance;
mod placements;
mod promises;
mod settings;
mod smallest;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};

use instance::Sender;
use smallest::{Limits, MOST_DRIVERS, MOST_FLEETS, replay, smallest};
use world::{API_TOKEN, FAULTS, Shared, World, cron, post_as};

const SEEDS_IN_A_TEST_RUN: u64 = 1_000;
const MINUTE: u64 = 60_000;

#[test]
fn every_promise_holds_in_every_world() {
    let limits = Limits::read(|name| std::env::var(name).ok());
    if let Some(seed) = setting("SEED") {
        let (violation, trace) = simulate(seed, &limits);
        println!("{}", trace.join("\n"));
        assert_eq!(violation, None, "seed {seed}");
        return;
    }
    let first = setting("FIRST_SEED").unwrap_or(1);
    let seeds = setting("SEEDS").unwrap_or(SEEDS_IN_A_TEST_RUN);
    if let Some((seed, violation)) = first_broken(first..first + seeds, &limits) {
        let run = |limits: &Limits| simulate(seed, limits).0;
        let (least, still) = smallest(limits.clone(), violation.clone(), run);
        panic!(
            "seed {seed}: {violation}\nreplay: {}\nsmallest world that still fails: {still}\n{}",
            replay(seed, &limits),
            replay(seed, &least),
        );
    }
}

/// Simulates the seeds on all cores. Returns the lowest seed that breaks a promise, whatever the
/// number of cores, and the promise.
fn first_broken(seeds: Range<u64>, limits: &Limits) -> Option<(u64, String)> {
    let next = AtomicU64::new(seeds.start);
    let lowest: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let work = || {
        loop {
            // The counter only grows, so all seeds below a broken one are already taken: once the
            // threads that simulate them are done, the lowest broken seed is known.
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || lowest.lock().unwrap().is_some() {
                return;
            }
            if let (Some(violation), _) = simulate(seed, limits) {
                let mut lowest = lowest.lock().unwrap();
                if lowest.as_ref().is_none_or(|(known, _)| seed < *known) {
                    *lowest = Some((seed, violation));
                }
            }
            if seed.is_multiple_of(10_000) {
                println!("{seed} worlds");
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    lowest.into_inner().unwrap()
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 1..6 {
        let limits = Limits::default();
        assert_eq!(simulate(seed, &limits), simulate(seed, &limits));
    }
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number")),
    )
}

/// The first broken promise, and what happened. A panic of the ledger breaks one, too.
fn simulate(seed: u64, limits: &Limits) -> (Option<String>, Vec<String>) {
    let world = World::new(seed, limits.clone());
    world.executor.spawn(storm_and_calm(world.clone()));
    let run = AssertUnwindSafe(|| world.executor.run());
    if let Err(panic) = catch_unwind(run) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let what = format!("panicked: {}", text.unwrap_or("without words"));
        world.watch.violated(&world, what);
    }
    (world.watch.violation(), world.trace.take())
}

#[test]
fn a_world_leaves_out_what_its_limits_say() {
    let without = FAULTS.map(|(name, _)| name);
    let limits = Limits {
        without: without.into_iter().collect(),
        fleets: Some(1),
        drivers: Some(2),
    };
    let fault = |trace: &[String]| trace.iter().any(|line| line.contains("connection lost"));
    let mut faults = 0;
    for seed in 1..20 {
        let (violation, trace) = simulate(seed, &limits);
        assert_eq!(violation, None, "seed {seed}");
        assert!(!trace.iter().any(|line| line.contains("EL_3_")), "{seed}");
        assert!(!fault(&trace), "{seed}");
        faults += usize::from(fault(&simulate(seed, &Limits::default()).1));
    }
    assert!(faults > 5, "{faults}");
}

async fn storm_and_calm(world: Shared) {
    foreign::add_waiting(&world);
    foreign::deliver(&world);
    let fleets = 1 + world.executor.below(MOST_FLEETS);
    for batch in 0..fleets.min(world.limits.fleets.unwrap_or(fleets)) {
        world.executor.spawn(fleet(world.clone(), batch));
    }
    for _ in 0..18 {
        world.executor.delay(5 * MINUTE).await;
        cron(&world).await;
    }
    world.calm();
    // As long as it takes for what lies in the queues.
    for pause in [5, 5, 5, 5, 5, 5, 20, 20, 20, 20, 20, 20] {
        world.executor.delay(pause * MINUTE).await;
        cron(&world).await;
    }
    world.watch.when_calm(&world);
    // Then past the limits of patience.
    for pause in [25 * 60, 20, 20, 20, 8 * 24 * 60, 20, 20, 20] {
        world.executor.delay(pause * MINUTE).await;
        cron(&world).await;
    }
    world.watch.at_the_end(&world);
    settings::when_texts_are_old(&world).await;
}

/// A fleet that places calls to some drivers, and asks again when it got no answer or out of
/// caution.
async fn fleet(world: Shared, batch: u64) {
    let executor = &world.executor;
    executor.delay(executor.below(10 * MINUTE)).await;
    // The reconciler often runs while slow dials are open.
    for _ in 0..executor.below(4) {
        let wait = MINUTE + executor.below(MINUTE);
        executor.spawn(cron_after(world.clone(), wait));
    }
    // More than are dialled at once, now and then.
    let drivers = match executor.below(5) {
        0 => MOST_DRIVERS,
        _ => 1 + executor.below(8),
    };
    let drivers: Vec<_> = (1..=drivers.min(world.limits.drivers.unwrap_or(drivers)))
        .map(|driver| json!({ "driverId": driver, "phoneNumber": "5550101234" }))
        .collect();
    // Two batches of the same instant overlap in their drivers.
    let timestamp = format!("2025-11-21T10:{:02}:00Z", 30 + batch / 2);
    let body = json!({ "timestamp": timestamp, "drivers": drivers }).to_string();
    for _ in 0..1 + executor.below(3) {
        world.executor.spawn(place(world.clone(), body.clone()));
        if executor.chance(500) {
            executor.delay(executor.below(2 * MINUTE)).await;
        }
    }
}

async fn cron_after(world: Shared, wait: u64) {
    world.executor.delay(wait).await;
    cron(&world).await;
}

async fn place(world: Shared, body: String) {
    for attempt in 0..3_u64 {
        let headers = vec![("authorization", format!("Bearer {API_TOKEN}"))];
        let answer = post_as(
            &world,
            Sender::impatient(&world),
            "/driver_data/call-elevenlabs",
            headers,
            body.clone(),
        )
        .await;
        match answer {
            Some((200 | 201 | 207 | 502, answer)) => {
                for call in answer["calls"].as_array().unwrap() {
                    let call_sid = call["call_sid"].as_str().unwrap();
                    let sql = format!("SELECT COUNT(*) FROM calls WHERE call_sid = '{call_sid}'");
                    if world.database.value(&sql) != 1 {
                        let what = format!("promise 4: {call_sid} is answered but not on record");
                        world.watch.violated(&world, what);
                    }
                }
                return;
            }
            Some((500, answer)) => check_not_recorded(&world, &body, &answer),
            None => {}
            Some((status, answer)) => {
                let what = format!("a good request was answered {status}: {answer}");
                world.watch.violated(&world, what);
                return;
            }
        }
        world.executor.delay(1_000 << attempt).await;
    }
}

/// An answer that nothing could be recorded names the calls.
fn check_not_recorded(world: &World, body: &str, answer: &Value) {
    let request: Value = serde_json::from_str(body).unwrap();
    let drivers = request["drivers"].as_array().unwrap().iter();
    let timestamp = request["timestamp"].as_str().unwrap();
    let call_sids: Vec<_> = drivers
        .map(|driver| format!("EL_{}_{timestamp}", driver["driverId"]))
        .collect();
    if answer["call_sids"] != json!(call_sids) {
        let what = format!("the answer does not name the calls: {answer}");
        world.watch.violated(world, what);
    }
}
