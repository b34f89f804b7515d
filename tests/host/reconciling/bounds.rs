//! How much one run of the reconciler does: little, whatever has piled up.

use call_ledger::elevenlabs::ApiAnswer;
use serde_json::{Value, json};

use crate::support::events::{
    Books, DAY, HOUR, MINUTE, STARTED, at, conversation, empty_world, failure, transcription,
    world_with_calls,
};
use crate::support::world::{World, sid};

/// What the free plan allows one run, of statements and of requests.
pub const ALLOWED: u32 = 50;

/// Calls of these drivers that were recorded but never settled.
pub fn add_calls(world: &World, drivers: impl Iterator<Item = u32>, linked: bool) {
    for driver in drivers {
        let conversation_id = if linked {
            format!("'conv_{driver}'")
        } else {
            "NULL".to_owned()
        };
        world.database.execute(&format!(
            "INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, created_at, updated_at) \
             VALUES ('{}', {conversation_id}, {driver}, '2025-11-21T10:30:01.000Z', 'in_progress', \
                     '2025-11-21T10:30:01.000Z', '')",
            sid(driver)
        ));
    }
}

fn unsettled(world: &World) -> i64 {
    let sql = "SELECT (SELECT count(*) FROM calls WHERE status = 'in_progress' OR failure_reason = 'outcome_unknown') \
               + (SELECT count(*) FROM elevenlabs_events WHERE outcome = 'kept')";
    world.database.value(sql).as_i64().unwrap()
}

/// Runs every five minutes until nothing is left; says how many runs that took.
async fn run_until_settled(world: &World) -> u32 {
    for runs in 1..1000 {
        world.runtime.advance(5 * MINUTE);
        let run = world.reconcile().await;
        assert!(run.statements <= ALLOWED, "{} statements", run.statements);
        assert!(
            run.asked.len() <= ALLOWED as usize,
            "{} requests",
            run.asked.len()
        );
        assert_eq!(run.line["level"], "info", "{}", run.line);
        if unsettled(world) == 0 {
            return runs;
        }
    }
    panic!("{} are left", unsettled(world));
}

#[tokio::test]
async fn hundreds_of_calls_and_events_are_settled_in_bounded_runs() {
    let world = empty_world();
    world.settings.set("RETENTION_DAYS", "30");
    // Linked ones that ElevenLabs knows, unlinked ones that it knows, and ones it does not know.
    let turns = [(1, "A:Hello"), (4, "D:Hi"), (9, "A:Bye")];
    Books::open(&world, (0..200).map(|driver| conversation(driver, &turns)));
    // And events of others, some of them with two, all from before their call was on record.
    for driver in 300..400 {
        if driver % 3 == 0 {
            assert_eq!(world.deliver(&failure(driver, "busy")).await, "kept");
        }
        let event = transcription(conversation(driver, &turns));
        assert_eq!(world.deliver(&event).await, "kept");
        world.runtime.advance(1);
    }
    add_calls(&world, 0..100, true);
    add_calls(&world, 100..250, false);
    add_calls(&world, 300..400, true);
    let runs = run_until_settled(&world).await;
    assert!(runs < 250, "{runs} runs");
    let settled = world.database.query(
        "SELECT status, failure_reason, count(*) AS calls FROM calls GROUP BY 1, 2 ORDER BY 1",
    );
    assert_eq!(
        settled,
        [
            json!({ "status": "completed", "failure_reason": null, "calls": 300 }),
            json!({ "status": "failed", "failure_reason": "never_started", "calls": 50 }),
        ]
    );
    let turns = world
        .database
        .value("SELECT count(*) FROM call_transcriptions");
    assert_eq!(turns, 900);
}

#[tokio::test]
async fn long_transcripts_keep_a_run_within_its_bounds() {
    let world = empty_world();
    world.settings.set("RETENTION_DAYS", "1");
    let words = "w ".repeat(500);
    let texts: Vec<String> = (0..1500).map(|n| format!("A:{n} {words}")).collect();
    let turns: Vec<_> = (0..)
        .zip(&texts)
        .map(|(n, text)| (n, text.as_str()))
        .collect();
    Books::open(&world, (0..6).map(|driver| conversation(driver, &turns)));
    for driver in 0..3 {
        let event = transcription(conversation(driver, &turns[..1000]));
        assert_eq!(world.deliver(&event).await, "kept");
    }
    add_calls(&world, 0..6, true);
    run_until_settled(&world).await;
    let sql = "SELECT count(*) FROM calls WHERE status = 'completed'";
    assert_eq!(world.database.value(sql), 6);
}

#[tokio::test]
async fn clearing_texts_fits_into_the_bounds_of_a_busy_run() {
    let world = empty_world();
    world.settings.set("RETENTION_DAYS", "1");
    // The payloads of some events are cleared while they wait; ElevenLabs still has them.
    Books::open(
        &world,
        (0..340).map(|driver| conversation(driver, &[(1, "A:Hello")])),
    );
    world.runtime.advance(-3 * DAY);
    for driver in 300..340 {
        let event = transcription(conversation(driver, &[(1, "A:Hello")]));
        assert_eq!(world.deliver(&event).await, "kept");
    }
    add_calls(&world, 300..340, true);
    world.runtime.advance(3 * DAY);
    add_calls(&world, 0..100, true);
    run_until_settled(&world).await;
    let sql = "SELECT count(*) FROM calls WHERE status = 'completed'";
    assert_eq!(world.database.value(sql), 140);
    assert!(world.outcomes().iter().all(|outcome| outcome == "applied"));
}

/// The steps of one run that finds nothing to do, or one call.
async fn cost(world: &World) -> i64 {
    world.runtime.advance(DAY);
    world.database.take_steps();
    world.reconcile().await;
    world.database.take_steps()
}

