//! Statements of several requests in one round trip (a group commit).
//!
//! A D1 database does one thing at a time, and most of what a turn costs it is the way there and
//! back and the commit. So the requests of one isolate send at most one round trip with turns
//! every [`GATHER_MS`], unless none is under way. A turn that finds none goes at once, alone.
//! Those that come after it go together, several statements in one transaction, as soon as it
//! has landed or the time is over.
//!
//! Nothing is answered before its own statement is committed. All that one request does for
//! another is to send its statement, which may be repeated: when the answer takes longer than
//! [`PATIENCE_MS`], because the request that was to send it died, each sends its own.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::pin::pin;
use std::collections::VecDeque;
use std::rc::Rc;

use futures_util::future::{Either, select};

use super::{Database, DatabaseError, Param, ResultSet, Statement};
use crate::platform::{Ring, Runtime};

/// Milliseconds from one round trip with shared statements to the next, while one is under way.
/// As long as a turn may wait for company.
pub const GATHER_MS: u64 = 5;
/// Statements in one round trip at most. The free plan allows 50 for one request.
pub const MOST: usize = 32;
/// Bytes of text in one round trip at most, a single statement aside.
pub const MOST_BYTES: usize = 512 * 1024;
/// Milliseconds after which nobody waits for an answer to another request any more.
pub const PATIENCE_MS: u64 = 2_000;

/// The requests of one isolate that have something to send.
#[derive(Default)]
pub struct Group {
    waiting: RefCell<VecDeque<Rc<Passenger>>>,
    /// When each flight took off, in milliseconds since 1970.
    flights: RefCell<Vec<i64>>,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").finish_non_exhaustive()
    }
}

/// A statement that waits for its flight, or for the flight's landing.
struct Passenger {
    statement: Statement,
    boarded: Cell<bool>,
    landing: RefCell<Option<Landing>>,
    ring: RefCell<Option<Ring>>,
}

enum Landing {
    Answer(Result<ResultSet, DatabaseError>),
    /// The transaction failed for a reason that need not be this statement.
    Alone,
}

impl Passenger {
    fn lands(&self, landing: Landing) {
        self.landing.replace(Some(landing));
        self.wake();
    }

    fn wake(&self) {
        if let Some(ring) = self.ring.take() {
            ring();
        }
    }

    fn bytes(&self) -> usize {
        let lengths = self.statement.params.iter().map(|param| match param {
            Param::Text(text) => text.len(),
            Param::Null | Param::Integer(_) => 0,
        });
        lengths.sum()
    }
}

impl Group {
    /// Milliseconds until another flight may take off. One that has not landed for
    /// [`PATIENCE_MS`] counts no more: who sent it may be dead.
    fn room_in(&self, now: i64) -> u64 {
        let mut flights = self.flights.borrow_mut();
        flights.retain(|&began| now.abs_diff(began) < PATIENCE_MS);
        let newest = flights.iter().max();
        newest.map_or(0, |&began| GATHER_MS.saturating_sub(now.abs_diff(began)))
    }

    /// Who flies now: those who wait, as many as may go at once.
    fn board(&self, began: i64) -> Vec<Rc<Passenger>> {
        self.flights.borrow_mut().push(began);
        let mut waiting = self.waiting.borrow_mut();
        let mut boarded = Vec::new();
        let mut bytes = 0;
        while let Some(next) = waiting.front() {
            bytes += next.bytes();
            if boarded.len() == MOST || (bytes > MOST_BYTES && !boarded.is_empty()) {
                break;
            }
            boarded.extend(waiting.pop_front());
        }
        for passenger in &boarded {
            passenger.boarded.set(true);
        }
        boarded
    }

    /// Notes that the flight that took off then is over, and wakes the first of those who wait.
    fn landed(&self, began: i64) {
        let mut flights = self.flights.borrow_mut();
        if let Some(at) = flights.iter().position(|&flight| flight == began) {
            flights.swap_remove(at);
        }
        if let Some(next) = self.waiting.borrow().front() {
            next.wake();
        }
    }
}

/// A database whose [shared](Statement::shared) statements travel together.
#[derive(Debug)]
pub struct Grouped<D, R> {
    database: D,
    runtime: R,
    group: Rc<Group>,
}

impl<D: Database, R: Runtime> Grouped<D, R> {
    /// One request's way to the database, in the group of its isolate.
    pub fn new(database: D, runtime: R, group: Rc<Group>) -> Self {
        Self {
            database,
            runtime,
            group,
        }
    }

    fn now(&self) -> i64 {
        self.runtime.now().as_millis()
    }

    /// One round trip with the statements of those who wait.
    async fn fly(&self) {
        let began = self.now();
        let boarded = self.group.board(began);
        let statements: Vec<_> = boarded.iter().map(|one| one.statement.clone()).collect();
        let answer = self.database.run(&statements).await;
        self.group.landed(began);
        match answer {
            Ok(results) => {
                let mut results = results.into_iter();
                for passenger in &boarded {
                    let result = results.next().map(|result| Landing::Answer(Ok(result)));
                    passenger.lands(result.unwrap_or(Landing::Alone));
                }
            }
            Err(error) if error.is_transient() || boarded.len() == 1 => {
                for passenger in &boarded {
                    passenger.lands(Landing::Answer(Err(error.clone())));
                }
            }
            Err(_) => boarded.iter().for_each(|one| one.lands(Landing::Alone)),
        }
    }

    /// The statement's answer; `None` when it has to be sent alone.
    async fn together(&self, statement: &Statement) -> Option<Result<ResultSet, DatabaseError>> {
        let me = Rc::new(Passenger {
            statement: statement.clone(),
            boarded: Cell::new(false),
            landing: RefCell::default(),
            ring: RefCell::default(),
        });
        self.group.waiting.borrow_mut().push_back(me.clone());
        loop {
            let aboard = me.boarded.get();
            let wait = if aboard {
                PATIENCE_MS
            } else {
                self.group.room_in(self.now())
            };
            if wait == 0 {
                self.fly().await;
            }
            match me.landing.take() {
                Some(Landing::Answer(answer)) => return Some(answer),
                Some(Landing::Alone) => return None,
                None if wait == 0 => continue,
                None => {}
            }
            let (ring, bell) = self.runtime.bell();
            me.ring.replace(Some(ring));
            let (bell, time) = (pin!(bell), pin!(self.runtime.sleep(wait)));
            if let Either::Right(_) = select(bell, time).await
                && aboard
            {
                return None;
            }
        }
    }
}

impl<D: Database, R: Runtime> Database for Grouped<D, R> {
    async fn run(&self, statements: &[Statement]) -> Result<Vec<ResultSet>, DatabaseError> {
        if let [statement] = statements
            && statement.shared
            && let Some(answer) = self.together(statement).await
        {
            return answer.map(|result| vec![result]);
        }
        self.database.run(statements).await
    }
}
