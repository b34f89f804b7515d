//! What all routes have in common: problems, methods, authorisation, request ids and the log.

use reqwest::Method;
use serde_json::{Value, json};

use crate::http::{PLACE, TURN, placing, sid, turn};
use crate::ledger::{ANSWERS, API_TOKEN, test};

#[test]
fn health_answers_get_and_head() {
    test(async |ledger| {
        let reply = ledger.http.request(Method::GET, "/health").send().await;
        assert_eq!(
            (reply.status, &reply.body),
            (200, &json!({ "status": "ok" }))
        );
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let head = ledger.http.request(Method::HEAD, "/health").send().await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        assert_eq!(head.header("content-type"), Some("application/json"));
        assert_eq!(ledger.line(head.request_id()).await["route"], "/health");
    });
}

#[test]
fn a_path_that_leads_nowhere_is_not_found() {
    test(async |ledger| {
        for path in [
            "/",
            "/nothing",
            "/health/",
            "//health",
            "/HEALTH",
            "/webhooks",
            "/driver_data/call-elevenlabs/x",
            "/%00",
        ] {
            let reply = ledger.http.get(path).await;
            reply.assert_problem(404, "not_found");
            let line = ledger.line(reply.request_id()).await;
            assert_eq!(
                (&line["status"], &line["code"]),
                (&json!(404), &json!("not_found")),
                "{path}"
            );
        }
    });
}

#[test]
fn another_method_is_refused_with_those_allowed() {
    test(async |ledger| {
        let routes = [
            (PLACE, "POST"),
            (TURN, "POST"),
            ("/webhooks/elevenlabs/post-call", "POST"),
            ("/calls", "GET, HEAD"),
            ("/calls/EL_1_x", "GET, HEAD"),
            ("/calls/EL_1_x/transcription", "GET, HEAD"),
            ("/health", "GET, HEAD"),
        ];
        for (path, allowed) in routes {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                if allowed.contains(method) {
                    continue;
                }
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let reply = ledger
                    .http
                    .request(method, path)
                    .bearer(API_TOKEN)
                    .send()
                    .await;
                reply.assert_problem(405, "method_not_allowed");
                assert_eq!(reply.header("allow"), Some(allowed), "{path}");
            }
        }
    });
}

#[test]
fn placing_calls_needs_the_token() {
    test(async |ledger| {
        let driver = ledger.driver();
        let body = placing(&[(driver, ANSWERS)]);
        let wrong = [
            None,
            Some(String::new()),
            Some("Bearer".to_owned()),
            Some("Bearer ".to_owned()),
            Some(API_TOKEN.to_owned()),
            Some(format!("Basic {API_TOKEN}")),
            Some(format!("Bearer {}", &API_TOKEN[1..])),
            Some(format!("Bearer {API_TOKEN}x")),
            Some(format!("Bearer {}", API_TOKEN.to_uppercase())),
        ];
        for authorization in wrong {
            let mut request = ledger.http.post(PLACE).json(&body);
            if let Some(value) = &authorization {
                request = request.header("authorization", value);
            }
            let reply = request.send().await;
            reply.assert_problem(401, "unauthorized");
            assert_eq!(
                reply.header("www-authenticate"),
                Some("Bearer"),
                "{authorization:?}"
            );
        }
        // Who may not place calls does not learn what is wrong with a request either.
        ledger
            .http
            .post(PLACE)
            .body("{")
            .send()
            .await
            .assert_problem(401, "unauthorized");
        assert_eq!(
            (ledger.call(&sid(driver)), ledger.dials(&sid(driver)).len()),
            (None, 0)
        );
        let lower = ledger
            .http
            .post(PLACE)
            .header("authorization", &format!("bearer {API_TOKEN}"))
            .json(&body);
        assert_eq!(lower.send().await.status, 201);
    });
}

#[test]
fn a_log_line_tells_what_a_request_was_about() {
    test(async |ledger| {
        let driver = ledger.driver();
        let placed = ledger.http.place(&[(driver, ANSWERS)]).await;
        let conversation_id = placed.body["calls"][0]["conversation_id"].clone();
        let line = ledger.line(placed.request_id()).await;
        let told = |line: &Value, fields: &[&str]| {
            fields
                .iter()
                .map(|field| line[*field].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(
                &line,
                &[
                    "event",
                    "level",
                    "route",
                    "status",
                    "call_sid",
                    "conversation_id",
                    "driver_id",
                    "db_retries"
                ]
            ),
            [
                json!("request"),
                json!("info"),
                json!(PLACE),
                json!(201),
                json!(sid(driver)),
                conversation_id.clone(),
                json!(driver),
                json!(0)
            ]
        );
        assert!(line["duration_ms"].is_u64(), "{line}");

        // One line per step of the call's placement, with no more of the number than its end.
        let steps = ledger.lines(&[&sid(driver)], 3).await;
        let step = |event: &str| steps.iter().find(|line| line["event"] == event).unwrap();
        assert_eq!(
            told(step("call_recorded"), &["driver_id", "phone_last_four"]),
            [json!(driver), json!("0000")]
        );
        assert_eq!(
            told(step("call_dialled"), &["driver_id", "conversation_id"]),
            [json!(driver), conversation_id]
        );

        let (call_sid, _) = ledger.seed_call().await;
        let reply = ledger.http.turn(&turn(&call_sid, 0, "for the log")).await;
        let line = ledger.line(reply.request_id()).await;
        assert_eq!(
            told(&line, &["route", "status", "call_sid"]),
            [json!(TURN), json!(201), json!(call_sid)]
        );

        let reply = ledger.http.turn(&json!({})).await;
        let line = ledger.line(reply.request_id()).await;
        assert_eq!(
            told(&line, &["status", "code", "level"]),
            [json!(400), json!("invalid_request"), json!("info")]
        );
    });
}

#[test]
fn a_request_keeps_the_name_that_the_network_gave_it() {
    test(async |ledger| {
        let name = format!("ray-{}", ledger.driver());
        let request = ledger
            .http
            .request(Method::GET, "/health")
            .header("cf-ray", &name);
        let reply = request.send().await;
        assert_eq!((reply.status, reply.request_id()), (200, name.as_str()));
        assert_eq!(ledger.line(&name).await["route"], "/health");
    });
}
