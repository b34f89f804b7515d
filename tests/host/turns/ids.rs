//! The ids of turns: one for each turn, for ever, without a written row for them. And what a turn writes.

use call_ledger::model::{nth_turn, transcription_id};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::events::{STARTED, conversation, transcription, world_with_calls};
use crate::support::sqlite::Fault::{AnswerLost, None as Well};
use crate::support::sqlite::TRANSIENT;
use crate::support::world::{TURN, World, sid, turn_body};

/// The ids of driver 7's turns in order, as the how-manieth turn of the first call each one is.
fn nths(world: &World) -> Vec<i64> {
    let rows = world.database.query(
        "SELECT t.id FROM call_transcriptions t JOIN calls c ON c.conversation_id = t.conversation_id \
         WHERE c.id = 1 ORDER BY t.sequence_number",
    );
    let nth = |row: &Value| nth_turn(1, row["id"].as_i64().unwrap()).unwrap();
    rows.iter().map(nth).collect()
}

/// The event with these turns, as the n-th version of the transcript.
fn version(n: i64, turns: &[(i64, &str)]) -> Value {
    let mut event = transcription(conversation(7, turns));
    event["event_timestamp"] = json!(STARTED + 90 + n);
    event
}

#[test]
fn the_formula_is_exact_in_json_and_no_two_calls_share_an_id() {
    for call_id in [1, 2, 1_000_000, 1_000_000_000] {
        let (first, last) = (
            transcription_id(call_id, 1),
            transcription_id(call_id, (1 << 22) - 1),
        );
        assert!(first > 1 << 40 && last < 1 << 52);
        assert!(last < transcription_id(call_id + 1, 1));
        assert_eq!(
            (nth_turn(call_id, first), nth_turn(call_id, last)),
            (Some(1), Some((1 << 22) - 1))
        );
        assert_eq!(nth_turn(call_id + 1, last), None);
        assert_eq!(nth_turn(call_id, last + 1), None);
    }
    assert_eq!(nth_turn(1, 5), None);
}

#[tokio::test]
async fn turns_of_several_calls_at_once_have_ids_of_their_own() {
    let world = world_with_calls(&[7, 8, 9]).await;
    let turns = (0..60).map(|n| turn_body(7 + n % 3, n, "Hello"));
    let turns: Vec<_> = turns.collect();
    let replies = join_all(turns.iter().map(|turn| world.post(TURN, turn))).await;
    let mut ids: Vec<_> = replies
        .iter()
        .map(|reply| reply.body["transcription_id"].as_i64().unwrap())
        .collect();
    ids.sort_unstable();
    let expected = (1..=3).flat_map(|call| (1..=20).map(move |nth| transcription_id(call, nth)));
    assert!(ids.into_iter().eq(expected));
}

#[tokio::test]
async fn the_id_of_a_turn_that_was_removed_is_not_given_again() {
    let world = world_with_calls(&[7]).await;
    world.say(7, 1, "A:Hello").await;
    let first = version(0, &[(1, "A:Hello"), (4, "D:Hi"), (9, "A:Bye")]);
    assert_eq!(world.deliver(&first).await, "applied");
    assert_eq!(nths(&world), [1, 2, 3]);
    // ElevenLabs corrects itself: the two that nobody posted go.
    assert_eq!(
        world.deliver(&version(1, &[(1, "A:Hello")])).await,
        "applied"
    );
    assert_eq!(nths(&world), [1]);
    let late = world.say(7, 20, "D:Late").await;
    assert_eq!(
        nth_turn(1, late.body["transcription_id"].as_i64().unwrap()),
        Some(4)
    );
    let third = version(2, &[(1, "A:Hello"), (4, "D:Hi"), (6, "D:Hm"), (9, "A:Bye")]);
    assert_eq!(world.deliver(&third).await, "applied");
    assert_eq!(nths(&world), [1, 5, 6, 7, 4]);
    assert_eq!(world.deliver(&version(3, &[])).await, "applied");
    // Hello was posted, so it stays.
    assert_eq!(nths(&world), [1, 4]);
    world.say(7, 30, "D:Later").await;
    assert_eq!(nths(&world), [1, 4, 8]);
    let removed = "SELECT turns_removed FROM calls WHERE id = 1";
    assert_eq!(world.database.value(removed), 5);
}

