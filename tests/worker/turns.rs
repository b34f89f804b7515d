//! Single turns: whose they are, under which number they are stored, and how often.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::http::{sid, turn};
use crate::ledger::{Ledger, SPOKEN, test};

/// The numbers under which the turns of a conversation are stored.
fn numbers(ledger: &Ledger, conversation_id: &str) -> Vec<i64> {
    let turns = ledger.turns(conversation_id);
    turns
        .iter()
        .map(|turn| turn["sequence_number"].as_i64().unwrap())
        .collect()
}

#[test]
fn sixty_four_turns_at_once_are_numbered_without_gap_or_repeat() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let turns: Vec<_> = (0..64)
            .map(|second| turn(&call_sid, second, "at once"))
            .collect();
        let replies = join_all(turns.iter().map(|turn| ledger.http.turn(turn))).await;
        let mut given: Vec<_> = replies
            .iter()
            .map(|reply| {
                assert_eq!(
                    (reply.status, &reply.body["status"]),
                    (201, &json!("success")),
                    "{}",
                    reply.text
                );
                reply.body["sequence_number"].as_i64().unwrap()
            })
            .collect();
        given.sort_unstable();
        let all: Vec<i64> = (1..=64).collect();
        assert_eq!((&given, &numbers(ledger, &conversation_id)), (&all, &all));
        // Each answer names the row that holds its turn.
        let stored = ledger.turns(&conversation_id);
        for (turn, reply) in turns.iter().zip(&replies) {
            let row = stored
                .iter()
                .find(|row| row["id"] == reply.body["transcription_id"])
                .unwrap();
            assert_eq!(row["sequence_number"], reply.body["sequence_number"]);
            assert_eq!(
                row["timestamp"].as_str().unwrap(),
                turn["timestamp"].as_str().unwrap().replace('Z', ".000Z")
            );
        }
    });
}

#[test]
fn clients_that_hang_up_leave_the_turns_of_the_others_alone() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let turns: Vec<_> = (0..60)
            .map(|second| turn(&call_sid, second, "some hang up"))
            .collect();
        let posts = turns.iter().enumerate().map(async |(index, turn)| {
            if index % 3 == 2 {
                return Some(ledger.http.turn(turn).await);
            }
            let patience = Duration::from_millis(index as u64);
            timeout(patience, ledger.http.turn(turn)).await.ok()
        });
        let started = Instant::now();
        let replies = join_all(posts).await;
        for reply in replies.iter().flatten() {
            assert_eq!(reply.status, 201, "{}", reply.text);
        }
        assert!(replies.iter().skip(2).step_by(3).all(Option::is_some));
        assert!(started.elapsed() < Duration::from_secs(10));
        // Everybody asks again, and then every turn is there once.
        for reply in join_all(turns.iter().map(|turn| ledger.http.turn(turn))).await {
            assert!([200, 201].contains(&reply.status), "{}", reply.text);
        }
        let all: Vec<i64> = (1..=60).collect();
        assert_eq!(numbers(ledger, &conversation_id), all);
    });
}

#[test]
fn one_turn_ten_times_at_once_is_stored_once() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let turn = turn(&call_sid, 0, "only once");
        let replies = join_all((0..10).map(|_| ledger.http.turn(&turn))).await;
        let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 200, 200, 201]);
        let first = ledger.turns(&conversation_id);
        assert_eq!(first.len(), 1);
        let expected = json!({
            "status": "success", "message": format!("Transcription saved for call {call_sid}"),
            "call_sid": call_sid, "transcription_id": first[0]["id"], "sequence_number": 1,
        });
        for reply in &replies {
            assert_eq!(reply.body, expected);
        }
        // The same moment in another offset is the same turn; another speaker, text or moment is another.
        let vary = |field: &str, value: Value| {
            let mut other = turn.clone();
            other[field] = value;
            other
        };
        for (other, status) in [
            (vary("timestamp", json!("2025-11-21T11:31:00+01:00")), 200),
            (vary("speaker", json!("user")), 201),
            (vary("message", json!(format!("{SPOKEN} only once "))), 201),
            (vary("timestamp", json!("2025-11-21T10:31:00.001Z")), 201),
        ] {
            assert_eq!(ledger.http.turn(&other).await.status, status, "{other}");
        }
        assert_eq!(numbers(ledger, &conversation_id), [1, 2, 3, 4]);
    });
}

