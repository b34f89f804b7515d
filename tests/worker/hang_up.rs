//! A caller that hangs up while its calls are placed, as the runtime tells the worker.
//!
//! `wrangler dev` has a proxy in front of the worker, and that proxy keeps a hang-up to itself. So this test talks to
//! the worker's own port behind it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use elevenlabs_simulator::Outcome;
use serde_json::json;

use crate::http::{PLACE, placing, sid};
use crate::ledger::{API_TOKEN, Ledger, test, until};

/// Answered after a quarter of `SLOW`.
const THINKS: &str = "+15550100171";

/// The worker's own address, behind the proxy.
fn own_address(ledger: &Ledger) -> SocketAddr {
    let ports = ledger.ports_behind_the_proxy();
    let is_worker = |address: &SocketAddr| {
        let Ok(mut stream) = TcpStream::connect(address) else {
            return false;
        };
        let patience = Some(Duration::from_secs(5));
        stream.set_read_timeout(patience).unwrap();
        let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut answer = [0; 12];
        stream.write_all(request.as_bytes()).is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer == *b"HTTP/1.1 200"
    };
    let mut addresses = ports
        .iter()
        .map(|port| SocketAddr::from(([127, 0, 0, 1], *port)));
    addresses
        .find(is_worker)
        .unwrap_or_else(|| panic!("the worker is at none of the ports {ports:?}"))
}

#[test]
fn no_dial_starts_after_the_caller_has_gone() {
    test(async |ledger| {
        let drivers: Vec<_> = (0..20).map(|_| (ledger.driver(), THINKS)).collect();
        let body = placing(&drivers).to_string();
        let mut stream = TcpStream::connect(own_address(ledger)).unwrap();
        // A connection that is closed with something unread is reset, and only a reset is noticed at once.
        let unread = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(unread.as_bytes()).unwrap();
        stream.peek(&mut [0]).unwrap();
        let head = format!(
            "POST {PLACE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {API_TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let dialled = || {
            let dials = drivers
                .iter()
                .flat_map(|(driver, _)| ledger.dials(&sid(*driver)));
            dials.collect::<Vec<_>>()
        };
        let six_open = || {
            let dials = dialled();
            let open = dials.iter().filter(|dial| dial.outcome == Outcome::Open);
            (open.count() == 6).then_some(())
        };
        until("six open dials", six_open).await;
        drop(stream);

        // The open dials go on and are recorded; the others have not started, and the record says so.
        let settled = || {
            let rows = drivers
                .iter()
                .filter_map(|(driver, _)| ledger.call(&sid(*driver)));
            let (mut linked, mut not_dialled) = (0, 0);
            for row in rows {
                linked += u32::from(row["conversation_id"].is_string());
                not_dialled += u32::from(row["failure_reason"] == "not_dialled");
            }
            (linked + not_dialled == 20).then_some((linked, not_dialled))
        };
        assert_eq!(until("a record of all calls", settled).await, (6, 14));
        assert_eq!(dialled().len(), 6);

        // A repeat dials none of them, and says what became of each.
        let reply = ledger.http.place(&drivers).await;
        let codes = reply.body["calls"].as_array().unwrap().iter();
        let codes = codes.filter(|call| call["error"]["code"] == "not_dialled");
        assert_eq!((reply.status, codes.count()), (200, 14));
        assert_eq!(dialled().len(), 6);
        // Nor did the runtime end the request before its last line.
        let sid = sid(drivers[19].0);
        let line = &ledger.lines(&[&sid, "call_failed"], 1).await[0];
        assert_eq!(
            (&line["code"], &line["level"]),
            (&json!("not_dialled"), &json!("info"))
        );
    });
}
