//! When the database is asked again, and after which pause.

use crate::support::sqlite::Fault::Refused;
use crate::support::sqlite::TRANSIENT;
use crate::support::world::{PLACE, TURN, TestRuntime, World, place_body, turn_body};

#[tokio::test]
async fn an_error_that_is_not_transient_is_not_tried_again() {
    for message in [
        "D1_ERROR: near \"SELEC\": syntax error at offset 0: SQLITE_ERROR",
        "D1_ERROR: UNIQUE constraint failed: calls.call_sid: SQLITE_CONSTRAINT",
        "D1_TYPE_ERROR: Type 'bigint' not supported for value '1'",
        "D1_ERROR: Your account has exceeded D1's maximum account limits for the day",
    ] {
        let world = World::new();
        world.database.fail_next([Refused(message)]);
        assert_eq!(world.post(PLACE, &place_body(&[7])).await.status, 500);
        world.database.fail_next([Refused(message)]);
        assert_eq!(
            world.post(TURN, &turn_body(7, 1, "Hello")).await.status,
            500
        );
        assert_eq!(world.database.round_trips(), 2);
        assert!(world.runtime.slept.borrow().is_empty());
        assert_eq!(world.lines("request")[0]["db_retries"], 0);
    }
}

#[tokio::test]
async fn the_pauses_are_random_within_a_bound_that_doubles() {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut world = World::new();
    for seed in 0..200 {
        world.runtime = TestRuntime::new(seed);
        world.database.fail_next(vec![Refused(TRANSIENT); 3]);
        world.get("/health").await;
        let slept = world.runtime.slept.borrow();
        let [one, two] = slept[..] else {
            panic!("{slept:?}")
        };
        first.push(one);
        second.push(two);
    }
    let (least, most) = (
        |pauses: &[u64]| *pauses.iter().min().unwrap(),
        |pauses: &[u64]| *pauses.iter().max().unwrap(),
    );
    assert!(
        least(&first) < 5 && (46..=50).contains(&most(&first)),
        "{first:?}"
    );
    assert!(
        least(&second) < 10 && (91..=100).contains(&most(&second)),
        "{second:?}"
    );
}
