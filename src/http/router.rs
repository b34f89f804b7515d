//! The routes: their paths and the methods that each takes.

use futures_util::future::LocalBoxFuture;
use percent_encoding::percent_decode_str;

use super::{Answer, Incoming, Problem, Service};
use crate::elevenlabs::Transport;
use crate::platform::Runtime;
use crate::platform::config::Settings;
use crate::store::Database;

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    PlaceCalls,
    RecordTurn,
    PostCall,
    ListCalls,
    ReadCall,
    ReadTranscription,
    Health,
    OpenApi,
}

impl Route {
    /// Every route. [`Route::find`] finds no other.
    pub(super) const ALL: [Self; 8] = [
        Self::PlaceCalls,
        Self::RecordTurn,
        Self::PostCall,
        Self::ListCalls,
        Self::ReadCall,
        Self::ReadTranscription,
        Self::Health,
        Self::OpenApi,
    ];

    /// The route at this path, and the `call_sid` in the path; empty if the route has none.
    fn find(path: &str) -> Option<(Self, String)> {
        Self::ALL
            .into_iter()
            .find_map(|route| Some((route, decoded(named(route.pattern(), path)?))))
    }

    /// The path of the route. `{call_sid}` stands for one segment.
    pub(super) const fn pattern(self) -> &'static str {
        match self {
            Self::PlaceCalls => "/driver_data/call-elevenlabs",
            Self::RecordTurn => "/webhooks/elevenlabs/transcription",
            Self::PostCall => "/webhooks/elevenlabs/post-call",
            Self::ListCalls => "/calls",
            Self::ReadCall => "/calls/{call_sid}",
            Self::ReadTranscription => "/calls/{call_sid}/transcription",
            Self::Health => "/health",
            Self::OpenApi => "/openapi.json",
        }
    }

    /// The allowed methods, in the form of the `Allow` header.
    pub(super) const fn allowed(self) -> &'static str {
        match self {
            Self::PlaceCalls | Self::RecordTurn | Self::PostCall => "POST",
            Self::ListCalls
            | Self::ReadCall
            | Self::ReadTranscription
            | Self::Health
            | Self::OpenApi => "GET, HEAD",
        }
    }
}

/// The segment at `{call_sid}` if the path has this pattern; empty if the pattern has none.
fn named<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = pattern.split_once("{call_sid}") else {
        return (pattern == path).then_some("");
    };
    let call_sid = path.strip_prefix(before)?.strip_suffix(after)?;
    (!call_sid.is_empty() && !call_sid.contains('/')).then_some(call_sid)
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    /// Finds the route and runs it. The first value is the route's pattern, for the log.
    pub(super) async fn route(
        &self,
        incoming: &mut impl Incoming,
    ) -> (&'static str, Result<Answer, Problem>) {
        let Some((route, call_sid)) = Route::find(&incoming.path()) else {
            return ("unknown", Err(Problem::NotFound));
        };
        let method = incoming.method();
        let pattern = route.pattern();
        if !route.allowed().split(", ").any(|allowed| allowed == method) {
            return (pattern, Err(Problem::MethodNotAllowed(route.allowed())));
        }
        // Boxed, so that each route is a future of its own. Otherwise this function's future would
        // hold all of them.
        let answering: LocalBoxFuture<'_, Result<Answer, Problem>> = match route {
            Route::PlaceCalls => Box::pin(self.place_calls(incoming)),
            Route::RecordTurn => Box::pin(self.record_turn(incoming)),
            Route::PostCall => Box::pin(self.post_call(incoming)),
            Route::ListCalls => Box::pin(self.list_calls(incoming)),
            Route::ReadCall => Box::pin(self.read_call(incoming, call_sid)),
            Route::ReadTranscription => Box::pin(self.read_transcription(incoming, call_sid)),
            Route::Health => Box::pin(self.health(incoming)),
            Route::OpenApi => Box::pin(core::future::ready(Ok(document()))),
        };
        let result = answering.await;
        (pattern, result)
    }
}

/// `openapi.json`, which `tests/host/platform/openapi.rs` writes and `build.rs` compacts.
fn document() -> Answer {
    const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));
    Answer::new(200, "application/json", DOCUMENT.to_owned())
}

/// A path segment, percent-decoded.
fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
