//! Bodies of turns: long, strange and broken ones.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::http::{TURN, turn};
use crate::ledger::{Ledger, SPOKEN, test};

/// The longest body the route takes.
const LIMIT: usize = 256 * 1024;

/// A turn whose body has exactly this many bytes.
fn turn_of(call_sid: &str, second: u32, bytes: usize) -> Vec<u8> {
    let empty = turn(call_sid, second, "").to_string();
    turn(call_sid, second, &"x".repeat(bytes - empty.len()))
        .to_string()
        .into_bytes()
}

async fn assert_healthy(ledger: &Ledger) {
    assert_eq!(ledger.http.get("/health").await.status, 200);
}

#[test]
fn a_body_may_have_256_kib_and_not_a_byte_more() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let longest = turn_of(&call_sid, 0, LIMIT);
        assert_eq!(longest.len(), LIMIT);
        assert_eq!(ledger.http.turn_bytes(longest.clone()).await.status, 201);
        for bytes in [LIMIT + 1, 300 * 1024] {
            let reply = ledger.http.turn_bytes(turn_of(&call_sid, 1, bytes)).await;
            reply.assert_problem(413, "payload_too_large");
        }
        let stored = ledger.turns(&conversation_id);
        let sent: Value = serde_json::from_slice(&longest).unwrap();
        assert_eq!(
            (stored.len(), &stored[0]["message_text"]),
            (1, &sent["message"])
        );
        assert_healthy(ledger).await;
    });
}

#[test]
fn a_body_without_an_announced_length_has_the_same_limit() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        assert_eq!(
            ledger
                .http
                .post_chunked(TURN, turn_of(&call_sid, 0, LIMIT))
                .await,
            201
        );
        assert_eq!(
            ledger
                .http
                .post_chunked(TURN, turn_of(&call_sid, 1, LIMIT + 1))
                .await,
            413
        );
        assert_eq!(
            ledger
                .http
                .post_chunked(TURN, turn_of(&call_sid, 2, 300 * 1024))
                .await,
            413
        );
        assert_eq!(ledger.http.post_chunked(TURN, Vec::new()).await, 400);
        assert_eq!(ledger.turns(&conversation_id).len(), 1);
        assert_healthy(ledger).await;
    });
}

#[test]
fn any_unicode_is_stored_as_it_came() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        // As JSON spells it, and as it is to be stored.
        let texts = [
            ("👩‍👩‍👧‍👦 👍🏽 ☕️", "👩‍👩‍👧‍👦 👍🏽 ☕️"),
            (
                "مرحبا بك، هل أنت متوقف؟ \u{202e}abc\u{202c}",
                "مرحبا بك، هل أنت متوقف؟ \u{202e}abc\u{202c}",
            ),
            ("a\\u0000b", "a\0b"),
            ("\\ud83d\\ude9a", "🚚"),
            ("cut \\ud83d off", "cut \u{fffd} off"),
            ("\\ude9a\\ud83d", "\u{fffd}\u{fffd}"),
            ("\\\\ud83d", "\\ud83d"),
            ("  padded\\t\\n", "  padded\t\n"),
            ("'; DROP TABLE calls; --", "'; DROP TABLE calls; --"),
            (
                "e\u{301} \u{feff}\u{10ffff}\\u007f\\u001b",
                "e\u{301} \u{feff}\u{10ffff}\u{7f}\u{1b}",
            ),
        ];
        for (second, (spelt, text)) in (0_u32..).zip(texts) {
            let mark = format!("{SPOKEN} ");
            let body = turn(&call_sid, second, "")
                .to_string()
                .replace(&mark, &format!("{mark}{spelt}"));
            let reply = ledger.http.turn_bytes(body.clone()).await;
            assert_eq!(
                (reply.status, &reply.body["sequence_number"]),
                (201, &json!(second + 1)),
                "{body}"
            );
            // It is known again by its text.
            assert_eq!(ledger.http.turn_bytes(body).await.status, 200);
            let stored = ledger.turns(&conversation_id).pop().unwrap();
            assert_eq!(stored["message_text"], format!("{mark}{text}"));
        }
    });
}

