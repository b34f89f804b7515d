//! The route of ElevenLabs' events: who may post them, what is no event, and events that come before their call.

use std::time::{SystemTime, UNIX_EPOCH};

use elevenlabs_simulator::signature_header;
use serde_json::{Value, json};

use crate::http::{Reply, sid, turn};
use crate::ledger::{Ledger, OTHER_WEBHOOK_SECRET, SPOKEN, WEBHOOK_SECRET, test};

pub const EVENT: &str = "/webhooks/elevenlabs/post-call";

pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Posts this with this signature.
async fn post(ledger: &Ledger, signature: Option<&str>, body: &str) -> Reply {
    let request = ledger.http.post(EVENT).body(body);
    let request = match signature {
        Some(signature) => request.header("ElevenLabs-Signature", signature),
        None => request,
    };
    request.send().await
}

/// Posts this rightly signed.
pub async fn post_signed(ledger: &Ledger, body: &Value) -> Reply {
    let body = body.to_string();
    post(
        ledger,
        Some(&signature_header(WEBHOOK_SECRET, now(), body.as_bytes())),
        &body,
    )
    .await
}

/// The event of a conversation of two turns.
pub fn event(conversation_id: &str, call_sid: Option<&str>) -> Value {
    json!({
        "type": "post_call_transcription", "event_timestamp": now(),
        "data": {
            "conversation_id": conversation_id, "status": "done",
            "transcript": [
                { "role": "agent", "message": format!("{SPOKEN} hello"), "time_in_call_secs": 0 },
                { "role": "user", "message": format!("{SPOKEN} goodbye"), "time_in_call_secs": 2 },
            ],
            "metadata": { "start_time_unix_secs": now(), "call_duration_secs": 5 },
            "conversation_initiation_client_data": { "dynamic_variables": { "call_sid": call_sid } },
        },
    })
}

#[test]
fn only_who_knows_a_secret_may_post_an_event() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let body = event(&conversation_id, None).to_string();
        let sign = |secret: &str, time: i64| signature_header(secret, time, body.as_bytes());
        let right = sign(WEBHOOK_SECRET, now());
        let (time, tag) = right.split_once(',').unwrap();
        let other_body = signature_header(
            WEBHOOK_SECRET,
            now(),
            body.replace("done", "gone").as_bytes(),
        );
        let wrong = [
            None,
            Some(String::new()),
            Some(tag.to_owned()),
            Some(time.to_owned()),
            Some(format!("{time},v0=")),
            Some(format!("{time},v1={}", &tag[3..])),
            Some(format!("t={},{tag}", now() + 1)),
            Some(right[..right.len() - 1].to_owned()),
            Some(sign("wsec_of_somebody_else", now())),
            Some(sign("", now())),
            Some(sign(WEBHOOK_SECRET, now() - 46 * 60)),
            Some(sign(WEBHOOK_SECRET, now() + 46 * 60)),
            Some(other_body),
        ];
        for signature in wrong {
            let reply = post(ledger, signature.as_deref(), &body).await;
            reply.assert_problem(401, "invalid_signature");
        }
        assert_eq!(ledger.call(&call_sid).unwrap()["status"], "in_progress");
        assert_eq!(ledger.turns(&conversation_id), Vec::<Value>::new());

        // Either secret, one right tag among several, and a clock that is off by less than 45 minutes.
        let right = [
            (format!("{time},v0={},{tag}", "0".repeat(64)), "applied"),
            (sign(OTHER_WEBHOOK_SECRET, now()), "already_applied"),
            (sign(WEBHOOK_SECRET, now() - 44 * 60), "already_applied"),
            (sign(WEBHOOK_SECRET, now() + 44 * 60), "already_applied"),
        ];
        for (signature, status) in right {
            let reply = post(ledger, Some(&signature), &body).await;
            assert_eq!(
                (reply.status, &reply.body),
                (200, &json!({ "status": status })),
                "{signature}"
            );
        }
        assert_eq!(ledger.call(&call_sid).unwrap()["status"], "completed");
        assert_eq!(ledger.turns(&conversation_id).len(), 2);
    });
}

#[test]
fn what_is_signed_but_no_event_is_refused() {
    test(async |ledger| {
        let deep = "[".repeat(500_000);
        let bodies = [
            "",
            "null",
            "[]",
            "{}",
            "{",
            "\"a\"",
            "{\"type\":5}",
            "\u{feff}{}",
            deep.as_str(),
            "{\"type\":\"post_call_transcription\"}",
            "{\"type\":\"post_call_transcription\",\"data\":{\"conversation_id\":\"\"}}",
            "{\"type\":\"call_initiation_failure\",\"data\":[]}",
        ];
        for body in bodies {
            let signature = signature_header(WEBHOOK_SECRET, now(), body.as_bytes());
            let reply = post(ledger, Some(&signature), body).await;
            reply.assert_problem(400, "invalid_request");
        }
        let any = json!({ "type": "news" });
        let reply = post_signed(ledger, &any).await;
        assert_eq!(
            (reply.status, &reply.body),
            (200, &json!({ "status": "ignored" }))
        );
        assert_eq!(ledger.http.get("/health").await.status, 200);
    });
}

