//! The server with all settings: its turn route asks for a token, its calls go over a SIP trunk, old texts are cleared,
//! and what a redirect leads to. And what a stranger learns by guessing names, there and where there is no token.

use elevenlabs_simulator::Route;
use serde_json::{Value, json};

use crate::bucket::objects;
use crate::events::{event, post_signed};
use crate::http::{Reply, TURN, turn};
use crate::ledger::{API_TOKEN, Ledger, WEBHOOK_TOKEN, test, test_guarded};
use crate::reconciling::reconcile;
use crate::refusals::call;
use crate::story::Story;

const ANSWERS: &str = "+15550100001";
const REDIRECT: &str = "+15550100192";

/// What an answer says, its time and the request's own name aside.
fn told(reply: &Reply) -> (u16, Value, Vec<String>) {
    let headers = reply.headers.keys().map(ToString::to_string).collect();
    (reply.status, reply.body.clone(), headers)
}

/// A turn posted with this authorization.
async fn post(ledger: &Ledger, body: &Value, token: Option<&str>) -> Reply {
    let mut request = ledger.http.post(TURN).json(body);
    if let Some(token) = token {
        request = request.bearer(token);
    }
    request.send().await
}

#[test]
fn with_a_token_a_guessed_name_tells_a_stranger_nothing_and_costs_no_query() {
    test_guarded(async |ledger, _| {
        let (known, conversation_id) = ledger.seed_call().await;
        let unknown = "EL_4711_2025-11-21T10:30:00Z";
        for token in [
            None,
            Some(""),
            Some("null"),
            Some(API_TOKEN),
            Some(&WEBHOOK_TOKEN[1..]),
        ] {
            let replies = [
                post(ledger, &turn(&known, 0, "guessed"), token).await,
                post(ledger, &turn(unknown, 0, "guessed"), token).await,
                post(ledger, &json!({}), token).await,
            ];
            for reply in &replies {
                reply.assert_problem(401, "unauthorized");
                assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
                assert_eq!(told(reply), told(&replies[0]), "{token:?}");
                let line = ledger.line(reply.request_id()).await;
                assert_eq!(line["db_round_trips"], 0, "{line}");
            }
        }
        assert_eq!(ledger.turns(&conversation_id).len(), 0);
        let right = post(ledger, &turn(&known, 0, "known"), Some(WEBHOOK_TOKEN)).await;
        assert_eq!(right.status, 201, "{}", right.text);
        let right = post(ledger, &turn(unknown, 0, "unknown"), Some(WEBHOOK_TOKEN)).await;
        right.assert_problem(400, "unknown_call_sid");
    });
}

#[test]
fn without_a_token_a_guessed_name_tells_that_the_call_exists_and_nothing_of_it() {
    test(async |ledger| {
        let (known, conversation_id) = ledger.seed_call().await;
        let said = post(ledger, &turn(&known, 0, "said before"), None).await;
        assert_eq!(said.status, 201);
        post(
            ledger,
            &turn("EL_4711_2025-11-21T10:30:00Z", 0, "guessed"),
            None,
        )
        .await
        .assert_problem(400, "unknown_call_sid");
        let guessed = post(ledger, &turn(&known, 2, "guessed"), None).await;
        assert_eq!(guessed.status, 201);
        let mut other = turn(&known, 4, "guessed");
        other["conversation_id"] = json!("conv_guessed");
        let refused = post(ledger, &other, None).await;
        refused.assert_problem(400, "invalid_request");
        for reply in [&guessed, &refused] {
            for hidden in [
                conversation_id.as_str(),
                "said before",
                "in_progress",
                "completed",
            ] {
                assert!(!reply.text.contains(hidden), "{}", reply.text);
            }
        }
        // Its name gives nobody a right to read it.
        for path in [
            format!("/calls/{known}"),
            format!("/calls/{known}/transcription"),
        ] {
            let reply = ledger
                .http
                .request(reqwest::Method::GET, &path)
                .send()
                .await;
            reply.assert_problem(401, "unauthorized");
        }
    });
}

