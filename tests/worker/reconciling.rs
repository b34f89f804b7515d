//! The scheduled run: calls that no event settled.

use serde_json::{Value, json};

use crate::http::sid;
use crate::ledger::{ANSWERS, Ledger, test_alone};
use crate::story::Story;

/// Runs a test alone, with nothing of other tests left for the reconciler: it asked about all of that just now.
fn test_reconciling(body: impl AsyncFnOnce(&Ledger)) {
    test_alone(async |ledger| {
        let now = "strftime('%Y-%m-%dT%H:%M:%fZ')";
        ledger
            .execute(&format!(
                "UPDATE calls SET asked_at = {now} WHERE status = 'in_progress' OR failure_reason = 'outcome_unknown'; \
                 UPDATE elevenlabs_events SET outcome = 'expired' WHERE outcome = 'kept'"
            ))
            .await;
        body(ledger).await;
    });
}

/// Runs the schedule, and returns its log line.
pub async fn reconcile(ledger: &Ledger) -> Value {
    let line = ["\"event\":\"reconcile\""];
    let runs = ledger.lines_now(&line).len();
    let reply = ledger.http.get("/cdn-cgi/handler/scheduled").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    ledger.lines(&line, runs + 1).await.remove(runs)
}

/// Makes a call older by so many minutes.
async fn age(ledger: &Ledger, call_sid: &str, minutes: u32) {
    let sql = format!(
        "UPDATE calls SET call_start_time = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-{minutes} minutes'), asked_at = NULL \
         WHERE call_sid = '{call_sid}'"
    );
    ledger.execute(&sql).await;
}

fn state(row: &Value) -> (&str, Option<&str>) {
    (
        row["status"].as_str().unwrap(),
        row["failure_reason"].as_str(),
    )
}

#[test]
fn a_call_whose_event_never_came_is_settled_by_asking() {
    test_reconciling(async |ledger| {
        let story = Story::begin(ledger, "+15550100202").await;
        story.posted(ledger, 1).await;
        ledger.simulator.wait_idle().await;
        // Young calls are left alone.
        assert_eq!(reconcile(ledger).await["reconciled"]["calls_asked"], 0);
        age(ledger, &story.call_sid, 14).await;
        assert_eq!(reconcile(ledger).await["reconciled"]["calls_asked"], 0);
        assert_eq!(state(&story.row(ledger)), ("in_progress", None));

        age(ledger, &story.call_sid, 16).await;
        let line = reconcile(ledger).await;
        assert_eq!(
            (
                &line["reconciled"]["calls_asked"],
                &line["reconciled"]["calls_settled"],
                &line["level"]
            ),
            (&json!(1), &json!(1), &json!("info"))
        );
        story.assert_settled(ledger, "completed", None).await;
        // Settled is settled.
        assert_eq!(reconcile(ledger).await["reconciled"]["calls_asked"], 0);
        // The event comes after all, and finds everything as it says.
        let event = ledger
            .simulator
            .deliver_now(&story.conversation_id)
            .await
            .unwrap();
        assert_eq!(event.status, Some(200));
        story.assert_settled(ledger, "completed", None).await;
    });
}

#[test]
fn a_call_of_which_nothing_came_back_is_found_by_its_name() {
    test_reconciling(async |ledger| {
        let story = Story::begin(ledger, "+15550100202").await;
        story.posted(ledger, 1).await;
        ledger.simulator.wait_idle().await;
        // As if the answer had been lost, and every turn.
        ledger
            .execute(&format!(
                "DELETE FROM call_transcriptions WHERE conversation_id = '{0}'; \
                 UPDATE calls SET conversation_id = NULL, status = 'failed', failure_reason = 'outcome_unknown' \
                 WHERE conversation_id = '{0}'",
                story.conversation_id
            ))
            .await;
        age(ledger, &story.call_sid, 16).await;
        assert_eq!(reconcile(ledger).await["reconciled"]["calls_settled"], 1);
        story.assert_settled(ledger, "completed", None).await;
        assert_eq!(ledger.dials(&story.call_sid).len(), 1);
    });
}

