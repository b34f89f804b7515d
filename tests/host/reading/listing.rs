//! The list of calls: filters, pages and what they cost.

use call_ledger::model::UtcTime;
use serde_json::{Value, json};

use crate::events::transcripts::numbers;
use crate::support::events::{STARTED, at, empty_world};
use crate::support::world::{Reply, World};

/// A call as it is in the list.
#[derive(Debug, Clone)]
pub struct Listed {
    pub id: i64,
    pub driver_id: i64,
    pub status: &'static str,
    pub second: i64,
}

/// Adds calls past the ledger.
pub fn add(world: &World, calls: &[Listed]) {
    let rows: Vec<String> = calls
        .iter()
        .map(|call| {
            let start = at(call.second);
            format!(
                "({0}, 'EL_{0}', {1}, '{start}', '{2}', '{start}', '{start}')",
                call.id, call.driver_id, call.status
            )
        })
        .collect();
    for rows in rows.chunks(500) {
        world.database.execute(&format!(
            "INSERT INTO calls (id, call_sid, driver_id, call_start_time, status, created_at, updated_at) VALUES {}",
            rows.join(",")
        ));
    }
}

/// So many calls; several share a start time, and the ids say nothing of the order.
pub fn mixture(count: i64) -> Vec<Listed> {
    let mut next = numbers(11);
    let mut pick = |below: usize| i64::try_from(next(below)).unwrap();
    let statuses = ["in_progress", "completed", "failed"];
    let call = |id| Listed {
        id,
        driver_id: pick(6) + 1,
        status: statuses[usize::try_from(pick(3)).unwrap()],
        second: pick(usize::try_from(count / 3).unwrap()),
    };
    (1..=count).map(call).collect()
}

/// The ids in the list's order.
pub fn ids(mut calls: Vec<Listed>) -> Vec<i64> {
    calls.sort_by_key(|call| std::cmp::Reverse((call.second, call.id)));
    calls.iter().map(|call| call.id).collect()
}

pub fn listed(reply: &Reply) -> Vec<i64> {
    assert_eq!(reply.status, 200, "{}", reply.text);
    let calls = reply.body["calls"].as_array().unwrap();
    calls
        .iter()
        .map(|call| call["id"].as_i64().unwrap())
        .collect()
}

/// All pages of a query, in order.
async fn pages(world: &World, query: &str) -> Vec<i64> {
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let reply = world.get(&format!("/calls?{query}&cursor={cursor}")).await;
        seen.extend(listed(&reply));
        match reply.body["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return seen,
        }
    }
}

#[tokio::test]
async fn every_filter_alone_and_together_lists_what_fits_newest_first() {
    let world = empty_world();
    let calls = mixture(180);
    add(&world, &calls);
    let mut tried = 0;
    for status in [None, Some("in_progress"), Some("completed"), Some("failed")] {
        for driver_id in [None, Some(3), Some(99)] {
            for from in [None, Some(20)] {
                for to in [None, Some(41)] {
                    let fits = |call: &&Listed| {
                        status.is_none_or(|status| call.status == status)
                            && driver_id.is_none_or(|driver_id| call.driver_id == driver_id)
                            && from.is_none_or(|from| call.second >= from)
                            && to.is_none_or(|to| call.second < to)
                    };
                    let expected = ids(calls.iter().filter(fits).cloned().collect());
                    let query = [
                        status.map(|status| format!("status={status}")),
                        driver_id.map(|driver_id| format!("driver_id={driver_id}")),
                        from.map(|from| format!("from={}", at(from))),
                        to.map(|to| format!("to={}", at(to))),
                    ];
                    let query: Vec<_> = query.into_iter().flatten().collect();
                    let query = query.join("&");
                    let all = world.get(&format!("/calls?limit=200&{query}")).await;
                    assert_eq!(listed(&all), expected, "{query}");
                    assert_eq!(all.body["next_cursor"], Value::Null);
                    assert_eq!(
                        pages(&world, &format!("limit=7&{query}")).await,
                        expected,
                        "{query}"
                    );
                    tried += usize::from(expected.len() > 1);
                }
            }
        }
    }
    assert!(tried > 20, "{tried}");
}

