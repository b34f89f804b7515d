//! The run, from an empty database to the comparison.

use crate::chance::Chance;
use crate::client::{API_TOKEN, Client};
use crate::compare::{Crash, Discrepancy, Kind, compare};
use crate::fleet::Fleet;
use crate::metrics::{Metrics, Route};
use crate::options::{Options, Sabotage};
use crate::promised::Answers;
use crate::report::{self, Figures};
use crate::server::{GONE, Server};
use crate::{audit, books, database, reader, say, settle};
use chrono::Utc;
use elevenlabs_simulator::{Config, Retry, Simulator};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

const API_KEY: &str = "load-elevenlabs-key-90aa";
const WEBHOOK_SECRET: &str = "wsec_load_6c1f";
/// How often the reconciler runs. In production it is every five minutes.
const SCHEDULE: Duration = Duration::from_secs(5);
pub const SCHEDULED: &str = "/__scheduled?cron=*/5+*+*+*+*";
/// How long ElevenLabs may take for its deliveries after the last call was placed.
const DELIVERED: Duration = Duration::from_secs(240);
const PROGRESS: Duration = Duration::from_secs(10);
const READERS: u64 = 4;

/// Runs it all. What is wrong; nothing, when all is well.
pub async fn run(options: &Options) -> Result<Vec<Discrepancy>, String> {
    let simulator = Simulator::start("127.0.0.1:0", elevenlabs())
        .await
        .map_err(|error| error.to_string())?;
    let mut server = Server::prepare(&[
        ("API_TOKEN", API_TOKEN),
        ("ELEVENLABS_API_KEY", API_KEY),
        ("ELEVENLABS_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("ELEVENLABS_AGENT_ID", "agent_dev"),
        ("ELEVENLABS_PHONE_NUMBER_ID", "phnum_dev"),
        ("ELEVENLABS_BASE_URL", &simulator.url()),
        ("ELEVENLABS_TELEPHONY", "twilio"),
        ("ELEVENLABS_TIMEOUT_SECS", "4"),
        ("RECONCILE_AFTER_MINUTES", "1"),
    ])?;
    say(&format!(
        "starting the worker, in {}",
        server.folder().display()
    ));
    server.start().await?;
    simulator.set_worker_url(&server.url());
    let outcome = observe(options, &simulator, &mut server).await;
    let stopped = server.stop().await;
    let clean = matches!(&outcome, Ok(found) if found.is_empty());
    if clean && !options.keep {
        drop(server);
    } else {
        let said = server.output.last_lines();
        if outcome.is_err() {
            eprintln!("The worker's last lines:\n{said}");
        }
        say(&format!(
            "the run's folder is kept: {}",
            server.keep().display()
        ));
    }
    stopped?;
    outcome
}

/// Patient, as ElevenLabs is: its deliveries outlast a restart of the worker.
fn elevenlabs() -> Config {
    Config {
        api_key: API_KEY.into(),
        webhook_secret: Some(WEBHOOK_SECRET.into()),
        pace: Duration::from_millis(200),
        grace: Duration::from_millis(400),
        // Longer than the worker waits; a quarter of it is shorter.
        slow: Duration::from_secs(8),
        late: Duration::from_secs(15),
        retry: Retry {
            tries: 30,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(2),
        },
        ..Config::test()
    }
}

/// Everything that needs the worker to run, and what is then found.
async fn observe(
    options: &Options,
    simulator: &Simulator,
    server: &mut Server,
) -> Result<Vec<Discrepancy>, String> {
    let (began, metrics) = (Utc::now(), Arc::new(Metrics::new()));
    let client = Client::new(&server.url(), Arc::clone(&metrics))?;
    let answers = Arc::new(Answers::default());
    let mut chance = Chance::new(options.seed, 0);

    // 1. Everything at once, and the crashes in it.
    let crashes = load(options, &client, &answers, simulator, server).await?;
    let lasted = metrics.now();
    // 2. Until every conversation is played and every event has its answer.
    say("calls are placed; waiting until ElevenLabs is done");
    // The schedule goes on: a turn that waits for its call's link may wait for the reconciler.
    tokio::select! {
        () = simulator.wait_idle() => {}
        () = schedule(&client) => {}
        () = sleep(DELIVERED) => return Err("ElevenLabs is still delivering after four minutes".into()),
    }
    settle::end_conversations(simulator).await;
    // 3. Whatever no event settled is the reconciler's, which need not wait for it any longer.
    server.stop().await?;
    let file = server.database()?;
    let moved = database::move_clocks(&file)?;
    say(&format!("{moved} calls are left to the reconciler"));
    let sabotaged = match options.sabotage {
        Some(sabotage) => database::damage(&file, sabotage)?,
        None => None,
    };
    if let Some(damage) = sabotaged {
        say(&format!("SABOTAGE: {damage}"));
    }
    server.start().await?;
    let runs = settle::reconcile(&client, server, &mut chance).await?;
    // 4. Reading it all back, from outside.
    say("reading everything back");
    let record = audit::read(&client, &mut chance).await?;
    server.stop().await?;
    let mut books = books::of(simulator);
    if options.sabotage == Some(Sabotage::DialTwice)
        && let Some(dial) = books.dials.first().cloned()
    {
        say(&format!(
            "SABOTAGE: the books say twice that {} was dialled",
            dial.call_sid
        ));
        books.dials.push(dial);
    }
    let promised = answers.so_far();
    // 5. The comparison.
    let times: Vec<Crash> = crashes.iter().map(|(_, crash)| *crash).collect();
    let mut found = compare(&books, &promised, &record, &times);
    found.append(&mut database::check(&file)?);
    let counts = server.output.counts();
    let alarms = counts.alarms.iter();
    found.extend(alarms.map(|line| Discrepancy::new(Kind::Alarm, "log", line.clone())));

    books::measure(simulator, &metrics, began);
    let figures = Figures {
        options,
        lasted,
        crashes: crashes
            .into_iter()
            .map(|(at, crash)| (at, (crash.back - crash.at).to_std().unwrap_or_default()))
            .collect(),
        samples: metrics.samples(),
        books: &books,
        promised: &promised,
        record: &record,
        counts,
        event_answers: books::event_answers(simulator),
        events: database::count_by(&file, "elevenlabs_events", "outcome")?,
        origins: database::count_by(&file, "call_transcriptions", "origin")?,
        left_over: moved,
        reconciler_runs: runs,
    };
    print!("{}", report::figures(&figures));
    if found.is_empty() {
        say("everything agrees");
    }
    Ok(found)
}

/// Calls, turns, events, reads, the schedule and the crashes, all at the same time. Returns when the crashes were.
async fn load(
    options: &Options,
    client: &Client,
    answers: &Arc<Answers>,
    simulator: &Simulator,
    server: &mut Server,
) -> Result<Vec<(Duration, Crash)>, String> {
    let length = Duration::from_secs_f64(options.minutes * 60.0);
    let begins = Instant::now();
    let until = begins + length;
    say(&format!(
        "{} minutes: {} fleets, {} calls/s and {} reads/s at most, {} crashes, seed {}",
        options.minutes,
        options.fleets,
        options.calls,
        options.reads,
        options.crashes,
        options.seed
    ));
    let mut clients = JoinSet::new();
    let fleets = u64::try_from(options.fleets).unwrap_or(1);
    let share = options.calls / f64::from(u32::try_from(options.fleets).unwrap_or(1));
    for number in 1..=fleets {
        let fleet = Fleet::new(number, options.seed, client.clone(), Arc::clone(answers));
        clients.spawn(fleet.work(until, share));
    }
    for number in 0..READERS {
        let chance = Chance::new(options.seed, 1_000_000 + number);
        let share = options.reads / f64::from(u32::try_from(READERS).unwrap_or(1));
        clients.spawn(reader::read(
            chance,
            client.clone(),
            Arc::clone(answers),
            until,
            share,
        ));
    }
    let scheduler = client.clone();
    clients.spawn(async move {
        tokio::select! {
            () = schedule(&scheduler) => {}
            () = sleep_until(until) => {}
        }
    });
    let mut chance = Chance::new(options.seed, 2_000_000);
    let mut crashes = Vec::new();
    let parts = u32::try_from(options.crashes).unwrap_or(0) + 1;
    let mut next_crash = (1..parts).map(|part| begins + length * part / parts);
    let mut crash_at = next_crash.next();
    let mut progress_at = begins + PROGRESS;
    loop {
        let wake = crash_at.unwrap_or(until).min(progress_at);
        tokio::select! {
            () = sleep_until(wake) => {}
            // All clients are through, with their repeats as well.
            () = all_of(&mut clients) => break,
        }
        if progress_at <= Instant::now() {
            progress_at += PROGRESS;
            say(&progress(client, answers, simulator));
        }
        if crash_at.is_some_and(|at| at <= Instant::now()) {
            crash_at = next_crash.next();
            let number = crashes.len();
            crashes.push(crash(number, client, answers, simulator, server, &mut chance).await?);
        }
    }
    Ok(crashes)
}

/// Runs the reconciler again and again.
async fn schedule(client: &Client) {
    loop {
        sleep(SCHEDULE).await;
        // Nobody repeats a run: the next one comes.
        let _ = client.get(Route::Reconcile, SCHEDULED).await;
    }
}

async fn all_of(clients: &mut JoinSet<()>) {
    while clients.join_next().await.is_some() {}
}

/// Kills the worker's runtime and starts it again on the same state. Alternately soon after calls were asked for, and
/// as ElevenLabs is asked to dial, because little else is as delicate.
async fn crash(
    number: usize,
    client: &Client,
    answers: &Answers,
    simulator: &Simulator,
    server: &mut Server,
    chance: &mut Chance,
) -> Result<(Duration, Crash), String> {
    let moment = async {
        if number.is_multiple_of(2) {
            let asked = answers.count_asked();
            soon(|| answers.count_asked() > asked).await;
            sleep(Duration::from_millis(chance.below(300))).await;
        } else {
            let dialled = simulator.requests_total();
            soon(|| simulator.requests_total() > dialled).await;
        }
    };
    let killed = server.crash(moment).await?;
    // The worker was gone before wrangler was; what was asked of it in between has failed as well.
    let (since, at) = (client.metrics.now() - GONE, Utc::now() - GONE);
    server.start().await?;
    let back = Utc::now();
    say(&format!(
        "killed {killed} workerd {:.1} s after the start; it answers again after {:.1} s",
        since.as_secs_f64(),
        (back - at).as_seconds_f64()
    ));
    Ok((since, Crash { at, back }))
}

/// Waits until it is so, five seconds at most.
async fn soon(so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() && began.elapsed() < Duration::from_secs(5) {
        sleep(Duration::from_millis(2)).await;
    }
}

fn progress(client: &Client, answers: &Answers, simulator: &Simulator) -> String {
    format!(
        "{:4.0} s: {} calls answered, {} dialled, {} requests of clients",
        client.metrics.now().as_secs_f64(),
        answers.count(),
        simulator.requests_total(),
        client.metrics.count()
    )
}
