//! Lists of calls.

use reqwest::Method;
use serde_json::json;

use crate::http::Reply;
use crate::ledger::{API_TOKEN, Ledger, test};
use crate::reading::round_trips;

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
                assert!(
                    page.len() <= limit && !page.is_empty() && seen.len() < 7,
                    "{}",
                    reply.text
                );
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
            "\"id\",\"call_sid\",\"conversation_id\",\"driver_id\",\"status\",\"failure_reason\",\"call_start_time\",\
             \"call_end_time\",\"summary\",\"created_at\",\"updated_at\",\"turn_count\""
        );
        let time = "2025-01-06T10:00:00.000Z";
        assert!(lines[1].ends_with(&format!(
            ",\"{0}\",\"conv_{0}\",\"{driver}\",\"completed\",\"\",\"{time}\",\"\",\"\",\"{time}\",\"{time}\",\"0\"",
            names[6]
        )));
        assert_eq!((lines.len(), lines[3]), (4, ""));
    });
}
