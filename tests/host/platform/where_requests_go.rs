//! Requests with the API key go to the configured host and to nowhere else, whatever is in a name.

use call_ledger::elevenlabs::{ApiAnswer, ApiRequest};
use serde_json::json;

use crate::support::events::{Books, HOUR, conversation, empty_world};
use crate::support::world::{
    API_TOKEN, PLACE, TURN, TestRequest, World, place_body, request, sid, turn_body,
};

/// What would lead an address elsewhere, if it were written into one as it is.
const HOSTILE: [&str; 16] = [
    "@evil.test/",
    ":80@evil.test/x",
    "//evil.test/",
    "/../../../evil",
    "https://evil.test/",
    "\\\\evil.test\\x",
    "..",
    ".",
    "..\\..",
    "%2e%2e",
    "%2e%2e%2f%2e%2e%2fagents",
    "?page_size=1#",
    "a\r\nHost: evil.test\r\n\r\n",
    "a\tb c",
    "．．／",
    "\u{202e}tset.live",
];

fn assert_at_home(requests: &[ApiRequest]) {
    assert!(!requests.is_empty());
    for request in requests {
        // Where the URL standard says that it goes.
        let url = reqwest::Url::parse(&request.url).unwrap();
        assert_eq!(
            (
                url.scheme(),
                url.host_str(),
                url.port(),
                url.username(),
                url.password()
            ),
            ("http", Some("elevenlabs.test"), None, "", None),
            "{}",
            request.url
        );
        let path = url.path();
        let known = match request.method {
            "POST" => path == "/v1/convai/twilio/outbound-call",
            "GET" => path
                .strip_prefix("/v1/convai/conversations")
                .is_some_and(|rest| {
                    rest.is_empty() || rest.strip_prefix('/').is_some_and(|id| !id.contains('/'))
                }),
            _ => false,
        };
        assert!(known && url.fragment().is_none(), "{}", request.url);
        assert_eq!(request.api_key, "test-key");
        let text = format!(
            "{} {}",
            request.url,
            request.body.as_deref().unwrap_or_default()
        );
        assert!(
            !text.contains("test-key"),
            "the key belongs into its header"
        );
    }
}

async fn reconcile_for_hours(world: &World) {
    for _ in 0..3 {
        world.runtime.advance(2 * HOUR);
        world.reconcile().await;
    }
}

#[tokio::test]
async fn no_word_of_a_request_to_place_calls_changes_where_it_goes() {
    for hostile in HOSTILE {
        let world = World::new();
        let mut body = place_body(&[7]);
        body["baseUrl"] = json!(hostile);
        let driver = &mut body["drivers"][0];
        for field in [
            "driverName",
            "customRules",
            "call_sid",
            "ELEVENLABS_BASE_URL",
        ] {
            driver[field] = json!(hostile);
        }
        driver["violations"][0] = json!({ "type": hostile, "description": hostile });
        let headers = [
            "host",
            "x-forwarded-host",
            "forwarded",
            "location",
            "xi-api-key",
        ];
        let headers = headers.map(|name| (name.to_owned(), hostile.to_owned()));
        let target = format!("{PLACE}?ELEVENLABS_BASE_URL=https://evil.test");
        let mut request = TestRequest {
            headers: headers.into(),
            ..request("POST", &target, body.to_string())
        };
        let token = format!("Bearer {API_TOKEN}");
        request.headers.push(("authorization".to_owned(), token));
        assert_eq!(world.send(request).await.status, 201);
        assert_at_home(&world.elevenlabs.requests.borrow());
    }
}

#[tokio::test]
async fn no_name_of_a_call_or_a_conversation_changes_where_it_is_asked_about() {
    for hostile in HOSTILE {
        let world = empty_world();
        world.script(|_| Err(call_ledger::elevenlabs::TransportError::Timeout));
        world.post(PLACE, &place_body(&[7, 8])).await;
        // A stranger's turn names a conversation.
        let mut turn = turn_body(7, 1, "Hello");
        turn["conversation_id"] = json!(hostile);
        assert_eq!(world.post(TURN, &turn).await.status, 201);
        // An event too large to be kept whole is asked for by its conversation.
        world.database.execute(&format!(
            "INSERT INTO elevenlabs_events (type, conversation_id, event_timestamp, received_at, tried_at, outcome) \
             VALUES ('post_call_transcription', '{0}', 1, '2025-11-21T10:30:00.000Z', '2025-11-21T10:30:00.000Z', 'kept'); \
             INSERT INTO calls (call_sid, driver_id, call_start_time, status, created_at, updated_at) \
             VALUES ('{0}', 9, '2025-11-21T10:30:00.000Z', 'in_progress', '2025-11-21T10:30:00.000Z', '')",
            hostile.replace('\'', "''")
        ));
        Books::open(&world, []);
        reconcile_for_hours(&world).await;
        assert_at_home(&world.elevenlabs.requests.borrow());
    }
}

#[tokio::test]
async fn no_answer_of_elevenlabs_changes_where_the_next_request_goes() {
    for hostile in HOSTILE {
        let world = empty_world();
        world.script(|_| Err(call_ledger::elevenlabs::TransportError::Timeout));
        world.post(PLACE, &place_body(&[7])).await;
        world.script(move |request| {
            let body = if request.url.contains('?') {
                json!({ "conversations": [{ "conversation_id": hostile }], "next_cursor": hostile })
            } else {
                let mut data = conversation(7, &[]);
                data["conversation_id"] = json!(hostile);
                data
            };
            Ok(ApiAnswer {
                status: 200,
                body: body.to_string(),
            })
        });
        reconcile_for_hours(&world).await;
        assert_at_home(&world.elevenlabs.requests.borrow());
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_never_followed() {
    for status in [301, 302, 303, 307, 308] {
        let world = empty_world();
        world.script(move |_| {
            let body = "<a href=\"https://evil.test/\">moved</a>".to_owned();
            Ok(ApiAnswer { status, body })
        });
        world.post(PLACE, &place_body(&[7])).await;
        assert_eq!(world.call(&sid(7), "failure_reason"), "outcome_unknown");
        world.runtime.advance(2 * HOUR);
        let asked = world.reconcile().await.asked;
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_at_home(&world.elevenlabs.requests.borrow());
    }
}
