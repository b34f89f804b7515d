//! A bucket in memory whose operations go wrong on request.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use call_ledger::store::bucket::{Bucket, BucketError};

use super::sqlite::Fault;

/// What an R2 operation that failed says.
pub const FAILED: &str = "We encountered an internal error. Please try again. (10001)";

/// Objects by key.
#[derive(Default)]
pub struct MemoryBucket {
    objects: RefCell<BTreeMap<String, String>>,
    faults: RefCell<VecDeque<Fault>>,
    asked: RefCell<Vec<String>>,
}

impl MemoryBucket {
    /// The next operations go wrong in these ways, one each.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.borrow_mut().extend(faults);
    }

    /// How many faults have not happened yet.
    pub fn faults_left(&self) -> usize {
        self.faults.borrow().len()
    }

    /// From now on nothing goes wrong.
    pub fn clear_faults(&self) {
        self.faults.borrow_mut().clear();
    }

    pub fn keys(&self) -> Vec<String> {
        self.objects.borrow().keys().cloned().collect()
    }

    pub fn object(&self, key: &str) -> Option<String> {
        self.objects.borrow().get(key).cloned()
    }

    /// Removes all objects past the ledger.
    pub fn empty(&self) {
        self.objects.borrow_mut().clear();
    }

    /// What was asked since the last call of this: `put`, `get` or `delete` with the keys.
    pub fn take_asked(&self) -> Vec<String> {
        self.asked.take()
    }

    async fn run<T>(
        &self,
        what: String,
        act: impl FnOnce(&mut BTreeMap<String, String>) -> T,
    ) -> Result<T, BucketError> {
        self.asked.borrow_mut().push(what);
        tokio::task::yield_now().await;
        let fault = self.faults.borrow_mut().pop_front();
        if let Some(Fault::Refused(message)) = fault {
            return Err(BucketError::new(message));
        }
        let result = act(&mut self.objects.borrow_mut());
        match fault {
            Some(Fault::AnswerLost(message)) => Err(BucketError::new(message)),
            _ => Ok(result),
        }
    }
}

impl Bucket for MemoryBucket {
    async fn put(&self, key: &str, text: &str) -> Result<(), BucketError> {
        // R2's own limit.
        assert!(key.len() <= 1024, "{key}");
        let object = (key.to_owned(), text.to_owned());
        self.run(format!("put {key}"), |objects| {
            objects.insert(object.0, object.1);
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Option<String>, BucketError> {
        self.run(format!("get {key}"), |objects| objects.get(key).cloned())
            .await
    }

    async fn delete(&self, keys: &[String]) -> Result<(), BucketError> {
        assert!((1..=1000).contains(&keys.len()), "{}", keys.len());
        self.run(format!("delete {}", keys.join(" ")), |objects| {
            objects.retain(|key, _| !keys.contains(key));
        })
        .await
    }
}
