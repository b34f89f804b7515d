//! What the statements of a call's life cost: SQLite finds rows by index and never walks a table.

use call_ledger::elevenlabs::TransportError;
use call_ledger::model::{CallStatus, DriverId, UtcTime};
use call_ledger::store::Statement;
use call_ledger::store::reading::{CallFilter, Position, list_statement};
use call_ledger::store::settlement::{SELECT_CALL, SELECT_TURNS};
use call_ledger::store::turns::SAVE_TRANSCRIPTION;
use serde_json::json;

use crate::support::world::{PLACE, TURN, World, place_body, sid, turn_body};

/// A world in which every statement of placing calls and recording turns has been sent.
async fn world_with_a_life() -> World {
    let world = World::new();
    world.post(PLACE, &place_body(&[7, 8])).await;
    world.post(TURN, &turn_body(7, 1, "Hello")).await;
    world.post(TURN, &turn_body(7, 1, "Hello")).await;
    world.script(|_| Err(TransportError::Timeout));
    world.post(PLACE, &place_body(&[9])).await;
    let mut first = turn_body(9, 1, "Hello");
    first["conversation_id"] = json!("conv_9");
    assert_eq!(world.post(TURN, &first).await.status, 201);
    world.get(&format!("/calls/{}", sid(7))).await;
    world.get(&format!("/calls/{}/transcription", sid(7))).await;
    world
}

/// Whether a line of a plan walks a table. `json_each` is no table: it is the parameter itself.
fn walks(line: &str) -> bool {
    line.starts_with("SCAN") && !line.contains("VIRTUAL TABLE") && line != "SCAN CONSTANT ROW"
}

#[tokio::test]
async fn no_statement_of_a_calls_life_walks_a_table() {
    let world = world_with_a_life().await;
    let statements = world.database.statements();
    let about = |verb: &str| {
        statements
            .iter()
            .filter(|one| one.sql.starts_with(verb))
            .count()
    };
    assert!(
        about("INSERT") >= 2 && about("UPDATE") >= 3 && about("SELECT") >= 4,
        "{statements:#?}"
    );
    for statement in &statements {
        let plan = world.database.plan_of(statement);
        assert!(
            !plan.iter().any(|line| walks(line)),
            "{}\n{plan:#?}",
            statement.sql
        );
    }
}

#[tokio::test]
async fn a_turn_is_stored_by_searches_of_one_call() {
    let world = world_with_a_life().await;
    let turn = Statement::new(SAVE_TRANSCRIPTION)
        .bind(sid(7))
        .bind("agent")
        .bind("Hi")
        .bind("")
        .bind("")
        .bind(None::<&str>)
        .bind(0);
    let plan = world.database.plan_of(&turn);
    let searches = |table: &str| plan.iter().filter(|line| line.starts_with(table)).count();
    // The call by its name, and by its conversation, for the driver in the log line.
    assert_eq!(searches("SEARCH c USING INDEX"), 2, "{plan:#?}");
    // The last place, twice as it is said twice, and the turns of this conversation.
    let by_conversation = "SEARCH t USING PRIMARY KEY (conversation_id=?)";
    assert_eq!(searches(by_conversation), 3, "{plan:#?}");
    assert_eq!(searches("SEARCH t"), 3, "{plan:#?}");
    assert_eq!(
        searches("SEARCH retention_progress USING PRIMARY KEY"),
        1,
        "{plan:#?}"
    );
    assert!(
        !plan
            .iter()
            .any(|line| line.contains("SCAN") || line.contains("TEMP B-TREE")),
        "{plan:#?}"
    );
}

