//! Settling what no event has settled, by asking ElevenLabs.

use call_ledger::elevenlabs::{ApiAnswer, TransportError};
use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::events::{
    Books, DAY, HOUR, MINUTE, at, conversation, empty_world, transcription, world_with_calls,
};
use crate::support::world::{PLACE, World, place_body, sid};

pub const ONE: &str = "/v1/convai/conversations/conv_7";
const BY_USER: &str = "/v1/convai/conversations?page_size=10&user_id=EL_7_2025-11-21T10%3A30%3A00Z";
const BY_VARIABLE: &str = "/v1/convai/conversations?page_size=10&dynamic_variable_params=\
    call_sid%3Aeq%3AEL_7_2025-11-21T10%3A30%3A00Z";
pub const OUTCOME: &str = "status, failure_reason, conversation_id";

pub fn outcome(status: &str, reason: Option<&str>, conversation_id: Option<&str>) -> Value {
    json!({ "status": status, "failure_reason": reason, "conversation_id": conversation_id })
}

pub fn done() -> Value {
    conversation(7, &[(1, "A:Hello"), (4, "D:Hi")])
}

/// A world where driver 7's call was dialled, but ElevenLabs' answer was lost.
pub async fn world_without_an_answer() -> World {
    let world = empty_world();
    world.script(|_| Err(TransportError::Timeout));
    assert_eq!(world.post(PLACE, &place_body(&[7])).await.status, 502);
    world
}

/// A world where driver 7's call was recorded, and the worker died before it dialled.
async fn world_without_a_dial() -> World {
    let world = world_without_an_answer().await;
    let undo = "UPDATE calls SET status = 'in_progress', failure_reason = NULL";
    world.database.execute(undo);
    world
}

/// What a run says it did: events, calls asked, calls settled.
pub fn did(line: &Value) -> [i64; 3] {
    ["events_tried", "calls_asked", "calls_settled"]
        .map(|field| line["reconciled"][field].as_i64().unwrap())
}

#[tokio::test]
async fn a_call_is_asked_about_when_it_is_in_progress_for_longer_than_configured() {
    for (minutes, wait) in [(None, 15), (Some("3"), 3), (Some("600"), 600)] {
        let world = world_with_calls(&[7]).await;
        if let Some(minutes) = minutes {
            world.settings.set("RECONCILE_AFTER_MINUTES", minutes);
        }
        Books::open(&world, [done()]);
        world.runtime.advance(wait * MINUTE);
        let early = world.reconcile().await;
        assert_eq!((did(&early.line), early.asked.len()), ([0, 0, 0], 0));
        world.runtime.advance(1);
        let run = world.reconcile().await;
        assert_eq!(run.asked, [ONE]);
        assert_eq!(did(&run.line), [0, 1, 1]);
        let row = world.row(7, "status, call_end_time, summary, telephony_call_sid");
        let expected = json!({ "status": "completed", "call_end_time": at(60), "summary": "They spoke.",
                               "telephony_call_sid": "CA7" });
        assert_eq!(row, expected);
        assert_eq!(world.words(7).await, ["A:Hello", "D:Hi"]);
        // It is settled, and not asked about again.
        world.runtime.advance(DAY);
        assert!(world.reconcile().await.asked.is_empty());
    }
}

#[tokio::test]
async fn elevenlabs_is_asked_with_the_key_and_answers_in_time() {
    let world = world_with_calls(&[7]).await;
    Books::open(&world, [done()]);
    world.runtime.advance(HOUR);
    world.reconcile().await;
    let asked = world.elevenlabs.requests.borrow().last().cloned().unwrap();
    assert_eq!((asked.method, &asked.body), ("GET", &None));
    assert_eq!(
        (asked.api_key.as_str(), asked.timeout.as_secs()),
        ("test-key", 20)
    );
}

#[tokio::test]
async fn an_event_after_the_answer_changes_nothing_and_the_other_way_round() {
    let world = world_with_calls(&[7]).await;
    Books::open(&world, [done()]);
    world.runtime.advance(HOUR);
    world.reconcile().await;
    let turns = "SELECT * FROM call_transcriptions";
    let before = (world.row(7, OUTCOME), world.database.query(turns));
    assert_eq!(world.deliver(&transcription(done())).await, "applied");
    assert_eq!((world.row(7, OUTCOME), world.database.query(turns)), before);
}

#[tokio::test]
async fn a_call_without_conversation_is_found_by_its_name_and_confirmed() {
    for worlds_call in [true, false] {
        for by_user in [true, false] {
            let world = if worlds_call {
                world_without_an_answer().await
            } else {
                world_without_a_dial().await
            };
            let mut data = done();
            if !by_user {
                data["user_id"] = Value::Null;
                data["conversation_initiation_client_data"]["user_id"] = Value::Null;
            }
            Books::open(&world, [data]);
            world.runtime.advance(HOUR);
            let run = world.reconcile().await;
            let expected: &[&str] = if by_user {
                &[BY_USER, ONE]
            } else {
                &[BY_USER, BY_VARIABLE, ONE]
            };
            assert_eq!(run.asked, expected);
            assert_eq!(
                world.row(7, OUTCOME),
                outcome("completed", None, Some("conv_7"))
            );
            assert_eq!(world.words(7).await, ["A:Hello", "D:Hi"]);
        }
    }
}

