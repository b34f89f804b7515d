//! Statements of several requests in one round trip: who goes when, and what each is told.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use call_ledger::model::UtcTime;
use call_ledger::platform::log::Line;
use call_ledger::platform::{RandomUnavailable, Runtime};
use call_ledger::store::group::{GATHER_MS, Group, Grouped, MOST, MOST_BYTES, PATIENCE_MS};
use call_ledger::store::{Database, DatabaseError, ResultSet, Statement};
use tokio::sync::oneshot;

use crate::support::sqlite::TRANSIENT;

type Answer = Result<Vec<ResultSet>, DatabaseError>;

/// A database whose round trips end when the test says so, and a clock that the test moves.
#[derive(Clone, Default)]
struct Stage {
    /// The names of the statements of each round trip, in the order of their start.
    trips: Rc<RefCell<Vec<Vec<String>>>>,
    under_way: Rc<RefCell<VecDeque<oneshot::Sender<Answer>>>>,
    now: Rc<Cell<i64>>,
}

impl Database for Stage {
    async fn run(&self, statements: &[Statement]) -> Answer {
        let names = statements.iter().map(|one| one.sql.to_string()).collect();
        self.trips.borrow_mut().push(names);
        let (end, ended) = oneshot::channel();
        self.under_way.borrow_mut().push_back(end);
        ended.await.unwrap()
    }
}

impl Runtime for Stage {
    fn now(&self) -> UtcTime {
        UtcTime::from_millis(self.now.get()).unwrap()
    }

    fn random(&self) -> Result<[u8; 16], RandomUnavailable> {
        Ok([0; 16])
    }