#[test]
fn the_first_turn_links_a_call_to_the_conversation_it_names() {
    test(async |ledger| {
        let (other_sid, taken) = ledger.seed_call().await;
        let driver = ledger.driver();
        // Refused, so the call has no conversation and none will come.
        assert_eq!(
            ledger.http.place(&[(driver, "+15550100160")]).await.status,
            502
        );
        let named = |conversation_id: &str| {
            let mut turn = turn(&sid(driver), 0, "first");
            turn["conversation_id"] = json!(conversation_id);
            turn
        };
        let unnamed = turn(&sid(driver), 0, "first");
        ledger
            .http
            .turn(&unnamed)
            .await
            .assert_problem(400, "conversation_not_linked");
        ledger
            .http
            .turn(&named(""))
            .await
            .assert_problem(400, "conversation_not_linked");
        ledger
            .http
            .turn(&named(&taken))
            .await
            .assert_problem(400, "invalid_request");
        assert_eq!(
            ledger.call(&sid(driver)).unwrap()["conversation_id"],
            Value::Null
        );

        let mine = format!("conv_first_turn_{driver}");
        let both = [named(&mine), named(&mine)];
        let replies = join_all(both.iter().map(|turn| ledger.http.turn(turn))).await;
        let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 201]);
        assert_eq!(ledger.call(&sid(driver)).unwrap()["conversation_id"], mine);
        assert_eq!(numbers(ledger, &mine), [1]);

        // Linked for good: neither is it moved, nor is another call's turn taken.
        ledger
            .http
            .turn(&named("conv_another"))
            .await
            .assert_problem(400, "invalid_request");
        let mut stray = turn(&other_sid, 1, "stray");
        stray["conversation_id"] = json!(mine);
        ledger
            .http
            .turn(&stray)
            .await
            .assert_problem(400, "invalid_request");
        assert_eq!(
            ledger
                .http
                .turn(&turn(&sid(driver), 1, "second"))
                .await
                .body["sequence_number"],
            2
        );
        assert_eq!(
            (numbers(ledger, &mine), numbers(ledger, &taken)),
            (vec![1, 2], vec![])
        );
    });
}

#[test]
fn a_turn_for_nobody_is_refused() {
    test(async |ledger| {
        let unknown = sid(ledger.driver());
        let reply = ledger.http.turn(&turn(&unknown, 0, "hello?")).await;
        reply.assert_problem(400, "unknown_call_sid");
        assert_eq!(reply.body["call_sid"], unknown);
        let mut named = turn(&unknown, 0, "hello?");
        named["conversation_id"] = json!("conv_of_nobody");
        ledger
            .http
            .turn(&named)
            .await
            .assert_problem(400, "unknown_call_sid");
        assert_eq!(ledger.call(&unknown), None);
    });
}

#[test]
fn a_call_from_before_the_names_takes_turns() {
    test(async |ledger| {
        // As 0002 names a call of no known driver, with the times of that age.
        let stem = ledger.driver();
        let (call_sid, conversation_id) =
            (format!("EL_UNKNOWN_{stem}"), format!("conv_legacy_{stem}"));
        ledger
            .execute(&format!(
                "INSERT INTO calls (call_sid, conversation_id, call_start_time, status, created_at, updated_at) \
                 VALUES ('{call_sid}', '{conversation_id}', '2024-02-01 08:00:00', 'completed', '2024-02-01 08:00:00', \
                         '2024-02-01 08:00:00'); \
                 INSERT INTO call_transcriptions \
                   (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
                 VALUES ('{conversation_id}', 'agent', 'Hello', '2024-02-01 08:00:01', 1, '2024-02-01 08:00:01')"
            ))
            .await;
        let reply = ledger.http.turn(&turn(&call_sid, 0, "late")).await;
        assert_eq!(
            (reply.status, &reply.body["sequence_number"]),
            (201, &json!(2)),
            "{}",
            reply.text
        );
        assert_eq!(numbers(ledger, &conversation_id), [1, 2]);
        assert_eq!(ledger.call(&call_sid).unwrap()["status"], "completed");
    });
}