#[tokio::test]
async fn every_list_is_read_off_one_index_and_never_sorted() {
    let world = World::new();
    let time = UtcTime::parse("2025-11-21T10:30:00Z").ok();
    let after = Some(Position {
        call_start_time: String::new(),
        id: 1,
    });
    let driver = DriverId::new(7).ok();
    let status = Some(CallStatus::Failed);
    for (driver_id, status, index) in [
        (None, None, "idx_calls_start_time"),
        (driver, None, "idx_calls_driver_start_time (driver_id=?"),
        (None, status, "idx_calls_status_start_time (status=?"),
        (driver, status, "idx_calls_driver_start_time (driver_id=?"),
    ] {
        for (from, to, after) in [
            (None, None, None),
            (time, None, None),
            (None, time, None),
            (time, time, None),
            (None, None, after.clone()),
            (time, time, after.clone()),
        ] {
            let filter = CallFilter {
                status,
                driver_id,
                from,
                to,
                after,
            };
            let plan = world.database.plan_of(&list_statement(&filter, 51));
            assert!(plan[0].contains(index), "{filter:?}: {plan:#?}");
            let bounded = filter != CallFilter::default();
            assert!(
                !bounded || plan[0].starts_with("SEARCH c"),
                "{filter:?}: {plan:#?}"
            );
            assert!(
                !plan.iter().any(|line| line.contains("TEMP B-TREE")),
                "{filter:?}: {plan:#?}"
            );
        }
    }
}

#[tokio::test]
async fn a_call_to_settle_is_found_by_its_conversation_or_its_name() {
    let world = World::new();
    let call = Statement::new(SELECT_CALL).bind("conv_7").bind(sid(7));
    let plan = world.database.plan_of(&call);
    assert_eq!(
        plan.iter()
            .filter(|line| line.starts_with("SEARCH c USING INDEX"))
            .count(),
        2,
        "{plan:#?}"
    );
    let turns = world
        .database
        .plan_of(&Statement::new(SELECT_TURNS).bind("conv_7"));
    let search = "SEARCH call_transcriptions USING PRIMARY KEY (conversation_id=?)";
    assert_eq!(turns, [search]);
}

/// Calls and turns that have nothing to do with those of the test.
fn add_others(world: &World) {
    world.database.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
         INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, created_at, updated_at) \
         SELECT 'EL_' || (1000 + i) || '_1', 'other_' || i, 1000 + i, '', 'in_progress', '', '' FROM n; \
         INSERT INTO call_transcriptions \
           (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
         SELECT conversation_id, 'agent', 'Hello', '2025-11-21T10:30:01.000Z', 1, '' FROM calls \
         WHERE conversation_id LIKE 'other_%'",
    );
}

#[tokio::test]
async fn what_a_request_costs_does_not_grow_with_the_other_calls() {
    let costs = async |others: bool| {
        let world = World::new();
        world.post(PLACE, &place_body(&[7])).await;
        if others {
            add_others(&world);
        }
        let mut costs = Vec::new();
        for (path, body) in [
            (PLACE, place_body(&[8, 9])),
            (PLACE, place_body(&[7, 8])),
            (TURN, turn_body(7, 1, "Hello")),
            (TURN, turn_body(7, 1, "Hello")),
            (TURN, turn_body(99, 1, "Hello")),
        ] {
            world.database.take_steps();
            world.post(path, &body).await;
            costs.push(world.database.take_steps());
        }
        costs
    };
    let (few, many) = (costs(false).await, costs(true).await);
    assert!(few.iter().all(|cost| (10..2000).contains(cost)), "{few:?}");
    for (few, many) in few.iter().zip(&many) {
        assert!(
            many - few <= few / 10,
            "{few} steps alone, {many} among others"
        );
    }
}

#[tokio::test]
async fn a_turn_reads_its_own_conversation_only_once() {
    let world = World::new();
    world.post(PLACE, &place_body(&[7])).await;
    let mut costs = Vec::new();
    for second in 0..50 {
        world.database.take_steps();
        world.post(TURN, &turn_body(7, second, "Hello")).await;
        costs.push(world.database.take_steps());
    }
    // Each turn before costs the next one the few steps of one comparison.
    let each = (costs[49] - costs[9]) / 40;
    assert!(
        (1..=12).contains(&each),
        "{each} steps for each earlier turn: {costs:?}"
    );
}