#[tokio::test]
async fn a_lost_answer_gives_no_second_id() {
    let world = world_with_calls(&[7]).await;
    for (tries, text) in [(1, "D:one"), (2, "D:two"), (3, "D:three")] {
        world.database.fail_next(vec![AnswerLost(TRANSIENT); tries]);
        world.say(7, 1, text).await;
        world.database.clear_faults();
        assert_eq!(world.say(7, 1, text).await.status, 200, "{text}");
    }
    assert_eq!(nths(&world), [1, 2, 3]);
    let event = version(0, &[(1, "D:one"), (5, "A:four")]);
    world
        .database
        .fail_next([AnswerLost(TRANSIENT), AnswerLost(TRANSIENT)]);
    world.deliver(&event).await;
    for text in ["D:five", "D:six"] {
        world.database.clear_faults();
        // The first statement and the look at the call go well.
        let lost = AnswerLost(TRANSIENT);
        world
            .database
            .fail_next([Well, Well, lost.clone(), lost.clone(), lost]);
        assert_eq!(world.say(7, 60, text).await.status, 500);
        world.database.clear_faults();
        assert_eq!(world.say(7, 60, text).await.status, 200, "{text}");
    }
    let mut ids = nths(&world);
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_turn_that_was_deleted_by_hand_and_counted_leaves_its_id_unused() {
    let world = world_with_calls(&[7]).await;
    world.say_all(7, &[(1, "A:Hello"), (2, "D:Hi")]).await;
    world.database.execute(
        "DELETE FROM call_transcriptions WHERE sequence_number = 2; \
         UPDATE calls SET turns_removed = turns_removed + 1 WHERE id = 1",
    );
    world.say(7, 3, "D:Yes").await;
    assert_eq!(nths(&world), [1, 3]);
}

#[tokio::test]
async fn turns_of_code_from_before_ids_were_counted_get_no_id_twice() {
    let world = world_with_calls(&[7]).await;
    world
        .deliver(&version(0, &[(1, "A:Hello"), (4, "D:Hi"), (9, "A:Bye")]))
        .await;
    // Such code leaves the id to the default, and removes turns without counting them.
    world.database.execute(
        "DELETE FROM call_transcriptions WHERE sequence_number < 3; \
         UPDATE call_transcriptions SET sequence_number = 1; \
         INSERT INTO call_transcriptions (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
         VALUES ('conv_7', 'agent', 'old code', '2025-11-21T10:31:00.000Z', 2, '2025-11-21T10:31:00.000Z')",
    );
    let default = "SELECT id >= 1 << 52 AND id < (1 << 52) + (1 << 51) FROM call_transcriptions WHERE message_text = 'old code'";
    assert_eq!(world.database.value(default), 1);
    let late = world.say(7, 90, "D:Late").await;
    assert_eq!(late.body["transcription_id"], transcription_id(1, 4));
    let event = version(1, &[(1, "A:Hello"), (4, "D:Hi"), (9, "A:Bye")]);
    assert_eq!(world.deliver(&event).await, "applied");
    let ids = "SELECT COUNT(*) - COUNT(DISTINCT id) FROM call_transcriptions";
    assert_eq!(world.database.value(ids), 0);
    let next = world.say(7, 99, "D:Later").await;
    assert_eq!(next.body["transcription_id"], transcription_id(1, 7));
}

/// Round trips and rows written of the newest request, as its log line says. The rows here are without the entries
/// of indexes; `tests/worker/costs.rs` has them as D1 counts them.
fn cost(world: &World) -> (u64, u64) {
    let line = world.lines("request").pop().unwrap();
    let number = |field: &str| line[field].as_u64().unwrap();
    (number("db_round_trips"), number("db_rows_written"))
}

#[tokio::test]
async fn a_turn_writes_one_row_and_its_table_has_no_index() {
    let world = world_with_calls(&[7]).await;
    for second in 0..3 {
        world.post(TURN, &turn_body(7, second, "Hello")).await;
        assert_eq!(cost(&world), (1, 1));
        world.post(TURN, &turn_body(7, second, "Hello")).await;
        assert_eq!(cost(&world), (2, 0));
    }
    let kept = "SELECT wr FROM pragma_table_list('call_transcriptions')";
    assert_eq!(world.database.value(kept), 1);
    let indexes = "SELECT origin FROM pragma_index_list('call_transcriptions')";
    assert_eq!(world.database.query(indexes), [json!({ "origin": "pk" })]);
}

#[tokio::test]
async fn a_late_turn_at_the_end_writes_one_row_and_a_place_that_is_taken_one() {
    let world = world_with_calls(&[7]).await;
    world
        .deliver(&version(0, &[(1, "A:Hello"), (4, "D:Hi")]))
        .await;
    assert_eq!(world.say(7, 2, "A:Hello").await.status, 200);
    assert_eq!(cost(&world), (3, 1));
    assert_eq!(world.say(7, 90, "D:Late").await.status, 201);
    assert_eq!(cost(&world), (3, 1));
    // Two turns move, two written rows each.
    assert_eq!(world.say(7, 3, "D:Early").await.status, 201);
    assert_eq!(cost(&world), (3, 5));
}

#[tokio::test]
async fn a_call_of_forty_turns_writes_a_row_for_each_and_six_besides() {
    let world = world_with_calls(&[7]).await;
    let mut written = cost(&world).1;
    let texts: Vec<_> = (0..40).map(|n| format!("D:turn {n}")).collect();
    let turns: Vec<_> = (0..).zip(texts.iter().map(String::as_str)).collect();
    for (second, text) in &turns {
        world.say(7, *second, text).await;
        written += cost(&world).1;
    }
    assert_eq!(world.deliver(&version(0, &turns)).await, "applied");
    written += cost(&world).1;
    assert_eq!(world.turns(7).await.len(), 40);
    assert_eq!(world.call(&sid(7), "transcript_revision"), 1);
    assert_eq!(written, 46);
}