    async fn sleep(&self, millis: u64) {
        let until = self.now.get() + i64::try_from(millis).unwrap();
        poll_fn(|_| match self.now.get() >= until {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    fn log(&self, _line: &Line) {}
}

impl Stage {
    /// The oldest round trip under way ends like this.
    fn end(&self, answer: impl Fn(&[String]) -> Answer) {
        let at = self.trips.borrow().len() - self.under_way.borrow().len();
        let names = self.trips.borrow()[at].clone();
        let end = self.under_way.borrow_mut().pop_front().unwrap();
        // Who asked may be dead.
        let _ = end.send(answer(&names));
    }

    fn commit(&self) {
        self.end(|names| Ok(names.iter().map(|name| result(name)).collect()));
    }

    fn refuse(&self, message: &str) {
        self.end(|_| Err(DatabaseError::new(message)));
    }

    fn trips(&self) -> Vec<Vec<String>> {
        self.trips.borrow().clone()
    }
}

/// What the database answers to the statement of that name.
fn result(name: &str) -> ResultSet {
    ResultSet {
        rows: format!("[{{\"name\":\"{name}\"}}]"),
        rows_read: 3,
        rows_written: 2,
    }
}

type Request = Pin<Box<dyn Future<Output = Answer>>>;

/// Requests of one isolate, and what came of them.
struct Isolate {
    stage: Stage,
    group: Rc<Group>,
    requests: Vec<(String, Option<Request>)>,
    told: Vec<(String, Answer)>,
}

impl Isolate {
    fn new() -> Self {
        Self {
            stage: Stage::default(),
            group: Rc::default(),
            requests: Vec::new(),
            told: Vec::new(),
        }
    }

    fn send(&mut self, statement: Statement) {
        let database = Grouped::new(self.stage.clone(), self.stage.clone(), self.group.clone());
        let name = statement.sql.to_string();
        let request = async move { database.run(&[statement]).await };
        self.requests.push((name, Some(Box::pin(request))));
        self.go_on();
    }

    fn turns(&mut self, names: &[&str]) {
        for name in names {
            self.send(Statement::new((*name).to_owned()).shared());
        }
    }

    /// Lets every request go on as far as it can.
    fn go_on(&mut self) {
        let waker = std::task::Waker::noop();
        for _ in 0..4 {
            for (name, slot) in &mut self.requests {
                let Some(request) = slot else { continue };
                let mut context = std::task::Context::from_waker(waker);
                if let Poll::Ready(answer) = request.as_mut().poll(&mut context) {
                    *slot = None;
                    self.told.push((name.clone(), answer));
                }
            }
        }
    }

    /// The request is gone: nobody goes on with it.
    fn dies(&mut self, name: &str) {
        self.requests.retain(|(given, _)| given != name);
    }

    fn commit(&mut self) {
        self.stage.commit();
        self.go_on();
    }

    fn refuse(&mut self, message: &str) {
        self.stage.refuse(message);
        self.go_on();
    }

    fn wait(&mut self, millis: u64) {
        let later = self.stage.now.get() + i64::try_from(millis).unwrap();
        self.stage.now.set(later);
        self.go_on();
    }

    /// Each of these was told its own statement's result, and nobody else anything.
    fn assert_told(&self, names: &[&str]) {
        let told: Vec<_> = self.told.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(told, names);
        for (name, answer) in &self.told {
            assert_eq!(answer, &Ok(vec![result(name)]));
        }
    }
}

/// A flight has just taken off, so that whoever comes now waits.
fn busy() -> Isolate {
    let mut isolate = Isolate::new();
    isolate.turns(&["a"]);
    assert_eq!(isolate.stage.trips(), [["a"]]);
    isolate
}

#[test]
fn who_comes_while_one_is_under_way_goes_with_the_others_when_it_has_landed() {
    let mut isolate = busy();
    isolate.turns(&["c", "d", "e"]);
    assert_eq!(isolate.stage.trips().len(), 1);
    isolate.commit();
    isolate.assert_told(&["a"]);
    assert_eq!(isolate.stage.trips()[1], ["c", "d", "e"]);
    isolate.turns(&["f"]);
    isolate.commit();
    isolate.assert_told(&["a", "c", "d", "e"]);
    assert_eq!(isolate.stage.trips()[2], ["f"]);
    isolate.commit();
    isolate.assert_told(&["a", "c", "d", "e", "f"]);
}

#[test]
fn nobody_waits_for_a_landing_longer_than_it_takes_to_gather() {
    let mut isolate = busy();
    isolate.turns(&["c"]);
    isolate.wait(GATHER_MS - 2);
    isolate.turns(&["d"]);
    assert_eq!(isolate.stage.trips().len(), 1);
    isolate.wait(2);
    assert_eq!(isolate.stage.trips()[1], ["c", "d"]);
    isolate.turns(&["e"]);
    isolate.wait(GATHER_MS - 1);
    assert_eq!(isolate.stage.trips().len(), 2);
    isolate.wait(1);
    assert_eq!(isolate.stage.trips()[2], ["e"]);
    isolate.wait(GATHER_MS);
    isolate.turns(&["f"]);
    assert_eq!(isolate.stage.trips()[3], ["f"]);
    // The oldest lands first; that makes no room as long as the newest is too young.
    isolate.turns(&["g"]);
    isolate.commit();
    isolate.assert_told(&["a"]);
    assert_eq!(isolate.stage.trips().len(), 4);
    for _ in 0..4 {
        isolate.commit();
    }
    isolate.assert_told(&["a", "c", "d", "e", "f", "g"]);
}

#[test]
fn nobody_waits_for_company() {
    let mut isolate = Isolate::new();
    for name in ["a", "b", "c"] {
        isolate.turns(&[name]);
        isolate.commit();
    }
    isolate.assert_told(&["a", "b", "c"]);
    assert_eq!(isolate.stage.trips(), [["a"], ["b"], ["c"]]);
}

#[test]
fn what_may_not_be_shared_goes_at_once_and_alone() {
    let mut isolate = busy();
    isolate.send(Statement::new("select"));
    assert_eq!(isolate.stage.trips()[1], ["select"]);
    isolate.turns(&["c"]);
    isolate.commit();
    assert_eq!(isolate.stage.trips()[2], ["c"]);
}

#[test]
fn a_transient_error_is_told_to_all_because_each_has_its_own_retries() {
    let mut isolate = busy();
    isolate.turns(&["c", "d"]);
    isolate.commit();
    isolate.refuse(TRANSIENT);
    let failed: Vec<_> = isolate.told[1..].iter().collect();
    assert_eq!(failed.len(), 2);
    for (_, answer) in failed {
        assert_eq!(answer, &Err(DatabaseError::new(TRANSIENT)));
    }
    assert_eq!(isolate.stage.trips().len(), 2);
}

#[test]
fn one_statement_that_fails_for_good_does_not_fail_the_others() {
    let mut isolate = busy();
    isolate.turns(&["c", "poison", "d"]);
    isolate.commit();
    isolate.refuse("D1_ERROR: CHECK constraint failed");
    let alone = [["c"], ["poison"], ["d"]];
    assert_eq!(isolate.stage.trips()[2..], alone);
    isolate.commit();
    isolate.refuse("D1_ERROR: CHECK constraint failed");
    isolate.commit();
    let told: Vec<_> = isolate.told[1..].iter().map(|(name, _)| name).collect();
    assert_eq!(told, ["c", "poison", "d"]);
    assert!(isolate.told[2].1.is_err());
    assert_eq!(isolate.told[1].1, Ok(vec![result("c")]));
    assert_eq!(isolate.told[3].1, Ok(vec![result("d")]));
}

#[test]
fn who_gets_no_result_goes_again_alone() {
    let mut isolate = busy();
    isolate.turns(&["c", "d"]);
    isolate.commit();
    isolate.stage.end(|names| Ok(vec![result(&names[0])]));
    isolate.go_on();
    assert_eq!(isolate.stage.trips()[2..], [["d"]]);
    isolate.commit();
    isolate.assert_told(&["a", "c", "d"]);
}

#[test]
fn a_statement_that_went_alone_and_failed_for_good_is_not_sent_again() {
    let mut isolate = Isolate::new();
    isolate.turns(&["poison"]);
    isolate.refuse("D1_ERROR: CHECK constraint failed");
    assert!(isolate.told[0].1.is_err());
    assert_eq!(isolate.stage.trips().len(), 1);
}

#[test]
fn when_the_sender_dies_each_sends_its_own() {
    let mut isolate = busy();
    isolate.turns(&["c", "d", "e"]);
    isolate.commit();
    assert_eq!(isolate.stage.trips()[1], ["c", "d", "e"]);
    isolate.dies("c");
    isolate.commit();
    // They notice that they are aboard when the time to gather is over.
    isolate.wait(GATHER_MS);
    isolate.wait(PATIENCE_MS - 1);
    assert_eq!(isolate.stage.trips().len(), 2);
    isolate.wait(1);
    assert_eq!(isolate.stage.trips()[2..], [["d"], ["e"]]);
    isolate.commit();
    isolate.commit();
    isolate.assert_told(&["a", "d", "e"]);
}

#[test]
fn a_flight_of_the_dead_does_not_keep_others_waiting() {
    let mut isolate = busy();
    isolate.dies("a");
    isolate.turns(&["c"]);
    isolate.wait(GATHER_MS);
    assert_eq!(isolate.stage.trips()[1..], [["c"]]);
    isolate.wait(PATIENCE_MS);
    // Neither counts any more.
    isolate.turns(&["d"]);
    assert_eq!(isolate.stage.trips()[2..], [["d"]]);
}

#[test]
fn when_the_next_in_line_is_dead_another_takes_all_along() {
    let mut isolate = busy();
    isolate.turns(&["c", "d"]);
    isolate.dies("c");
    isolate.commit();
    assert_eq!(isolate.stage.trips().len(), 1);
    isolate.wait(GATHER_MS);
    assert_eq!(isolate.stage.trips()[1..], [["c", "d"]]);
    isolate.commit();
    isolate.assert_told(&["a", "d"]);
}

#[test]
fn a_flight_takes_so_many_statements_and_no_more() {
    let mut isolate = busy();
    let names: Vec<_> = (0..=MOST).map(|n| format!("turn {n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    isolate.turns(&names);
    isolate.commit();
    assert_eq!(isolate.stage.trips()[1], names[..MOST]);
    isolate.commit();
    assert_eq!(isolate.stage.trips()[2], names[MOST..]);
    isolate.commit();
    isolate.assert_told(&[&["a"], &names[..]].concat());
}

#[test]
fn a_flight_takes_so_many_bytes_and_no_more_but_always_one() {
    let mut isolate = busy();
    for (name, bytes) in [
        ("c", MOST_BYTES / 2),
        ("d", MOST_BYTES / 2),
        ("e", 1),
        ("f", MOST_BYTES + 1),
        ("g", 1),
    ] {
        let text = "x".repeat(bytes);
        isolate.send(Statement::new(name).bind(text).bind(7).shared());
    }
    for _ in 0..5 {
        isolate.commit();
    }
    let trips = isolate.stage.trips();
    assert_eq!(
        trips[1..],
        [vec!["c", "d"], vec!["e"], vec!["f"], vec!["g"]]
    );
}