#[tokio::test]
async fn from_is_in_the_list_and_to_is_not() {
    let world = empty_world();
    let call = |id, second| Listed {
        id,
        driver_id: 1,
        status: "failed",
        second,
    };
    add(&world, &[call(1, 0), call(2, 10), call(3, 20)]);
    for (query, expected) in [
        ("from=2025-11-21T10:30:10Z", vec![3, 2]),
        ("from=2025-11-21T10:30:10.001Z", vec![3]),
        ("to=2025-11-21T10:30:10Z", vec![1]),
        ("to=2025-11-21T10:30:10.001Z", vec![2, 1]),
        ("from=2025-11-21T10:30:10Z&to=2025-11-21T10:30:10Z", vec![]),
        ("from=2025-11-21T10:30:20Z&to=2025-11-21T10:30:00Z", vec![]),
        // Any offset; none is UTC.
        ("from=2025-11-21T05:30:10-05:00", vec![3, 2]),
        ("from=2025-11-21T16:00:10%2B05:30", vec![3, 2]),
        ("from=2025-11-21T10:30:10", vec![3, 2]),
    ] {
        assert_eq!(
            listed(&world.get(&format!("/calls?{query}")).await),
            expected,
            "{query}"
        );
    }
}

#[tokio::test]
async fn every_faulty_parameter_is_named() {
    let world = empty_world();
    add(&world, &mixture(9));
    let cursor = world.get("/calls?limit=2").await.body["next_cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    for (name, values) in [
        (
            "status",
            vec!["done", "Failed", "failed%20", "in-progress", "0"],
        ),
        (
            "driver_id",
            vec![
                "x",
                "0",
                "-1",
                "1.5",
                "9007199254740992",
                "1e3",
                "%F0%9F%98%80",
            ],
        ),
        (
            "from",
            vec![
                "yesterday",
                "2025-11-21",
                "1763721000",
                "2025-13-01T00:00:00Z",
            ],
        ),
        ("to", vec!["now", "2025-11-21T10:30:00%2B25:00", "10:30"]),
        (
            "limit",
            vec!["0", "201", "-1", "all", "1.5", "99999999999999999999"],
        ),
        (
            "cursor",
            vec!["x", "0", "%00", &cursor[1..], "zz", "ffff", "3432"],
        ),
    ] {
        for value in values {
            let reply = world.get(&format!("/calls?{name}={value}")).await;
            assert_eq!(
                (reply.status, reply.body["code"].as_str()),
                (400, Some("invalid_request")),
                "{name}={value}"
            );
            let errors = reply.body["errors"].as_array().unwrap();
            assert_eq!((errors.len(), &errors[0]["field"]), (1, &json!(name)));
            assert!(errors[0]["message"].as_str().unwrap().len() > 10);
        }
    }
    let all = "status=x&driver_id=x&from=x&to=x&limit=x&cursor=x";
    let reply = world.get(&format!("/calls?{all}")).await;
    let errors = reply.body["errors"].as_array().unwrap();
    let fields: Vec<_> = errors
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        ["status", "driver_id", "from", "to", "limit", "cursor"]
    );
    assert_eq!(world.get("/calls?page=x&utm_source=%FF").await.status, 200);
}

#[tokio::test]
async fn a_list_costs_the_same_among_fifty_and_among_five_thousand_calls() {
    let small = empty_world();
    let large = empty_world();
    let call = |id: i64| Listed {
        id,
        driver_id: id % 5,
        status: ["in_progress", "completed", "failed"][usize::try_from(id / 5 % 3).unwrap()],
        second: id,
    };
    add(&small, &(1..=50).map(call).collect::<Vec<_>>());
    add(&large, &(1..=5000).map(call).collect::<Vec<_>>());
    let middle = UtcTime::from_millis((STARTED + 25) * 1000).unwrap();
    for query in [
        "",
        "status=failed",
        "driver_id=3",
        "driver_id=3&status=failed",
        &format!("from={}", at(1)),
        &format!("to={middle}"),
        &format!("status=completed&from={}&to={middle}", at(1)),
        &format!("driver_id=2&status=completed&from={}&to={middle}", at(1)),
    ] {
        let cost = async |world: &World| {
            let mut costs = Vec::new();
            let mut cursor = String::new();
            for _ in 0..2 {
                world.database.take_steps();
                let reply = world
                    .get(&format!("/calls?limit=1&{query}&cursor={cursor}"))
                    .await;
                costs.push(world.database.take_steps());
                assert_eq!(listed(&reply).len(), 1, "{query}");
                reply.body["next_cursor"]
                    .as_str()
                    .unwrap_or_default()
                    .clone_into(&mut cursor);
            }
            costs
        };
        let (few, many) = (cost(&small).await, cost(&large).await);
        for (few, many) in few.iter().zip(&many) {
            assert!((10..1500).contains(few), "{query}: {few} steps");
            assert!(
                many - few <= few / 4,
                "{query}: {few} steps, {many} among many"
            );
        }
    }
}