#[tokio::test]
async fn a_conversation_that_is_not_the_calls_own_is_refused() {
    let mut others = conversation(8, &[(1, "A:Not yours")]);
    others["user_id"] = json!(sid(7));
    let mut nobodys = conversation(9, &[(1, "A:Nobody's")]);
    nobodys["conversation_initiation_client_data"] = Value::Null;
    nobodys["user_id"] = Value::Null;
    let world = world_without_an_answer().await;
    let books = Books::default();
    for one in [&others, &nobodys, &done()] {
        books.add(one.clone());
    }
    let listing = books.clone();
    // Lists them all, whatever is asked for; and one that is gone when it is read.
    world.script(move |request| {
        if !request.url.contains('?') {
            return listing.answer(request);
        }
        let ids = ["conv_gone", "conv_9", "conv_8"];
        let listed = ids.map(|id| json!({ "conversation_id": id }));
        let body = json!({ "conversations": listed, "has_more": true }).to_string();
        Ok(ApiAnswer { status: 200, body })
    });
    world.runtime.advance(HOUR);
    world.reconcile().await;
    assert_eq!(
        world.row(7, OUTCOME),
        outcome("failed", Some("never_started"), None)
    );
    assert!(world.words(7).await.is_empty());
}

/// ElevenLabs' filter found a conversation for this call. So nobody may be told that no phone rang
/// and that the driver can be phoned again.
#[tokio::test]
async fn a_conversation_that_is_listed_but_not_confirmed_leaves_the_outcome_open() {
    let mut silent = done();
    silent["user_id"] = Value::Null;
    silent["conversation_initiation_client_data"] = Value::Null;
    // It cannot be read; it is read and names no call; its list has no name that could be read.
    for (shown, listed) in [
        (None, json!({ "conversation_id": "conv_7" })),
        (Some(silent), json!({ "conversation_id": "conv_7" })),
        (None, json!({ "id": "conv_7" })),
    ] {
        let named = listed["conversation_id"].is_string();
        let world = world_without_an_answer().await;
        let books = Books::default();
        if let Some(shown) = shown {
            books.add(shown);
        }
        let found = json!({ "conversations": [listed], "has_more": false }).to_string();
        world.script(move |request| {
            if !request.url.contains('?') {
                return books.answer(request);
            }
            let body = if request.url.contains("user_id") {
                found.clone()
            } else {
                json!({ "conversations": [] }).to_string()
            };
            Ok(ApiAnswer { status: 200, body })
        });
        world.runtime.advance(HOUR);
        world.reconcile().await;
        let open = outcome("failed", Some("outcome_unknown"), None);
        assert_eq!(world.row(7, OUTCOME), open);
        world.runtime.advance(if named { DAY } else { 7 * DAY });
        world.reconcile().await;
        let given_up = outcome("failed", Some("no_outcome"), None);
        assert_eq!(world.row(7, OUTCOME), given_up);
    }
}

#[tokio::test]
async fn a_call_that_elevenlabs_knows_nothing_of_never_started() {
    for dialled in [true, false] {
        let world = if dialled {
            world_without_an_answer().await
        } else {
            world_without_a_dial().await
        };
        Books::open(&world, []);
        world.runtime.advance(HOUR);
        let run = world.reconcile().await;
        assert_eq!(run.asked, [BY_USER, BY_VARIABLE]);
        assert_eq!(did(&run.line), [0, 1, 1]);
        assert_eq!(
            world.row(7, OUTCOME),
            outcome("failed", Some("never_started"), None)
        );
        assert_eq!(world.call(&sid(7), "call_end_time"), at(3601));
        let dials = world.dialled().len();
        assert_eq!(world.post(PLACE, &place_body(&[7])).await.status, 200);
        assert_eq!(world.dialled().len(), dials);
        let line = world.lines("call_settled").pop().unwrap();
        assert_eq!(
            (&line["call_sid"], &line["code"]),
            (&json!(sid(7)), &json!("never_started"))
        );
        // ElevenLabs' word about the conversation corrects it.
        assert_eq!(world.deliver(&transcription(done())).await, "applied");
        assert_eq!(
            world.row(7, OUTCOME),
            outcome("completed", None, Some("conv_7"))
        );
    }
}

#[tokio::test]
async fn two_runs_at_once_settle_a_call_once() {
    let world = world_with_calls(&[7]).await;
    world.say_all(7, &[(4, "D:Hi")]).await;
    Books::open(&world, [done()]);
    world.runtime.advance(HOUR);
    join(world.reconcile(), world.reconcile()).await;
    assert_eq!(world.call(&sid(7), "transcript_revision"), 1);
    assert_eq!(world.words(7).await, ["A:Hello", "D:Hi"]);
    assert_eq!(world.lines("call_settled").len(), 1);
}