#[test]
fn an_event_may_have_32_mib() {
    test(async |ledger| {
        const LIMIT: usize = 32 * 1024 * 1024;
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let mut body = event(&conversation_id, None);
        body["padding"] = json!("");
        let padding = LIMIT - body.to_string().len();
        body["padding"] = json!("x".repeat(padding));
        assert_eq!(body.to_string().len(), LIMIT);
        let reply = post_signed(ledger, &body).await;
        assert_eq!(
            (reply.status, &reply.body),
            (200, &json!({ "status": "applied" })),
            "{}",
            reply.text
        );
        assert_eq!(ledger.call(&call_sid).unwrap()["status"], "completed");
        body["padding"] = json!("x".repeat(padding + 1));
        post_signed(ledger, &body)
            .await
            .assert_problem(413, "payload_too_large");
        assert_eq!(ledger.http.get("/health").await.status, 200);
    });
}

#[test]
fn an_event_of_an_unknown_call_is_kept_until_the_call_has_its_conversation() {
    test(async |ledger| {
        let driver = ledger.driver();
        let conversation_id = format!("conv_ahead_{driver}");
        let body = event(&conversation_id, None);
        let kept = json!({ "status": "kept" });
        for _ in 0..2 {
            let reply = post_signed(ledger, &body).await;
            assert_eq!((reply.status, &reply.body), (200, &kept), "{}", reply.text);
        }
        // The dial breaks off, so only a turn can tell which conversation is the call's.
        assert_eq!(
            ledger.http.place(&[(driver, "+15550100160")]).await.status,
            502
        );
        let mut first = turn(&sid(driver), 0, "hello");
        first["conversation_id"] = json!(conversation_id);
        let reply = ledger.http.turn(&first).await;
        assert_eq!(reply.body["sequence_number"], 1, "{}", reply.text);
        let row = ledger.call(&sid(driver)).unwrap();
        assert_eq!(
            (&row["status"], &row["failure_reason"]),
            (&json!("completed"), &json!(null))
        );
        let words: Vec<_> = ledger
            .turns(&conversation_id)
            .iter()
            .map(|turn| turn["message_text"].clone())
            .collect();
        assert_eq!(
            words,
            [format!("{SPOKEN} hello"), format!("{SPOKEN} goodbye")]
        );
        let reply = post_signed(ledger, &body).await;
        assert_eq!(reply.body, json!({ "status": "already_applied" }));
    });
}

#[test]
fn a_failure_to_begin_does_not_undo_a_conversation_that_took_place() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        assert_eq!(
            post_signed(ledger, &event(&conversation_id, Some(&call_sid)))
                .await
                .body["status"],
            "applied"
        );
        let before = ledger.call(&call_sid).unwrap();
        let failure = json!({
            "type": "call_initiation_failure", "event_timestamp": now(),
            "data": { "conversation_id": conversation_id, "failure_reason": "no-answer", "metadata": {} },
        });
        assert_eq!(post_signed(ledger, &failure).await.status, 200);
        let after = ledger.call(&call_sid).unwrap();
        assert_eq!(
            (&after["status"], &after["failure_reason"]),
            (&before["status"], &before["failure_reason"])
        );
        assert_eq!(after["status"], "completed");

        // The other way round the conversation has the last word.
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let mut failure = failure;
        failure["data"]["conversation_id"] = json!(conversation_id);
        assert_eq!(
            post_signed(ledger, &failure).await.body["status"],
            "applied"
        );
        let row = ledger.call(&call_sid).unwrap();
        assert_eq!(
            (&row["status"], &row["failure_reason"]),
            (&json!("failed"), &json!("no-answer"))
        );
        assert_eq!(
            post_signed(ledger, &event(&conversation_id, None))
                .await
                .body["status"],
            "applied"
        );
        let row = ledger.call(&call_sid).unwrap();
        assert_eq!(
            (&row["status"], &row["failure_reason"]),
            (&json!("completed"), &json!(null))
        );
    });
}

#[test]
fn an_event_that_names_another_conversations_call_changes_nothing() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let stray = format!("{conversation_id}_stray");
        let reply = post_signed(ledger, &event(&stray, Some(&call_sid))).await;
        assert_eq!(
            (reply.status, &reply.body["status"]),
            (200, &json!("ignored")),
            "{}",
            reply.text
        );
        let row = ledger.call(&call_sid).unwrap();
        assert_eq!(
            (&row["status"], &row["conversation_id"]),
            (&json!("in_progress"), &json!(conversation_id))
        );
        assert_eq!(
            (
                ledger.turns(&stray).len(),
                ledger.turns(&conversation_id).len()
            ),
            (0, 0)
        );
    });
}