/// A world with so many settled calls, each with a turn and an applied event.
fn world_with_settled(calls: u32) -> World {
    let world = empty_world();
    Books::open(&world, [conversation(7, &[(1, "A:Hello")])]);
    let old = "2025-11-20T10:30:00.000Z";
    world.database.execute(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {calls}) \
         INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, failure_reason, \
           transcript_revision, created_at, updated_at) \
         SELECT 'EL_' || i, 'other_' || i, i, '{old}', CASE i % 2 WHEN 0 THEN 'completed' ELSE 'failed' END, \
           CASE i % 2 WHEN 0 THEN NULL ELSE 'busy' END, 1, '{old}', '' FROM n; \
         INSERT INTO call_transcriptions \
           (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
         SELECT conversation_id, 'agent', 'Hello', '', 1, '{old}' FROM calls; \
         INSERT INTO elevenlabs_events \
           (type, conversation_id, event_timestamp, payload, received_at, tried_at, outcome) \
         SELECT 'post_call_transcription', conversation_id, 1, '{{}}', '{old}', '{old}', 'applied' FROM calls"
    ));
    world
}

#[tokio::test]
async fn a_run_over_ten_thousand_settled_calls_costs_no_more_than_over_ten() {
    let mut costs = Vec::new();
    for settled in [10, 10_000] {
        let world = world_with_settled(settled);
        let idle = cost(&world).await;
        add_calls(&world, 7..8, true);
        costs.push([idle, cost(&world).await]);
        assert_eq!(unsettled(&world), 0);
    }
    for (few, many) in costs[0].iter().zip(&costs[1]) {
        assert!((10..3000).contains(few), "{costs:?}");
        assert!(many - few <= few / 4, "{costs:?}");
    }
}

#[tokio::test]
async fn a_run_that_clears_texts_reads_some_pages_of_each_table_whatever_there_is() {
    for days in ["300", "1"] {
        let mut costs = Vec::new();
        for settled in [3_000, 10_000] {
            let world = world_with_settled(settled);
            world.settings.set("RETENTION_DAYS", days);
            world.runtime.advance(DAY);
            costs.push(cost(&world).await);
        }
        assert!(costs[1] - costs[0] <= costs[0] / 20, "{costs:?}");
    }
}

#[tokio::test]
async fn no_statement_of_a_run_walks_a_table() {
    let world = empty_world();
    world.settings.set("RETENTION_DAYS", "1");
    Books::open(
        &world,
        [7, 8].map(|driver| conversation(driver, &[(1, "A:Hello")])),
    );
    assert_eq!(
        world
            .deliver(&transcription(conversation(9, &[(1, "A:Hi")])))
            .await,
        "kept"
    );
    add_calls(&world, 7..8, true);
    add_calls(&world, 8..9, false);
    add_calls(&world, 9..11, false);
    for _ in 0..3 {
        world.runtime.advance(5 * DAY);
        world.reconcile().await;
    }
    assert_eq!(unsettled(&world), 0);
    let statements = world.database.statements();
    assert!(statements.len() > 15);
    for statement in statements {
        let plan = world.database.plan_of(&statement);
        let walks = |line: &String| {
            let own = line.contains("VIRTUAL TABLE") || line.contains("CONSTANT ROW");
            // A page is a bounded part of a table, already read.
            line.starts_with("SCAN") && !own && !line.contains("page") && !line.contains("progress")
        };
        assert!(!plan.iter().any(walks), "{}\n{plan:#?}", statement.sql);
    }
}

#[tokio::test]
async fn an_elevenlabs_that_ignores_its_filters_is_asked_no_more_than_allowed() {
    let drivers: Vec<u32> = (1..=12).collect();
    let world = world_with_calls(&drivers).await;
    world
        .database
        .execute("UPDATE calls SET conversation_id = NULL");
    let others: Vec<Value> = (100..110).map(|driver| conversation(driver, &[])).collect();
    world.script(move |request| {
        let (_, asked) = request.url.split_once("/v1/convai/conversations").unwrap();
        let one = |id: &str| others.iter().find(|one| one["conversation_id"] == id);
        let body = match asked.strip_prefix('/') {
            Some(id) => one(id).unwrap().to_string(),
            None => json!({ "conversations": others, "has_more": false }).to_string(),
        };
        Ok(ApiAnswer { status: 200, body })
    });
    world.runtime.advance(HOUR);
    let run = world.reconcile().await;
    assert!(run.asked.len() <= 50, "{} requests", run.asked.len());
}

#[tokio::test]
async fn many_events_of_one_conversation_keep_a_run_within_its_bounds() {
    let world = empty_world();
    // A cheap conversation first, so that the dear one still begins.
    for (driver, count) in [(1, 2), (2, 5)] {
        for number in 0..count {
            let mut event = transcription(conversation(driver, &[(1, "A:Hello"), (2, "D:Yes.")]));
            event["event_timestamp"] = json!(STARTED + number);
            event["data"]["transcript"][0]["message"] = json!(format!("Hello {number}"));
            assert_eq!(world.deliver(&event).await, "kept");
            world.runtime.advance(1);
        }
    }
    for driver in 1..=2 {
        world.database.execute(&format!(
            "INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, created_at, updated_at) \
             VALUES ('{}', 'conv_{driver}', {driver}, '{start}', 'in_progress', '{start}', '{start}')",
            sid(driver),
            start = at(0)
        ));
    }
    for _ in 0..4 {
        world.runtime.advance(5 * MINUTE);
        let run = world.reconcile().await;
        assert!(run.statements <= 50, "{} statements", run.statements);
    }
}
