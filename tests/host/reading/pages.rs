//! The pages of the list of calls.

use serde_json::{Value, json};

use crate::reading::listing::{Listed, add, ids, listed, mixture};
use crate::support::events::empty_world;

#[tokio::test]
async fn a_page_holds_fifty_calls_or_as_many_as_are_asked_for_up_to_two_hundred() {
    let world = empty_world();
    add(&world, &mixture(300));
    for (query, expected) in [("", 50), ("limit=1", 1), ("limit=200", 200), ("limit=", 50)] {
        let reply = world.get(&format!("/calls?{query}")).await;
        assert_eq!(listed(&reply).len(), expected, "{query}");
        assert!(reply.body["next_cursor"].is_string());
    }
    let short = world.get("/calls?limit=200&driver_id=1").await;
    assert!(listed(&short).len() < 200);
    assert_eq!(short.body["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_last_page_that_is_full_has_no_next_one() {
    let world = empty_world();
    add(&world, &mixture(30));
    let reply = world.get("/calls?limit=30").await;
    assert_eq!(
        (listed(&reply).len(), &reply.body["next_cursor"]),
        (30, &Value::Null)
    );
    let empty = empty_world().get("/calls").await;
    assert_eq!(empty.body, json!({ "calls": [], "next_cursor": null }));
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_while_calls_are_added() {
    for (query, limit) in [("", 7), ("", 200), ("status=failed", 7), ("driver_id=3", 3)] {
        let world = empty_world();
        let before = mixture(500);
        add(&world, &before);
        let fits = |call: &&Listed| match query {
            "status=failed" => call.status == "failed",
            "driver_id=3" => call.driver_id == 3,
            _ => true,
        };
        let mut cursor = String::new();
        let mut seen = Vec::new();
        for page in 0.. {
            let reply = world
                .get(&format!("/calls?{query}&limit={limit}&cursor={cursor}"))
                .await;
            seen.extend(listed(&reply));
            // The newest ones, and one at the very time of the last one that was read.
            let last = seen
                .last()
                .and_then(|id| before.iter().find(|call| call.id == *id));
            let second = last.unwrap().second;
            for (n, second) in [(0, 100_000), (1, 100_000), (2, second)] {
                let new = Listed {
                    id: 1000 + page * 3 + n,
                    driver_id: 3,
                    status: "failed",
                    second,
                };
                add(&world, &[new]);
            }
            match reply.body["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert_eq!(
            seen,
            ids(before.iter().filter(fits).cloned().collect()),
            "{query} by {limit}"
        );
    }
}

#[tokio::test]
async fn a_cursor_holds_though_its_call_changes_meanwhile() {
    let world = empty_world();
    add(&world, &mixture(20));
    let first = world.get("/calls?status=failed&limit=2").await;
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let rest = format!("/calls?status=failed&limit=200&cursor={cursor}");
    let before = listed(&world.get(&rest).await);
    let last = listed(&first)[1];
    let change = format!("UPDATE calls SET status = 'completed' WHERE id = {last}");
    world.database.execute(&change);
    assert_eq!(listed(&world.get(&rest).await), before);
}
