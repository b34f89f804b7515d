//! What the database is asked for, as the log lines tell it, and that it does not grow with what is stored.

use serde_json::json;

use crate::events::{event, post_signed};
use crate::http::{Reply, turn};
use crate::ledger::{Ledger, test};

/// A number whose conversation never ends.
const TALKS_ON: &str = "+15550100209";

/// Round trips, rows read and rows written for a request.
async fn cost(ledger: &Ledger, reply: &Reply) -> [u64; 3] {
    let line = ledger.line(reply.request_id()).await;
    assert_eq!(line["db_retries"], 0, "{line}");
    ["db_round_trips", "db_rows_read", "db_rows_written"].map(|field| line[field].as_u64().unwrap())
}

/// Stores so many calls of other drivers, each with three turns.
async fn store_other_calls(ledger: &Ledger, count: u32) {
    let stem = ledger.driver();
    ledger
        .execute(&format!(
            "INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, created_at, updated_at) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
             SELECT 'EL_bulk_{stem}_' || i, 'conv_bulk_{stem}_' || i, 100000 + i % 50, \
               strftime('%Y-%m-%dT%H:%M:%fZ', 1700000000 + i * 60, 'unixepoch'), 'completed', '2023-11-14', '2023-11-14' \
             FROM n; \
             INSERT INTO call_transcriptions \
               (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
             SELECT c.conversation_id, 'agent', 'Hello', c.call_start_time, s.value, c.created_at \
             FROM calls c, json_each('[1,2,3]') s WHERE c.conversation_id LIKE 'conv_bulk_{stem}_%'"
        ))
        .await;
}

#[test]
fn a_turn_costs_one_round_trip_and_one_written_row() {
    test(async |ledger| {
        let (call_sid, _) = ledger.seed_call().await;
        let mut most_read = 0;
        for second in 0..5 {
            let reply = ledger.http.turn(&turn(&call_sid, second, "priced")).await;
            let [round_trips, read, written] = cost(ledger, &reply).await;
            assert_eq!((reply.status, round_trips, written), (201, 1, 1));
            most_read = most_read.max(read);
        }
        assert!(most_read <= 20, "{most_read} rows read for the fifth turn");
        // A repeat writes nothing.
        let repeat = ledger.http.turn(&turn(&call_sid, 0, "priced")).await;
        let [round_trips, _, written] = cost(ledger, &repeat).await;
        assert_eq!((repeat.status, round_trips, written), (200, 2, 0));
    });
}

#[test]
fn a_whole_call_of_forty_turns_writes_at_most_sixty_rows() {
    test(async |ledger| {
        let placed = ledger.http.place(&[(ledger.driver(), TALKS_ON)]).await;
        assert_eq!(placed.status, 201, "{}", placed.text);
        // Its turns and its event are those of a call of which nobody else posts any.
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let mut costs = vec![cost(ledger, &placed).await];
        let mut closing = event(&conversation_id, None);
        let mut transcript = Vec::new();
        for second in 0..40 {
            let turn = turn(&call_sid, second, &format!("turn {second}"));
            transcript.push(json!({ "role": turn["speaker"], "message": turn["message"], "time_in_call_secs": second }));
            let reply = ledger.http.turn(&turn).await;
            assert_eq!(reply.status, 201, "{}", reply.text);
            costs.push(cost(ledger, &reply).await);
        }
        closing["data"]["transcript"] = json!(transcript);
        let settled = post_signed(ledger, &closing).await;
        assert_eq!(settled.body["status"], "applied", "{}", settled.text);
        costs.push(cost(ledger, &settled).await);
        assert_eq!(ledger.turns(&conversation_id).len(), 40);
        let written: u64 = costs.iter().map(|[_, _, written]| written).sum();
        println!("a call of forty turns: {written} rows written");
        assert!(written <= 60, "{written}: {costs:?}");
    });
}

#[test]
fn a_late_turn_costs_the_same_however_long_the_conversation_is() {
    test(async |ledger| {
        let mut costs = Vec::new();
        for length in [60, 600] {
            let (call_sid, conversation_id) = ledger.seed_call().await;
            ledger
                .execute(&format!(
                    "INSERT INTO call_transcriptions \
                       (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at, origin) \
                     WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {length}) \
                     SELECT '{conversation_id}', 'agent', 'turn ' || i, '2025-11-22T10:30:00.000Z', i, '2025-11-22', 'posted' \
                     FROM n; \
                     UPDATE calls SET status = 'completed', transcript_revision = 1 WHERE call_sid = '{call_sid}'"
                ))
                .await;
            let reply = ledger.http.turn(&turn(&call_sid, 0, "early")).await;
            assert_eq!(reply.status, 201, "{}", reply.text);
            assert_eq!(reply.body["sequence_number"], length - 49);
            let [round_trips, _, written] = cost(ledger, &reply).await;
            costs.push((round_trips, written));
        }
        assert_eq!(costs[0], costs[1]);
        // Fifty turns move, two written rows each, and one is new.
        assert_eq!(costs[0], (3, 101));
    });
}

#[test]
fn placing_costs_one_round_trip_for_all_and_one_for_each_answer() {
    test(async |ledger| {
        for count in [1, 3] {
            let drivers: Vec<_> = (0..count).map(|_| (ledger.driver(), TALKS_ON)).collect();
            let reply = ledger.http.place(&drivers).await;
            assert_eq!(
                (reply.status, cost(ledger, &reply).await[0]),
                (201, count + 1)
            );
            let again = ledger.http.place(&drivers).await;
            let [round_trips, _, written] = cost(ledger, &again).await;
            assert_eq!((again.status, round_trips, written), (200, 1, 0));
        }
        // A refusal costs as much as an acceptance, bad input nothing at all.
        let refused = ledger
            .http
            .place(&[(ledger.driver(), "+15550100100")])
            .await;
        assert_eq!((refused.status, cost(ledger, &refused).await[0]), (502, 2));
        let bad = ledger.http.place(&[(ledger.driver(), "1")]).await;
        assert_eq!((bad.status, cost(ledger, &bad).await), (400, [0, 0, 0]));
        let bad = ledger.http.turn(&json!({ "call_sid": "x" })).await;
        assert_eq!((bad.status, cost(ledger, &bad).await), (400, [0, 0, 0]));
    });
}

/// What placing a call, its first three turns, reading it in three ways, and settling it cost.
async fn cost_of_a_call(ledger: &Ledger) -> Vec<[u64; 3]> {
    let placed = ledger.http.place(&[(ledger.driver(), TALKS_ON)]).await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    let mut costs = vec![cost(ledger, &placed).await];
    let (call_sid, conversation_id) = ledger.seed_call().await;
    // Whoever reads an index to the end of a conversation reads the first entry of the next one too, if there is one.
    ledger
        .execute(&format!(
            "INSERT INTO calls (call_sid, conversation_id, call_start_time, status, created_at, updated_at) \
             VALUES ('{call_sid}_next', '{conversation_id}_next', '2023', 'completed', '2023', '2023'); \
             INSERT INTO call_transcriptions \
               (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
             VALUES ('{conversation_id}_next', 'agent', 'Hello', '2023', 1, '2023')"
        ))
        .await;
    for second in 0..3 {
        let reply = ledger.http.turn(&turn(&call_sid, second, "priced")).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        costs.push(cost(ledger, &reply).await);
    }
    let driver = ledger.call(&call_sid).unwrap()["driver_id"].clone();
    for path in [
        format!("/calls/{call_sid}"),
        format!("/calls/{call_sid}/transcription"),
        format!("/calls?driver_id={driver}"),
    ] {
        let reply = ledger.http.get(&path).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        costs.push(cost(ledger, &reply).await);
    }
    let settled = post_signed(ledger, &event(&conversation_id, None)).await;
    assert_eq!(settled.body["status"], "applied", "{}", settled.text);
    costs.push(cost(ledger, &settled).await);
    costs
}

#[test]
fn the_price_does_not_grow_with_what_is_stored() {
    test(async |ledger| {
        store_other_calls(ledger, 10).await;
        let few = cost_of_a_call(ledger).await;
        store_other_calls(ledger, 4000).await;
        let stored = ledger.rows("SELECT count(*) AS calls FROM calls", &[]);
        assert!(stored[0]["calls"].as_u64() > Some(4000), "{stored:?}");
        let many = cost_of_a_call(ledger).await;
        assert_eq!(few, many);
        let round_trips: Vec<_> = many.iter().map(|[round_trips, ..]| *round_trips).collect();
        assert_eq!(round_trips, [2, 1, 1, 1, 1, 1, 1, 2]);
    });
}
