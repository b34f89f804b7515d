//! After the load: bringing everything to rest.

use crate::audit::list;
use crate::chance::Chance;
use crate::client::Client;
use crate::metrics::Route;
use crate::mix::ONLY_BY_EVENT;
use crate::run::SCHEDULED;
use crate::say;
use crate::server::Server;
use elevenlabs_simulator::{Simulator, Status};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the reconciler may take for what is left to it, without getting any further.
const STANDSTILL: Duration = Duration::from_secs(150);

/// Ends the conversations that never end by themselves, and sends the events of those of which only an event tells.
pub async fn end_conversations(simulator: &Simulator) {
    for call in simulator.calls() {
        let Some(id) = call.conversation_id else {
            continue;
        };
        let over = matches!(simulator.status(&id), Some(Status::Done | Status::Failed));
        if !over || ONLY_BY_EVENT.contains(&call.behaviour) {
            simulator.deliver_now(&id).await;
        }
    }
}

/// Runs the reconciler until it has nothing left to do. Returns how often it ran.
pub async fn reconcile(
    client: &Client,
    server: &Server,
    chance: &mut Chance,
) -> Result<usize, String> {
    let mut runs = 0;
    let mut moved = Instant::now();
    let mut left = usize::MAX;
    loop {
        let (ended, _) = server.output.reconciled();
        client
            .get(Route::Reconcile, SCHEDULED)
            .await
            .map_err(|ended| format!("a run of the reconciler was {ended}"))?;
        runs += 1;
        // Its log line comes through a pipe.
        let mut patience = 100;
        while server.output.reconciled().0 <= ended && patience > 0 {
            sleep(Duration::from_millis(20)).await;
            patience -= 1;
        }
        let (_, did) = server.output.reconciled();
        let number = |name: &str| did.get(name).and_then(Value::as_u64).unwrap_or(0);
        if number("events_tried") + number("calls_asked") > 0 && runs % 10 != 0 {
            continue;
        }
        let unsettled = unsettled(client, chance).await?;
        if unsettled == 0 && number("events_tried") == 0 {
            return Ok(runs);
        }
        if unsettled < left {
            (left, moved) = (unsettled, Instant::now());
        }
        say(&format!(
            "{unsettled} calls are unsettled after {runs} runs of the reconciler"
        ));
        if moved.elapsed() > STANDSTILL {
            // The comparison names them.
            return Ok(runs);
        }
        if number("calls_asked") == 0 {
            sleep(Duration::from_secs(2)).await;
        }
    }
}

/// How many calls are in progress, or failed for want of an answer.
async fn unsettled(client: &Client, chance: &mut Chance) -> Result<usize, String> {
    let running = list(client, chance, "&status=in_progress").await?.len();
    let failed = list(client, chance, "&status=failed").await?;
    let unknown = failed.iter().filter(|call| {
        let reason = call.get("failure_reason").and_then(Value::as_str);
        reason == Some("outcome_unknown")
    });
    Ok(running + unknown.count())
}
