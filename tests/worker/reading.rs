//! Reading calls and transcriptions.

use reqwest::Method;
use serde_json::{Value, json};

use crate::http::{Reply, turn};
use crate::ledger::{API_TOKEN, Ledger, SPOKEN, test};

/// Seven calls of one driver, oldest first; the third and the fourth began at the same moment.
async fn seed_list(ledger: &Ledger) -> (i64, Vec<String>) {
    let driver = ledger.driver();
    let calls = [
        ("2025-01-01T10:00:00.000Z", "completed"),
        ("2025-01-02T10:00:00.000Z", "failed"),
        ("2025-01-03T10:00:00.000Z", "completed"),
        ("2025-01-03T10:00:00.000Z", "completed"),
        ("2025-01-04T10:00:00.000Z", "in_progress"),
        ("2025-01-05T10:00:00.000Z", "failed"),
        ("2025-01-06T10:00:00.000Z", "completed"),
    ];
    let mut names = Vec::new();
    let mut rows = Vec::new();
    for (index, (time, status)) in calls.iter().enumerate() {
        let name = format!("EL_{driver}_list_{index}");
        rows.push(format!(
            "('{name}', 'conv_{name}', {driver}, '{time}', '{status}', '{time}', '{time}')"
        ));
        names.push(name);
    }
    let rows = rows.join(", ");
    ledger
        .execute(&format!(
            "INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, created_at, updated_at) \
             VALUES {rows}"
        ))
        .await;
    (driver, names)
}

fn listed(reply: &Reply) -> Vec<&str> {
    assert_eq!(reply.status, 200, "{}", reply.text);
    let calls = reply.body["calls"].as_array().unwrap();
    calls
        .iter()
        .map(|call| call["call_sid"].as_str().unwrap())
        .collect()
}

async fn round_trips(ledger: &Ledger, reply: &Reply) -> Value {
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
fn a_list_is_read_page_by_page_newest_first() {
    test(async |ledger| {
        let (driver, names) = seed_list(ledger).await;
        let newest_first: Vec<_> = names.iter().rev().map(String::as_str).collect();
        let reply = ledger.http.get(&format!("/calls?driver_id={driver}")).await;
        assert_eq!(
            (listed(&reply), &reply.body["next_cursor"]),
            (newest_first.clone(), &json!(null))
        );
        assert_eq!(round_trips(ledger, &reply).await, 1);
        for limit in [1, 2, 3, 7] {
            let mut seen: Vec<String> = Vec::new();
            let mut cursor = String::new();
            loop {
                let reply = ledger
                    .http
                    .get(&format!(
                        "/calls?driver_id={driver}&limit={limit}&cursor={cursor}"
                    ))
                    .await;
                let page = listed(&reply);
                assert!(page.len() <= limit && !page.is_empty(), "{}", reply.text);
                seen.extend(page.into_iter().map(str::to_owned));
                let Some(next) = reply.body["next_cursor"].as_str() else {
                    break;
                };
                next.clone_into(&mut cursor);
            }
            assert_eq!(seen, newest_first, "pages of {limit}");
        }
    });
}

#[test]
fn a_list_shows_what_it_is_asked_for() {
    test(async |ledger| {
        let (driver, names) = seed_list(ledger).await;
        for (query, expected) in [
            ("status=failed", vec![5, 1]),
            ("status=in_progress", vec![4]),
            ("from=2025-01-04T10:00:00Z", vec![6, 5, 4]),
            ("to=2025-01-03T10:00:00Z", vec![1, 0]),
            (
                "from=2025-01-03T11:00:00%2B01:00&to=2025-01-04T10:00:00Z",
                vec![3, 2],
            ),
            ("from=2025-01-02&to=", vec![]),
            (
                "status=completed&from=2025-01-02T00:00:00Z&limit=2",
                vec![6, 3],
            ),
            ("status=&limit=&somethingelse=1", vec![6, 5, 4, 3, 2, 1, 0]),
        ] {
            let reply = ledger
                .http
                .get(&format!("/calls?driver_id={driver}&{query}"))
                .await;
            if query.starts_with("from=2025-01-02&") {
                reply.assert_problem(400, "invalid_request");
                assert_eq!(reply.faulty_fields(), ["from"]);
                continue;
            }
            let expected: Vec<_> = expected
                .into_iter()
                .map(|index: usize| names[index].as_str())
                .collect();
            assert_eq!(listed(&reply), expected, "{query}");
        }
        // Without a driver it is everybody's calls, fifty of them.
        let everybody = ledger.http.get("/calls?to=2025-01-06T10:00:00.001Z").await;
        assert!(listed(&everybody).contains(&names[6].as_str()) && listed(&everybody).len() <= 50);
    });
}

#[test]
fn a_list_is_given_as_csv() {
    test(async |ledger| {
        let (driver, names) = seed_list(ledger).await;
        let path = format!("/calls?driver_id={driver}&limit=2");
        let reply = ledger
            .http
            .request(Method::GET, &path)
            .bearer(API_TOKEN)
            .header("accept", "text/csv")
            .send()
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert!(
            reply
                .header("content-type")
                .unwrap()
                .starts_with("text/csv")
        );
        let lines: Vec<_> = reply.text.split("\r\n").collect();
        assert_eq!(
            lines[0],
            "id,call_sid,conversation_id,driver_id,status,failure_reason,call_start_time,call_end_time,summary,\
             created_at,updated_at,turn_count"
        );
        let time = "2025-01-06T10:00:00.000Z";
        assert!(lines[1].ends_with(&format!(
            ",{0},conv_{0},{driver},completed,,{time},,,{time},{time},0",
            names[6]
        )));
        assert_eq!((lines.len(), lines[3]), (4, ""));
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
