//! What happens while the database does not take anything.

use rusqlite::OpenFlags;
use serde_json::json;

use crate::http::{PLACE, placing, sid, turn};
use crate::ledger::{ANSWERS, API_TOKEN, test_alone};

#[test]
fn while_the_database_is_locked_nothing_is_dialled_and_nothing_is_acknowledged() {
    test_alone(async |ledger| {
        let (driver, other) = (ledger.driver(), ledger.driver());
        assert_eq!(
            ledger.http.place(&[(other, "+15550100209")]).await.status,
            201
        );
        ledger.simulator.wait_idle().await;
        let lock = ledger.connection(OpenFlags::SQLITE_OPEN_READ_WRITE);
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let placed = ledger
            .http
            .post(PLACE)
            .bearer(API_TOKEN)
            .json(&placing(&[(driver, ANSWERS)]))
            .send()
            .await;
        let turn = turn(&sid(other), 50, "while locked");
        let turned = ledger.http.turn(&turn).await;
        lock.execute_batch("COMMIT").unwrap();

        placed.assert_problem(500, "call_not_recorded");
        turned.assert_problem(500, "store_unavailable");
        assert_eq!(turned.body["call_sid"], sid(other));
        for reply in [&placed, &turned] {
            assert!(
                !reply.text.contains("SQLITE") && !reply.text.contains("locked"),
                "{}",
                reply.text
            );
            let line = ledger.line(reply.request_id()).await;
            assert_eq!(
                (&line["level"], &line["status"]),
                (&json!("error"), &json!(500)),
                "{line}"
            );
            assert!(
                line["cause"]
                    .as_str()
                    .unwrap()
                    .contains("database is locked"),
                "{line}"
            );
        }
        assert_eq!(
            (ledger.call(&sid(driver)), ledger.dials(&sid(driver)).len()),
            (None, 0)
        );

        // Both again, as the answers advise.
        assert_eq!(ledger.http.place(&[(driver, ANSWERS)]).await.status, 201);
        assert_eq!(ledger.http.turn(&turn).await.status, 201);
    });
}
