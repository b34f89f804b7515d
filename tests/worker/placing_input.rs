//! Requests to place calls that are wrong: nothing is recorded, nothing is dialled.

use serde_json::json;

use crate::http::{PLACE, placing, sid};
use crate::ledger::{ANSWERS, API_TOKEN, test};

#[test]
fn a_request_that_is_wrong_anywhere_records_and_dials_nothing() {
    test(async |ledger| {
        let (good, bad) = (ledger.driver(), ledger.driver());
        let mut body = placing(&[(good, ANSWERS), (bad, "555-0100")]);
        let reply = ledger.http.post_placing(&body).await;
        reply.assert_problem(400, "invalid_request");
        assert_eq!(reply.faulty_fields(), ["drivers[1].phoneNumber"]);

        body["timestamp"] = json!("yesterday");
        body["drivers"][0]["driverId"] = json!(9_007_199_254_740_992_i64);
        body["drivers"][0]["violations"] = json!([{ "description": "x", "occurredAt": 5 }, 7]);
        body["drivers"][1] =
            json!({ "driverId": 0, "driverName": [], "violations": {}, "customRules": 1 });
        body["drivers"].as_array_mut().unwrap().push(json!(null));
        let reply = ledger.http.post_placing(&body).await;
        reply.assert_problem(400, "invalid_request");
        let mut fields = reply.faulty_fields();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "drivers[0].driverId",
                "drivers[0].violations[0].occurredAt",
                "drivers[0].violations[0].type",
                "drivers[0].violations[1]",
                "drivers[1].customRules",
                "drivers[1].driverId",
                "drivers[1].driverName",
                "drivers[1].phoneNumber",
                "drivers[1].violations",
                "drivers[2]",
                "timestamp",
            ]
        );

        let twice = ledger.http.place(&[(good, ANSWERS), (good, ANSWERS)]).await;
        assert_eq!(twice.faulty_fields(), ["drivers[1].driverId"]);
        let too_many: Vec<_> = (0..21).map(|_| (ledger.driver(), ANSWERS)).collect();
        assert_eq!(
            ledger.http.place(&too_many).await.faulty_fields(),
            ["drivers"]
        );
        assert_eq!(ledger.http.place(&[]).await.faulty_fields(), ["drivers"]);
        for body in [
            "",
            "null",
            "[]",
            "{",
            "\"drivers\"",
            "{\"timestamp\":1,\"drivers\":1}",
        ] {
            let reply = ledger
                .http
                .post(PLACE)
                .bearer(API_TOKEN)
                .body(body)
                .send()
                .await;
            reply.assert_problem(400, "invalid_request");
        }

        for driver in [good, bad, too_many[0].0, too_many[20].0] {
            assert_eq!(
                (ledger.call(&sid(driver)), ledger.dials(&sid(driver)).len()),
                (None, 0)
            );
        }
    });
}
