//! What every task of the stand-in shares: settings, books, the client that posts to the worker, and the count of work under way.

use crate::books::{Books, Delivery, Outcome};
use crate::config::Config;
use crate::conversation::Conversation;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

pub(crate) struct World {
    pub config: Config,
    pub client: reqwest::Client,
    books: Mutex<Books>,
    /// How many scripted conversations and deliveries are under way.
    under_way: watch::Sender<usize>,
    /// Turned to `true` once, at the end.
    stopped: watch::Sender<bool>,
}

impl World {
    pub fn new(config: Config) -> Result<Arc<Self>, reqwest::Error> {
        let client = reqwest::Client::builder()
            // The worker is on loopback; a proxy named in the environment could not reach it.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(30))
            .build()?;
        let mut books = Books::default();
        books.worker_url.clone_from(&config.worker_url);
        Ok(Arc::new(Self {
            config,
            client,
            books: Mutex::new(books),
            under_way: watch::Sender::new(0),
            stopped: watch::Sender::new(false),
        }))
    }

    /// The books. Never held across an await. A task that panicked while holding them left them usable: every change is one step.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of one conversation.
    pub fn conversation(&self, id: &str) -> Option<Conversation> {
        self.books().conversation(id).cloned()
    }

    /// Changes one conversation.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Conversation)) {
        if let Some(conversation) = self.books().conversation_mut(id) {
            change(conversation);
        }
    }

    pub fn log_delivery(&self, delivery: Delivery) {
        self.narrate(|| crate::narration::delivery(&delivery));
        let mut books = self.books();
        if let (Some(turn), Some(status)) = (delivery.turn, delivery.status)
            && let Some(conversation) = books.conversation_mut(&delivery.conversation_id)
            && let Some(turn) = conversation.turns.get_mut(turn)
        {
            turn.answers.push(status);
        }
        books.deliveries.push(delivery);
    }

    /// Hands a line to the narrator, where there is one.
    pub fn narrate(&self, line: impl FnOnce() -> String) {
        if let Some(narrator) = self.config.narrator {
            narrator(&line());
        }
    }

    /// Runs `work` beside everything else, counted as under way until it ends or the stand-in does.
    pub fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let counted = UnderWay::new(self);
        let mut stopped = self.stopped.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => {}
                () = work => {}
            }
            drop(counted);
        });
    }

    pub fn under_way(&self) -> usize {
        *self.under_way.borrow()
    }

    pub async fn wait_idle(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self
            .under_way
            .subscribe()
            .wait_for(|count| *count == 0)
            .await;
    }

    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }
}

/// Counts one piece of work for as long as it lives.
struct UnderWay(Arc<World>);

impl UnderWay {
    fn new(world: &Arc<World>) -> Self {
        world.under_way.send_modify(|count| *count += 1);
        Self(Arc::clone(world))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0
            .under_way
            .send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// One outbound-call request, counted as open for as long as this lives: until its answer was written, or the caller was gone.
pub(crate) struct OpenRequest {
    world: Arc<World>,
    /// Its place in the journal, once it has one.
    place: Option<usize>,
}

impl OpenRequest {
    pub fn new(world: &Arc<World>) -> Self {
        let mut books = world.books();
        books.open += 1;
        books.max_open = books.max_open.max(books.open);
        drop(books);
        Self {
            world: Arc::clone(world),
            place: None,
        }
    }

    /// Enters the request in the journal.
    pub fn enter(&mut self, call: crate::books::SimCall) {
        let mut books = self.world.books();
        self.place = Some(books.calls.len());
        books.calls.push(call);
    }

    /// Changes the request's journal entry.
    pub fn note(&self, change: impl FnOnce(&mut crate::books::SimCall)) {
        let mut books = self.world.books();
        if let Some(call) = self.place.and_then(|place| books.calls.get_mut(place)) {
            change(call);
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.note(|call| {
            if call.outcome == Outcome::Open {
                call.outcome = Outcome::Abandoned;
            }
        });
        let mut books = self.world.books();
        books.open = books.open.saturating_sub(1);
    }
}