#[test]
fn whatever_is_no_turn_is_refused_and_does_no_harm() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let good = turn(&call_sid, 0, "fine").to_string();
        let deep = |opening: &str| opening.repeat(LIMIT / opening.len()).into_bytes();
        let bodies: Vec<Vec<u8>> = vec![
            b"".to_vec(),
            b" \r\n\t".to_vec(),
            b"null".to_vec(),
            b"[]".to_vec(),
            b"\"a\"".to_vec(),
            b"1e999".to_vec(),
            b"call_sid=x&speaker=agent".to_vec(),
            b"<turn/>".to_vec(),
            b"{".to_vec(),
            good.as_bytes()[..good.len() - 1].to_vec(),
            format!("{good}{good}").into_bytes(),
            good.replace(SPOKEN, "\\ud83").into_bytes(),
            good.replace(SPOKEN, "\\x41").into_bytes(),
            [b"\xef\xbb\xbf".as_slice(), good.as_bytes()].concat(),
            [b"{\"message\":\"\xff\xfe\xc3\x28\"}".as_slice()].concat(),
            vec![0; 1000],
            deep("["),
            deep("{\"a\":"),
            deep("\"\\ud800\","),
        ];
        let replies = join_all(
            bodies
                .iter()
                .map(|body| ledger.http.turn_bytes(body.clone())),
        )
        .await;
        for (body, reply) in bodies.iter().zip(replies) {
            let body = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(
                (reply.status, &reply.body["code"]),
                (400, &json!("invalid_request")),
                "{body}: {}",
                reply.text
            );
            reply.assert_problem(400, "invalid_request");
        }
        assert_eq!(ledger.turns(&conversation_id).len(), 0);
        assert_eq!(ledger.http.turn_bytes(good).await.status, 201);
        assert_healthy(ledger).await;
    });
}

#[test]
fn every_wrong_field_is_named_at_once() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let all = ["call_sid", "message", "speaker", "timestamp"];
        let wrong = [
            (json!({}), all.to_vec()),
            (
                json!({ "call_sid": null, "message": null, "speaker": null, "timestamp": null }),
                all.to_vec(),
            ),
            (
                json!({ "call_sid": 1, "message": {}, "speaker": [], "timestamp": 1_763_721_000 }),
                all.to_vec(),
            ),
            (
                json!({ "call_sid": " ", "message": "\n\t ", "speaker": "driver", "timestamp": "soon" }),
                all.to_vec(),
            ),
            (
                json!({ "call_sid": 1, "message": 2, "speaker": "Agent", "timestamp": "2025-11-21", "conversation_id": 3 }),
                [&all[..1], &["conversation_id"], &all[1..]].concat(),
            ),
        ];
        for (body, fields) in wrong {
            let reply = ledger.http.turn(&body).await;
            reply.assert_problem(400, "invalid_request");
            let mut named = reply.faulty_fields();
            named.sort_unstable();
            assert_eq!(named, fields, "{body}");
        }
        // One at a time, in a turn that is right otherwise.
        for (field, value) in [
            ("call_sid", json!(["x"])),
            ("speaker", json!("driver")),
            ("message", json!("\u{a0}\u{2003}")),
            ("timestamp", json!("2025-02-30T00:00:00Z")),
            ("conversation_id", json!(7)),
        ] {
            let mut turn = turn(&call_sid, 0, "nearly");
            turn[field] = value;
            let reply = ledger.http.turn(&turn).await;
            reply.assert_problem(400, "invalid_request");
            assert_eq!(reply.faulty_fields(), [field]);
        }
        assert_eq!(ledger.turns(&conversation_id).len(), 0);
    });
}
