//! Listening and routing.

use crate::answers::{self, Answer};
use crate::books::Route;
use crate::outbound::{self, Cut};
use crate::world::World;
use crate::{control, reading};
use hyper::body::Incoming;
use hyper::header::ALLOW;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::json;
use std::fmt;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Accepts connections until it is dropped, and then drops them too.
pub(crate) async fn serve(listener: TcpListener, world: Arc<World>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that broke before it was accepted is its caller's business.
                let Ok((stream, _)) = accepted else { continue };
                let world = Arc::clone(&world);
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let world = Arc::clone(&world);
                        async move { route(&world, request).await }
                    });
                    // An error here is a caller that left, or a connection cut on purpose.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn route(world: &Arc<World>, request: Request<Incoming>) -> Result<Answer, Cut> {
    let path = request.uri().path();
    let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
    let (method, allowed) = (request.method().clone(), allowed_method(&path));
    match allowed {
        None => return Ok(answers::bare(StatusCode::NOT_FOUND, "Not Found")),
        Some(allowed) if method != allowed => {
            let answer = answers::bare(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            return Ok(answers::with_header(answer, ALLOW, allowed.as_str()));
        }
        Some(_) => {}
    }
    match path.as_str() {
        TWILIO => return outbound::handle(world, Route::Twilio, request).await,
        SIP_TRUNK => return outbound::handle(world, Route::SipTrunk, request).await,
        _ => {}
    }
    if let Some(control) = path.strip_prefix("/_simulator/") {
        return Ok(match control.strip_prefix("deliver/") {
            Some(id) => control::deliver_event(world, id).await,
            None => match control {
                "calls" => control::calls(world),
                "deliveries" => control::deliveries(world),
                "numbers" => control::magic_numbers(),
                _ => answers::json_answer(StatusCode::OK, &json!({ "status": "ok" })),
            },
        });
    }
    if let Some(refusal) = answers::refuse_key(request.headers(), &world.config.api_key) {
        return Ok(refusal);
    }
    Ok(
        match path
            .strip_prefix(CONVERSATIONS)
            .and_then(|rest| rest.strip_prefix('/'))
        {
            Some(id) => reading::one(world, id),
            None => reading::list(world, request.uri().query().unwrap_or_default()),
        },
    )
}

const TWILIO: &str = "/v1/convai/twilio/outbound-call";
const SIP_TRUNK: &str = "/v1/convai/sip-trunk/outbound-call";
const CONVERSATIONS: &str = "/v1/convai/conversations";

/// The one method a path knows; `None` where there is nothing.
fn allowed_method(path: &str) -> Option<Method> {
    let names_one = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
    };
    match path {
        TWILIO | SIP_TRUNK => Some(Method::POST),
        CONVERSATIONS => Some(Method::GET),
        "/_simulator/calls"
        | "/_simulator/deliveries"
        | "/_simulator/numbers"
        | "/_simulator/health" => Some(Method::GET),
        _ if names_one("/v1/convai/conversations/") => Some(Method::GET),
        _ if names_one("/_simulator/deliver/") => Some(Method::POST),
        _ => None,
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}
