//! Which path is which route, and which methods it takes.

use futures_util::future::LocalBoxFuture;
use percent_encoding::percent_decode_str;

use super::{Answer, Incoming, Problem, Service};
use crate::elevenlabs::Transport;
use crate::platform::Runtime;
use crate::platform::config::Settings;
use crate::store::Database;

/// A path that exists.
enum Route {
    PlaceCalls,
    RecordTurn,
    PostCall,
    ListCalls,
    ReadCall(String),
    ReadTranscription(String),
    Health,
}

impl Route {
    /// The route at this path.
    fn find(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        Some(match segments.as_slice() {
            ["driver_data", "call-elevenlabs"] => Self::PlaceCalls,
            ["webhooks", "elevenlabs", "transcription"] => Self::RecordTurn,
            ["webhooks", "elevenlabs", "post-call"] => Self::PostCall,
            ["calls"] => Self::ListCalls,
            ["calls", call_sid] if !call_sid.is_empty() => Self::ReadCall(decoded(call_sid)),
            ["calls", call_sid, "transcription"] if !call_sid.is_empty() => {
                Self::ReadTranscription(decoded(call_sid))
            }
            ["health"] => Self::Health,
            _ => return None,
        })
    }

    /// The route's pattern, for the log.
    const fn pattern(&self) -> &'static str {
        match self {
            Self::PlaceCalls => "/driver_data/call-elevenlabs",
            Self::RecordTurn => "/webhooks/elevenlabs/transcription",
            Self::PostCall => "/webhooks/elevenlabs/post-call",
            Self::ListCalls => "/calls",
            Self::ReadCall(_) => "/calls/{call_sid}",
            Self::ReadTranscription(_) => "/calls/{call_sid}/transcription",
            Self::Health => "/health",
        }
    }

    /// The methods it takes, as the `Allow` header lists them.
    const fn allowed(&self) -> &'static str {
        match self {
            Self::PlaceCalls | Self::RecordTurn | Self::PostCall => "POST",
            Self::ListCalls | Self::ReadCall(_) | Self::ReadTranscription(_) | Self::Health => {
                "GET, HEAD"
            }
        }
    }
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    /// Finds the route and lets it answer. The first value is its pattern.
    pub(super) async fn route(
        &self,
        incoming: &mut impl Incoming,
    ) -> (&'static str, Result<Answer, Problem>) {
        let Some(route) = Route::find(&incoming.path()) else {
            return ("unknown", Err(Problem::NotFound));
        };
        let method = incoming.method();
        let pattern = route.pattern();
        if !route.allowed().split(", ").any(|allowed| allowed == method) {
            return (pattern, Err(Problem::MethodNotAllowed(route.allowed())));
        }
        // Boxed, so that each route is code of its own instead of part of one giant.
        let answering: LocalBoxFuture<'_, Result<Answer, Problem>> = match route {
            Route::PlaceCalls => Box::pin(self.place_calls(incoming)),
            Route::RecordTurn => Box::pin(self.record_turn(incoming)),
            Route::PostCall => Box::pin(self.post_call(incoming)),
            Route::ListCalls => Box::pin(self.list_calls(incoming)),
            Route::ReadCall(call_sid) => Box::pin(self.read_call(incoming, call_sid)),
            Route::ReadTranscription(call_sid) => {
                Box::pin(self.read_transcription(incoming, call_sid))
            }
            Route::Health => Box::pin(self.health(incoming)),
        };
        let result = answering.await;
        (pattern, result)
    }
}

/// A path segment without its percent-encoding.
fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
