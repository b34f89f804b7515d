//! What a request without a valid signature costs: the body is read only where form and time of
//! its signature are right.

use std::cell::Cell;

use call_ledger::http::{BodyError, Incoming};

use crate::events::post_call::{assert_applied, assert_problem, assert_untouched, event, header};
use crate::support::events::{SECRET, delivery, world_with_calls};
use crate::support::world::{TestRequest, read};

/// A request that counts how often its body is read.
struct Counting {
    request: TestRequest,
    reads: Cell<u32>,
}

impl Incoming for Counting {
    fn method(&self) -> String {
        self.request.method()
    }

    fn path(&self) -> String {
        self.request.path()
    }

    fn query(&self) -> String {
        self.request.query()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.request.header(name)
    }

    async fn body(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        self.reads.set(self.reads.get() + 1);
        self.request.body(limit).await
    }
}

#[tokio::test]
async fn a_header_of_wrong_form_or_time_costs_no_body() {
    let world = world_with_calls(&[7]).await;
    let body = event();
    let good = header(&world, &[SECRET], 0, &body);
    let (time, hex) = good.split_once(",v0=").unwrap();
    let deliver = async |header: &str| {
        let mut request = Counting {
            request: delivery(header, body.as_str()),
            reads: Cell::new(0),
        };
        let reply = read(world.service().handle(&mut request).await);
        (reply, request.reads.get())
    };
    for header in [
        String::new(),
        time.to_owned(),
        format!("v0={hex}"),
        format!("{time},v0={}", &hex[1..]),
        format!("{time},v0={hex}0"),
        format!("{time},v0={}", hex.to_uppercase()),
        format!("{time},v0={}", "z".repeat(64)),
        format!("{time},v1={hex}"),
        format!("{time},{time},v0={hex}"),
        format!("t=now,v0={hex}"),
        header(&world, &[SECRET], 45 * 60 + 1, &body),
        header(&world, &[SECRET], -45 * 60 - 1, &body),
    ] {
        let (reply, reads) = deliver(&header).await;
        assert_problem(&reply, 401, "invalid_signature");
        assert_eq!(reads, 0, "{header}");
    }
    // Only the body tells that this one is wrong.
    let (reply, reads) = deliver(&format!("{time},v0={}", "0".repeat(64))).await;
    assert_problem(&reply, 401, "invalid_signature");
    assert_eq!(reads, 1);
    assert_untouched(&world);
    let (reply, reads) = deliver(&good).await;
    assert_applied(&world, &reply);
    assert_eq!(reads, 1);
}

#[tokio::test]
async fn without_a_secret_no_body_is_read_either() {
    let world = world_with_calls(&[7]).await;
    let body = event();
    let header = header(&world, &[SECRET], 0, &body);
    world.settings.unset("ELEVENLABS_WEBHOOK_SECRET");
    let mut request = Counting {
        request: delivery(&header, body.as_str()),
        reads: Cell::new(0),
    };
    let reply = read(world.service().handle(&mut request).await);
    assert_problem(&reply, 503, "not_configured");
    assert_eq!(request.reads.get(), 0);
}
