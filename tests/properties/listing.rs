//! Queries and pages of the list of calls.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;
use serde_json::Value;

use crate::checks::bodies::assert_refused;
use crate::checks::service::wait;
use crate::invent::text;
use crate::runner::{Cost, hold};
use crate::support::events::at;
use crate::support::world::World;
use crate::times;

const STATUSES: [&str; 3] = ["in_progress", "completed", "failed"];

/// A call that is on record: its driver, its status and its second.
type Listed = (i64, &'static str, i64);

fn calls() -> impl Strategy<Value = Vec<Listed>> {
    vec((1_i64..4, select(STATUSES.to_vec()), 0_i64..12), 0..30)
}

/// Adds calls past the ledger, with ids from 1 on.
fn world_with(calls: &[Listed]) -> World {
    let world = World::new();
    for (id, (driver, status, second)) in (1..).zip(calls) {
        let start = at(*second);
        world.database.execute(&format!(
            "INSERT INTO calls (id, call_sid, driver_id, call_start_time, status, created_at, updated_at) \
             VALUES ({id}, 'EL_{id}', {driver}, '{start}', '{status}', '{start}', '{start}')"
        ));
    }
    world
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn ids(body: &Value) -> Vec<usize> {
    let calls = body["calls"].as_array().unwrap();
    calls
        .iter()
        .map(|call| call["id"].as_u64().unwrap() as usize)
        .collect()
}

#[test]
fn following_the_cursor_visits_each_call_once_newest_first() {
    let second = || proptest::option::of(0_i64..12);
    let status = proptest::option::of(select(STATUSES.to_vec()));
    let filter = (status, proptest::option::of(1_i64..4), second(), second());
    hold(
        Cost::World,
        &(calls(), filter, vec(1_usize..8, 1..5)),
        |(calls, (status, driver, from, to), limits)| {
            let world = world_with(&calls);
            let fits = |(of, in_status, at): &Listed| {
                status.is_none_or(|status| status == *in_status)
                    && driver.is_none_or(|driver| driver == *of)
                    && from.is_none_or(|from| from <= *at)
                    && to.is_none_or(|to| *at < to)
            };
            let mut expected: Vec<_> = (1..)
                .zip(&calls)
                .filter(|(_, call)| fits(call))
                .map(|(id, call)| (call.2, id))
                .collect();
            expected.sort_unstable_by(|one, other| other.cmp(one));
            let expected: Vec<usize> = expected.into_iter().map(|(_, id)| id).collect();
            let time = |second: Option<i64>| second.map(at).unwrap_or_default();
            let query = format!(
                "status={}&driver_id={}&from={}&to={}",
                status.unwrap_or(""),
                driver.map(|driver| driver.to_string()).unwrap_or_default(),
                encoded(&time(from)),
                encoded(&time(to)),
            );
            let (mut seen, mut cursor) = (Vec::<usize>::new(), String::new());
            for limit in limits.iter().cycle() {
                let page =
                    wait(world.get(&format!("/calls?{query}&limit={limit}&cursor={cursor}")));
                assert_eq!(page.status, 200, "{}", page.text);
                let on_page = ids(&page.body);
                seen.extend(&on_page);
                let Some(next) = page.body["next_cursor"].as_str() else {
                    break;
                };
                assert_eq!(on_page.len(), *limit);
                next.clone_into(&mut cursor);
            }
            assert_eq!(seen, expected, "{query}");
        },
    );
}

/// A parameter, and whether it is right.
fn parameter() -> impl Strategy<Value = (String, bool)> {
    let pair = |name: &'static str| move |value: String| format!("{name}={}", encoded(&value));
    let name = select(vec!["status", "driver_id", "from", "to", "limit", "cursor"]);
    // Nothing right has a dollar in it.
    let wrong = (name.clone(), text())
        .prop_map(|(name, text)| (format!("{name}={}", encoded(&format!("${text}"))), false));
    let right = prop_oneof![
        select(STATUSES.to_vec())
            .prop_map(str::to_owned)
            .prop_map(pair("status")),
        (1_i64..=9_007_199_254_740_991)
            .prop_map(|id| id.to_string())
            .prop_map(pair("driver_id")),
        times::valid()
            .prop_filter("in range", |(_, (seconds, _))| (0..1_000_000_000)
                .contains(seconds))
            .prop_map(|(time, _)| time)
            .prop_map(pair("from")),
        (1_i64..=200)
            .prop_map(|limit| limit.to_string())
            .prop_map(pair("limit")),
        (any::<i64>(), text())
            .prop_map(|(id, text)| hex(&format!("{id} {text}")))
            .prop_map(pair("cursor")),
        name.prop_map(|name| format!("{name}=")),
        text().prop_map(|text| format!("x_{}", encoded(&text))),
    ];
    prop_oneof![3 => right.prop_map(|pair| (pair, true)), 1 => wrong]
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_query_is_right_or_every_fault_of_it_is_listed() {
    let world = world_with(&[(1, "failed", 1), (2, "completed", 2)]);
    hold(Cost::Parser, &vec(parameter(), 0..5), |parameters| {
        let pairs: Vec<_> = parameters.iter().map(|(pair, _)| pair.as_str()).collect();
        let reply = wait(world.get(&format!("/calls?{}", pairs.join("&"))));
        let wrong = parameters.iter().filter(|(_, right)| !right).count();
        if wrong == 0 {
            return assert_eq!(reply.status, 200, "{}", reply.text);
        }
        assert_refused(reply.status, &reply.body);
        assert_eq!(reply.body["errors"].as_array().unwrap().len(), wrong);
    });
}

#[test]
fn any_query_is_answered() {
    let world = world_with(&[(1, "failed", 1), (2, "completed", 2)]);
    let names = select(vec![
        "status=",
        "driver_id=",
        "from=",
        "limit=",
        "cursor=",
        "&",
        "%",
        "+",
        "=",
    ]);
    let noise = prop_oneof![
        names.prop_map(str::to_owned),
        text(),
        "[0-9a-f]{0,20}",
        Just("%zz".to_owned())
    ];
    hold(Cost::Parser, &vec(noise, 0..6), |parts| {
        let reply = wait(world.get(&format!("/calls?{}", parts.concat())));
        if reply.status != 200 {
            assert_refused(reply.status, &reply.body);
        }
    });
}