#[test]
fn a_call_that_elevenlabs_never_heard_of_failed() {
    test_reconciling(async |ledger| {
        // Two that ElevenLabs broke down over, and one whose worker died before it dialled.
        let (broken, cut, dead) = (ledger.driver(), ledger.driver(), ledger.driver());
        let placed = ledger
            .http
            .place(&[(broken, "+15550100216"), (cut, "+15550100160")])
            .await;
        assert_eq!(placed.status, 502, "{}", placed.text);
        ledger
            .execute(&format!(
                "INSERT INTO calls (call_sid, driver_id, call_start_time, status, dial_token, created_at, updated_at) \
                 VALUES ('{}', {dead}, '2025-11-21T10:30:00.000Z', 'in_progress', 'lost', '2025-11-21T10:30:00.000Z', \
                         '2025-11-21T10:30:00.000Z')",
                sid(dead)
            ))
            .await;
        for driver in [broken, cut, dead] {
            age(ledger, &sid(driver), 16).await;
        }
        let line = reconcile(ledger).await;
        assert_eq!(
            (
                &line["reconciled"]["calls_asked"],
                &line["reconciled"]["calls_settled"]
            ),
            (&json!(3), &json!(3)),
            "{line}"
        );
        for driver in [broken, cut, dead] {
            let row = ledger.call(&sid(driver)).unwrap();
            assert_eq!(state(&row), ("failed", Some("never_started")));
            assert!(
                row["call_end_time"].is_string() && row["conversation_id"].is_null(),
                "{row}"
            );
        }
        // The dead worker's call is not dialled by whoever asks again.
        let again = ledger.http.place(&[(dead, ANSWERS)]).await;
        let call = &again.body["calls"][0];
        assert_eq!(
            (again.status, &call["created"], &call["status"]),
            (200, &json!(false), &json!("failed"))
        );
        assert_eq!(ledger.dials(&sid(dead)).len(), 0);
    });
}

#[test]
fn a_conversation_that_goes_on_is_asked_about_again_until_a_day_has_passed() {
    test_reconciling(async |ledger| {
        let story = Story::begin(ledger, "+15550100209").await;
        story.posted(ledger, 1).await;
        ledger.simulator.wait_idle().await;
        age(ledger, &story.call_sid, 16).await;
        let line = reconcile(ledger).await;
        assert_eq!(
            (
                &line["reconciled"]["calls_asked"],
                &line["reconciled"]["calls_settled"]
            ),
            (&json!(1), &json!(0)),
            "{line}"
        );
        assert_eq!(state(&story.row(ledger)), ("in_progress", None));
        // Asked just now, it is not asked about again so soon.
        assert_eq!(reconcile(ledger).await["reconciled"]["calls_asked"], 0);

        age(ledger, &story.call_sid, 25 * 60).await;
        assert_eq!(reconcile(ledger).await["reconciled"]["calls_settled"], 1);
        assert_eq!(state(&story.row(ledger)), ("failed", Some("no_outcome")));
        // ElevenLabs' word outweighs that.
        let event = ledger
            .simulator
            .deliver_now(&story.conversation_id)
            .await
            .unwrap();
        assert_eq!(event.status, Some(200));
        story.assert_settled(ledger, "completed", None).await;
    });
}

#[test]
fn elevenlabs_out_of_reach_ends_the_asking_and_settles_nothing() {
    test_reconciling(async |ledger| {
        for (number, code, status) in [
            ("+15550100214", "rate_limited", 429),
            ("+15550100215", "unavailable", 500),
        ] {
            let story = Story::begin(ledger, number).await;
            let waiting = Story::begin(ledger, "+15550100202").await;
            waiting.posted(ledger, 1).await;
            ledger.simulator.wait_idle().await;
            age(ledger, &story.call_sid, 20).await;
            age(ledger, &waiting.call_sid, 16).await;
            let line = reconcile(ledger).await;
            assert_eq!(
                (
                    &line["code"],
                    &line["status"],
                    &line["reconciled"]["calls_asked"],
                    &line["level"]
                ),
                (&json!(code), &json!(status), &json!(1), &json!("error")),
                "{line}"
            );
            assert_eq!(state(&story.row(ledger)), ("in_progress", None));
            // The next run goes on with the others.
            assert_eq!(reconcile(ledger).await["reconciled"]["calls_settled"], 1);
            waiting.assert_settled(ledger, "completed", None).await;
            ledger
                .simulator
                .deliver_now(&story.conversation_id)
                .await
                .unwrap();
            story.assert_settled(ledger, "completed", None).await;
        }
    });
}

#[test]
fn a_run_with_nothing_to_do_costs_next_to_nothing() {
    test_reconciling(async |ledger| {
        let line = reconcile(ledger).await;
        let done =
            json!({ "events_tried": 0, "calls_asked": 0, "calls_settled": 0, "texts_cleared": 0 });
        assert_eq!(line["reconciled"], done);
        assert_eq!(
            (&line["db_round_trips"], &line["db_rows_written"]),
            (&json!(2), &json!(0)),
            "{line}"
        );
    });
}
