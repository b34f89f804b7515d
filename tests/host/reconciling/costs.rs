//! What a piece of the reconciler's work costs at worst: what [`Piece::worst`] says.

use call_ledger::elevenlabs::ApiAnswer;
use call_ledger::ledger::reconcile::Piece;
use call_ledger::platform::plan::{Cost, Plan};
use serde_json::{Value, json};

use crate::support::events::{
    Books, DAY, HOUR, MINUTE, Run, STARTED, conversation, empty_world, transcription,
    world_with_calls,
};
use crate::support::sqlite::Fault::{None as Good, Refused};
use crate::support::world::{PLACE, TURN, World, place_body, turn_body};

/// What a run spent beyond what it spends when there is nothing to do.
fn beyond_idle(run: &Run, idle: u32) -> Cost {
    Cost {
        statements: run.statements - idle,
        requests: u32::try_from(run.asked.len()).unwrap(),
    }
}

/// A version of driver 7's transcript that removes, moves, rewrites and inserts turns of the
/// first one.
fn second_version() -> Value {
    conversation(7, &[(0, "A:New"), (1, "A:Hello"), (4, "D: Hi")])
}

/// A settled call whose turns are partly posted, partly ElevenLabs' own.
async fn settled() -> World {
    let world = world_with_calls(&[7]).await;
    world.say_all(7, &[(1, "A:Hello"), (4, "D:Hi")]).await;
    let first = conversation(7, &[(1, "A:Hello"), (4, "D:Hi"), (9, "A:Old")]);
    assert_eq!(world.deliver(&transcription(first)).await, "applied");
    world
}

/// Delivers an event that is kept but not applied, because the database fails in between.
async fn keep(world: &World, event: &Value) {
    world
        .database
        .fail_next([Good, Refused("D1_ERROR: internal error: SQLITE_ERROR")]);
    assert_eq!(world.deliver(event).await, "kept");
    world.runtime.advance(1);
}

/// Keeps the conversation's end beside the event that waits, and runs the reconciler over both.
async fn reconcile_the_end(world: &World) -> Cost {
    let mut end = transcription(second_version());
    end["event_timestamp"] = json!(STARTED + 300);
    keep(world, &end).await;
    world
        .database
        .execute("UPDATE calls SET status = 'failed', failure_reason = 'no_outcome'");
    world.runtime.advance(MINUTE);
    let run = world.reconcile().await;
    assert_eq!(world.words(7).await, ["A:New", "A:Hello", "D: Hi"]);
    assert_eq!(world.outcomes(), ["applied", "kept", "applied"]);
    beyond_idle(&run, 2)
}

async fn worst_event() -> Cost {
    let world = settled().await;
    let mut running = conversation(7, &[]);
    running["status"] = json!("in-progress");
    let mut running = transcription(running);
    running["event_timestamp"] = json!(STARTED + 200);
    keep(&world, &running).await;
    reconcile_the_end(&world).await
}

/// The same where one of the events was too large to keep, and ElevenLabs is asked.
async fn worst_large_event() -> Cost {
    let world = settled().await;
    let mut running = second_version();
    running["status"] = json!("in-progress");
    Books::open(&world, [running]);
    let mut large = transcription(second_version());
    large["event_timestamp"] = json!(STARTED + 200);
    large["data"]["filling"] = json!("x".repeat(1_900_000));
    keep(&world, &large).await;
    reconcile_the_end(&world).await
}

async fn worst_call() -> Cost {
    let world = settled().await;
    world
        .database
        .execute("UPDATE calls SET status = 'in_progress'");
    Books::open(&world, [second_version()]);
    world.runtime.advance(HOUR);
    let run = world.reconcile().await;
    assert_eq!(world.words(7).await, ["A:New", "A:Hello", "D: Hi"]);
    beyond_idle(&run, 2)
}

/// A claimed call, and an ElevenLabs that lists other conversations than it is asked for.
async fn worst_search() -> Cost {
    let world = empty_world();
    world.script(|_| Err(call_ledger::elevenlabs::TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    let mut turn = turn_body(7, 2, "Hello");
    turn["conversation_id"] = json!("conv_invented");
    assert_eq!(world.post(TURN, &turn).await.status, 201);
    world.script(|request| {
        let (_, asked) = request.url.split_once("/v1/convai/conversations").unwrap();
        let from = if asked.contains("user_id") { 100 } else { 200 };
        let body = match asked.strip_prefix("/conv_") {
            Some("invented") => {
                let body = String::new();
                return Ok(ApiAnswer { status: 404, body });
            }
            Some(driver) => conversation(driver.parse().unwrap(), &[]),
            None => {
                let listed = (from..from + 10)
                    .map(|driver| json!({ "conversation_id": format!("conv_{driver}") }));
                json!({ "conversations": listed.collect::<Vec<_>>() })
            }
        };
        let body = body.to_string();
        Ok(ApiAnswer { status: 200, body })
    });
    world.runtime.advance(HOUR);
    beyond_idle(&world.reconcile().await, 2)
}

async fn worst_texts() -> Cost {
    let world = empty_world();
    world.settings.set("RETENTION_DAYS", "1");
    let old = "2025-11-01T10:30:00.000Z";
    world.database.execute(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
         INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, summary, created_at, updated_at) \
         SELECT 'EL_' || i, 'conv_' || i, i, '{old}', 'completed', 'They spoke.', '{old}', '' FROM n LIMIT 40; \
         INSERT INTO call_transcriptions \
           (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
         SELECT conversation_id, 'agent', 'Hello', '', 1, '{old}' FROM calls; \
         INSERT INTO elevenlabs_events \
           (type, conversation_id, event_timestamp, payload, received_at, tried_at, outcome) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
         SELECT 'post_call_transcription', 'conv_' || i, 1, '{{}}', '{old}', '{old}', 'applied' FROM n"
    ));
    world.runtime.advance(DAY);
    let run = world.reconcile().await;
    assert_eq!(run.line["reconciled"]["texts_cleared"], 580);
    beyond_idle(&run, 5)
}

fn worst_of(costs: &[Cost]) -> Cost {
    Cost {
        statements: costs.iter().map(|cost| cost.statements).max().unwrap(),
        requests: costs.iter().map(|cost| cost.requests).max().unwrap(),
    }
}

#[tokio::test]
async fn the_worst_cases_are_what_the_pieces_reserve() {
    let event = worst_of(&[worst_event().await, worst_large_event().await]);
    assert_eq!(event, Piece::Event.worst());
    let call = worst_of(&[worst_call().await, worst_search().await]);
    assert_eq!(call, Piece::Call.worst());
    assert_eq!(worst_texts().await, Piece::Texts.worst());
}

#[test]
fn every_plan_allows_a_run_one_piece_of_each_kind() {
    for plan in [Plan::Free, Plan::Paid] {
        let limits = plan.limits();
        let statements: u32 = Piece::ALL
            .iter()
            .map(|piece| piece.worst().statements)
            .sum();
        let requests: u32 = Piece::ALL.iter().map(|piece| piece.worst().requests).sum();
        assert!(statements <= limits.statements && requests <= limits.requests);
    }
}
