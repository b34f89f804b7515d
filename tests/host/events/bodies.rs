//! What counts as an event, and how long it may be.

use call_ledger::http::{BodyError, Incoming};

use crate::events::post_call::{assert_applied, assert_problem, assert_untouched, event, header};
use crate::support::events::{SECRET, conversation, delivery, transcription, world_with_calls};
use crate::support::world::{TestRequest, read};

#[tokio::test]
async fn what_is_signed_but_no_event_is_refused() {
    let world = world_with_calls(&[7]).await;
    let deep = format!("{{\"type\":\"x\",\"data\":{}", "[".repeat(100_000));
    for body in [
        "",
        " ",
        "null",
        "[]",
        "\"post_call_transcription\"",
        "{",
        "{\"type\":\"post_call_transcription\"",
        "{}",
        "{\"type\":7}",
        "{\"type\":\" \"}",
        "{\"type\":\"post_call_transcription\"}",
        "{\"type\":\"post_call_transcription\",\"data\":[]}",
        "{\"type\":\"post_call_transcription\",\"data\":{\"status\":\"done\"}}",
        "{\"type\":\"call_initiation_failure\",\"data\":{\"conversation_id\":null}}",
        "{\"type\":\"call_initiation_failure\",\"data\":{\"conversation_id\":7}}",
        "{\"type\":\"x\"} {\"type\":\"x\"}",
        deep.as_str(),
    ] {
        let reply = world.deliver_bytes(body).await;
        assert_problem(&reply, 400, "invalid_request");
    }
    let reply = world.deliver_bytes(*b"{\"type\":\"\xff\xfe\"}").await;
    assert_problem(&reply, 400, "invalid_request");
    assert_untouched(&world);
}

#[tokio::test]
async fn half_a_surrogate_pair_neither_breaks_the_signature_nor_loses_the_event() {
    let world = world_with_calls(&[7]).await;
    let body = transcription(conversation(
        7,
        &[(1, "A:cut MARK off"), (2, "D:😀 and \\uMARK")],
    ));
    let body = body.to_string().replace("MARK", "\\ud83d");
    let reply = world.deliver_bytes(body.clone()).await;
    assert_applied(&world, &reply);
    let words = world.words(7).await;
    assert_eq!(words[0], "A:cut \u{fffd} off");
    assert!(words[1].starts_with("D:😀 and "), "{words:?}");
    let again = world.deliver_bytes(body).await;
    assert_eq!(again.body["status"], "already_applied");
}

/// A request whose body is so long, as far as the runtime tells.
struct OfLength(usize, TestRequest);

impl Incoming for OfLength {
    fn method(&self) -> String {
        self.1.method()
    }

    fn path(&self) -> String {
        self.1.path()
    }

    fn query(&self) -> String {
        self.1.query()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.1.header(name)
    }

    async fn body(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        if self.0 > limit {
            return Err(BodyError::TooLarge);
        }
        self.1.body(usize::MAX).await
    }
}

#[tokio::test]
async fn a_body_of_32_mib_is_taken_and_one_byte_more_is_not() {
    let world = world_with_calls(&[7]).await;
    let body = event();
    let header = header(&world, &[SECRET], 0, &body);
    let of_length = async |bytes| {
        let mut request = OfLength(bytes, delivery(&header, body.as_str()));
        read(world.service().handle(&mut request).await)
    };
    let reply = of_length(32 * 1024 * 1024 + 1).await;
    assert_problem(&reply, 413, "payload_too_large");
    assert_untouched(&world);
    assert_applied(&world, &of_length(32 * 1024 * 1024).await);
}