#[test]
fn without_a_token_an_invented_conversation_gives_way_to_elevenlabs_own() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let unlink =
            format!("UPDATE calls SET conversation_id = NULL WHERE call_sid = '{call_sid}'");
        ledger.execute(&unlink).await;
        let mut stored = Vec::new();
        for second in [0, 2] {
            let mut invented = turn(&call_sid, second, "invented");
            invented["conversation_id"] = json!(format!("{conversation_id}_invented"));
            let reply = post(ledger, &invented, None).await;
            assert_eq!(reply.status, 201, "{}", reply.text);
            stored.push(reply.body["transcription_id"].clone());
        }
        assert_eq!(ledger.call(&call_sid).unwrap()["conversation_claimed"], 1);
        let settled = post_signed(ledger, &event(&conversation_id, Some(&call_sid))).await;
        assert_eq!(settled.body["status"], "applied", "{}", settled.text);
        let row = ledger.call(&call_sid).unwrap();
        assert_eq!(
            (
                &row["conversation_id"],
                &row["conversation_claimed"],
                &row["status"]
            ),
            (&json!(conversation_id), &json!(0), &json!("completed"))
        );
        // The event's two and the stranger's two, which are still themselves.
        let turns = ledger.turns(&conversation_id);
        assert_eq!(turns.len(), 4, "{turns:?}");
        for id in stored {
            assert!(turns.iter().any(|turn| turn["id"] == id), "{turns:?}");
        }
        let broken = ledger.rows("PRAGMA foreign_key_check", &[]);
        assert!(broken.is_empty(), "{broken:?}");
        let line = ledger
            .lines(&["call_relinked", &call_sid], 1)
            .await
            .remove(0);
        assert_eq!(line["level"], "error");
    });
}

#[test]
fn a_call_over_a_sip_trunk_is_placed_heard_with_the_token_and_settled() {
    test_guarded(async |ledger, _| {
        let story = Story::begin(ledger, ANSWERS).await;
        assert_eq!(story.placed.status, 201, "{}", story.placed.text);
        assert_eq!(
            call(&story.placed)["conversation_id"],
            story.conversation_id
        );
        let dials = ledger.dials(&story.call_sid);
        assert_eq!((dials.len(), dials[0].route), (1, Route::SipTrunk));
        let provider = story.row(ledger)["telephony_call_sid"].clone();
        assert!(provider.is_string(), "{provider}");
        ledger.simulator.wait_idle().await;
        story.assert_settled(ledger, "completed", None).await;
    });
}

#[test]
fn what_a_redirect_leads_to_hears_nothing() {
    test_guarded(async |ledger, elsewhere| {
        let driver = ledger.driver();
        let reply = ledger.http.place(&[(driver, REDIRECT)]).await;
        assert_eq!(
            (reply.status, &call(&reply)["error"]["code"]),
            (502, &json!("outcome_unknown"))
        );
        assert_eq!(ledger.dials(&crate::http::sid(driver)).len(), 1);
        assert_eq!(elsewhere.connections().await, 0);
    });
}

#[test]
fn old_texts_are_cleared_by_the_scheduled_run() {
    test_guarded(async |ledger, _| {
        // Other tests leave rows that say they are from last year.
        reconcile(ledger).await;
        let story = Story::begin(ledger, ANSWERS).await;
        ledger.simulator.wait_idle().await;
        story.assert_settled(ledger, "completed", None).await;
        let texts = || {
            let sql = "SELECT (SELECT count(*) FROM call_transcriptions WHERE message_text <> '') AS words, \
                       (SELECT count(*) FROM calls WHERE summary IS NOT NULL) AS summaries, \
                       (SELECT count(*) FROM elevenlabs_events WHERE payload IS NOT NULL OR payload_in_bucket) AS payloads";
            ledger.rows(sql, &[]).remove(0)
        };
        let young = texts();
        assert_eq!(reconcile(ledger).await["reconciled"]["texts_cleared"], 0);
        assert_eq!(texts(), young);
        // As if a month had passed for all that this server has.
        ledger
            .execute(
                "UPDATE call_transcriptions SET created_at = '2025-01-01T00:00:00.000Z'; \
                 UPDATE calls SET created_at = '2025-01-01T00:00:00.000Z', status = 'completed', failure_reason = NULL; \
                 UPDATE calls SET turns_due_at = created_at WHERE turns_due_at IS NOT NULL; \
                 UPDATE elevenlabs_events SET received_at = '2025-01-01T00:00:00.000Z'",
            )
            .await;
        assert!(!objects(ledger).is_empty());
        let cleared = reconcile(ledger).await["reconciled"]["texts_cleared"].clone();
        assert!(cleared.as_u64() > Some(8), "{cleared}");
        assert_eq!(
            texts(),
            json!({ "words": 0, "summaries": 0, "payloads": 0 })
        );
        assert_eq!(objects(ledger), []);
        let read = ledger.http.get(&format!("/calls/{}", story.call_sid)).await;
        assert_eq!(
            (&read.body["status"], &read.body["turn_count"]),
            (&json!("completed"), &json!(7))
        );
    });
}
