//! Reading a call and its transcription.

use reqwest::Method;
use serde_json::{Value, json};

use crate::http::{Reply, turn};
use crate::ledger::{API_TOKEN, Ledger, SPOKEN, test};

pub async fn round_trips(ledger: &Ledger, reply: &Reply) -> Value {
    ledger.line(reply.request_id()).await["db_round_trips"].clone()
}

#[test]
fn a_call_and_its_transcription_are_read_in_one_round_trip() {
    test(async |ledger| {
        let (call_sid, conversation_id) = ledger.seed_call().await;
        let texts = ["hello", "a\0b 🚚", "goodbye"];
        for (second, text) in (0..).zip(texts) {
            assert_eq!(
                ledger
                    .http
                    .turn(&turn(&call_sid, second, text))
                    .await
                    .status,
                201
            );
        }
        let row = ledger.call(&call_sid).unwrap();
        let reply = ledger.http.get(&format!("/calls/{call_sid}")).await;
        assert_eq!(
            (reply.status, &reply.body),
            (
                200,
                &json!({
                    "id": row["id"], "call_sid": call_sid, "conversation_id": conversation_id,
                    "driver_id": row["driver_id"], "status": "in_progress", "failure_reason": null,
                    "call_start_time": row["call_start_time"], "call_end_time": null, "summary": null,
                    "created_at": "2025-11-21T10:30:00.000Z", "updated_at": "2025-11-21T10:30:00.000Z",
                    "turn_count": 3,
                })
            )
        );
        assert_eq!(round_trips(ledger, &reply).await, 1);

        let stored = ledger.turns(&conversation_id);
        let turns: Vec<_> = (0..3)
            .map(|index| {
                json!({
                    "transcription_id": stored[index]["id"], "sequence_number": index + 1,
                    "speaker": if index == 1 { "driver" } else { "agent" },
                    "message": format!("{SPOKEN} {}", texts[index]),
                    "timestamp": format!("2025-11-21T10:31:0{index}.000Z"),
                })
            })
            .collect();
        let reply = ledger
            .http
            .get(&format!("/calls/{call_sid}/transcription"))
            .await;
        let expected =
            json!({ "call_sid": call_sid, "conversation_id": conversation_id, "turns": turns });
        assert_eq!((reply.status, &reply.body), (200, &expected));
        assert_eq!(round_trips(ledger, &reply).await, 1);

        let text = ledger
            .http
            .request(Method::GET, &format!("/calls/{call_sid}/transcription"));
        let text = text
            .bearer(API_TOKEN)
            .header("accept", "text/plain")
            .send()
            .await;
        assert_eq!(
            text.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        let first = text.text.find(&format!("agent: {SPOKEN} hello"));
        assert!(
            first.is_some() && first < text.text.find(&format!("agent: {SPOKEN} goodbye")),
            "{}",
            text.text
        );
    });
}

#[test]
fn a_call_that_rings_has_an_empty_transcription() {
    test(async |ledger| {
        let driver = ledger.driver();
        assert_eq!(
            ledger.http.place(&[(driver, "+15550100160")]).await.status,
            502
        );
        let call_sid = crate::http::sid(driver);
        let encoded = call_sid.replace(':', "%3A").replace('_', "%5f");
        let reply = ledger.http.get(&format!("/calls/{encoded}")).await;
        assert_eq!(
            (
                reply.status,
                &reply.body["call_sid"],
                &reply.body["failure_reason"],
                &reply.body["turn_count"]
            ),
            (200, &json!(call_sid), &json!("outcome_unknown"), &json!(0)),
        );
        let reply = ledger
            .http
            .get(&format!("/calls/{encoded}/transcription"))
            .await;
        assert_eq!(
            reply.body,
            json!({ "call_sid": call_sid, "conversation_id": null, "turns": [] })
        );
    });
}

#[test]
fn what_cannot_be_read_is_refused() {
    test(async |ledger| {
        let paths = ["/calls", "/calls/EL_1_x", "/calls/EL_1_x/transcription"];
        for path in paths {
            let reply = ledger.http.request(Method::GET, path).send().await;
            reply.assert_problem(401, "unauthorized");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            let reply = ledger
                .http
                .request(Method::GET, path)
                .bearer("other")
                .send()
                .await;
            reply.assert_problem(401, "unauthorized");
        }
        for path in [
            "/calls/EL_1_x",
            "/calls/EL_1_x/transcription",
            "/calls/%ff%00",
            "/calls/'%20OR%201=1--",
        ] {
            ledger
                .http
                .get(path)
                .await
                .assert_problem(404, "unknown_call_sid");
        }
        let reply = ledger
            .http
            .get("/calls?status=busy&driver_id=x&from=1&to=now&limit=201&cursor=zz")
            .await;
        reply.assert_problem(400, "invalid_request");
        let mut fields = reply.faulty_fields();
        fields.sort_unstable();
        assert_eq!(
            fields,
            ["cursor", "driver_id", "from", "limit", "status", "to"]
        );
        for limit in ["0", "-1", "1.5", "x", "99999999999999999999"] {
            let reply = ledger.http.get(&format!("/calls?limit={limit}")).await;
            assert_eq!(reply.faulty_fields(), ["limit"]);
        }
        let head = ledger
            .http
            .request(Method::HEAD, "/calls?limit=1")
            .bearer(API_TOKEN)
            .send()
            .await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
    });
}
