//! Settings of another type than text, as `wrangler.toml` can hold them: what the built worker makes of the values that
//! the runtime gives it.

use std::path::Path;

use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::http::{Http, TURN, turn};
use crate::ledger::{API_TOKEN, lines_with, runtime};
use crate::wrangler::{self, Dev};

const UNREADABLE: &str = "is neither text nor a whole number; write it in quotes";
const PLACE: &str = "/driver_data/call-elevenlabs";
/// A call of driver 7 whose texts are older than any rule.
const OLD_CALL: &str = "\
    INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, created_at, updated_at) \
    VALUES ('EL_7_1', 'conv_7', 7, '2020-01-01T00:00:00.000Z', 'completed', '2020-01-01T00:00:00.000Z', \
            '2020-01-01T00:00:00.000Z'); \
    INSERT INTO call_transcriptions \
      (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
    VALUES ('conv_7', 'agent', 'quoth', '2020-01-01T00:00:00.000Z', 1, '2020-01-01T00:00:00.000Z');";

/// The configuration with these lines in the place of the variables of the same names.
fn with_vars(configuration: &str, vars: &[(&str, &str)]) -> String {
    let mut table = "";
    let mut changed = String::new();
    for line in configuration.lines() {
        if line.starts_with('[') {
            table = line;
        }
        let name = line.split(" =").next().unwrap();
        if table == "[vars]" && vars.iter().any(|(given, _)| *given == name) {
            continue;
        }
        changed += &format!("{line}\n");
        if line == "[vars]" {
            for (name, value) in vars {
                changed += &format!("{name} = {value}\n");
            }
        }
    }
    changed
}

/// A server with these variables, written as TOML, and one old call.
fn start(vars: &[(&str, &str)]) -> Dev {
    wrangler::run_well(wrangler::command("sh").arg("scripts/build.sh"));
    let workspace = wrangler::workspace(&[
        ("API_TOKEN", API_TOKEN),
        ("ELEVENLABS_API_KEY", "no-key"),
        ("ELEVENLABS_BASE_URL", "http://127.0.0.1:9"),
    ]);
    let file = workspace.path().join("wrangler.toml");
    let configuration = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, with_vars(&configuration, vars)).unwrap();
    migrate(workspace.path());
    let dev = Dev::start(workspace);
    runtime().block_on(dev.wait_until_ready());
    dev
}

fn migrate(workspace: &Path) {
    let mut apply = wrangler::command("wrangler");
    apply.args(["d1", "migrations", "apply", "call-ledger", "--env", ""]);
    apply.args(["--local", "--persist-to", "state"]);
    wrangler::run_well(apply.current_dir(workspace));
    let database = wrangler::database_file(&workspace.join("state"));
    let connection = Connection::open(database).unwrap();
    connection.execute_batch(OLD_CALL).unwrap();
}

/// The first log line with all of these parts.
async fn line(dev: &Dev, parts: &[&str]) -> Value {
    let find = |lines: &[String]| lines_with(lines, parts).into_iter().next();
    dev.output.wait_for(&parts.join(" "), find).await
}

/// What the holder of the token is told about the configuration.
async fn faults(http: &Http) -> Value {
    let health = http.request(Method::GET, "/health").bearer(API_TOKEN);
    let reply = health.send().await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body["configuration_faults"].clone()
}

/// Posts a turn of a call that nobody knows: 401, 503, or 400 once it is let through.
async fn post_turn(http: &Http, token: Option<&str>) -> (u16, String, String) {
    let mut request = http.post(TURN).json(&turn("EL_8_1", 0, "quoth"));
    if let Some(token) = token {
        request = request.bearer(token);
    }
    let reply = request.send().await;
    let code = reply.body["code"].as_str().unwrap().to_owned();
    (reply.status, code, reply.request_id().to_owned())
}

async fn run(dev: &Dev, http: &Http) -> Value {
    let reply = http.get("/cdn-cgi/handler/scheduled").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    line(dev, &["\"event\":\"reconcile\""]).await
}

#[test]
fn whole_numbers_are_read_as_their_digits() {
    let dev = start(&[
        ("WEBHOOK_TOKEN", "20251121"),
        ("RETENTION_DAYS", "30"),
        ("RECONCILE_AFTER_MINUTES", "15"),
        ("ELEVENLABS_TIMEOUT_SECS", "3.0"),
    ]);
    runtime().block_on(async {
        let http = Http::new(&dev.url);
        assert_eq!(faults(&http).await, json!({}));
        for wrong in [None, Some("20251122"), Some("")] {
            assert_eq!(post_turn(&http, wrong).await.0, 401);
        }
        let right = post_turn(&http, Some("20251121")).await;
        assert_eq!((right.0, right.1.as_str()), (400, "unknown_call_sid"));
        let run = run(&dev, &http).await;
        assert_eq!(run["level"], "info", "{run}");
        assert_eq!(run["reconciled"]["texts_cleared"], 2, "{run}");
    });
}

#[test]
fn any_other_value_closes_what_needs_it_and_is_named() {
    let dev = start(&[
        ("WEBHOOK_TOKEN", "true"),
        ("RETENTION_DAYS", "{ days = 30 }"),
        ("ELEVENLABS_AGENT_ID", "[\"agent\"]"),
        ("ELEVENLABS_PHONE_NUMBER_ID", "0.5"),
        ("ELEVENLABS_TELEPHONY", "1e21"),
        ("TURN_RATE_LIMIT_BY_CALL", "60"),
    ]);
    runtime().block_on(async {
        let http = Http::new(&dev.url);
        let expected = json!({
            "ELEVENLABS_AGENT_ID": UNREADABLE,
            "ELEVENLABS_PHONE_NUMBER_ID": UNREADABLE,
            "ELEVENLABS_TELEPHONY": UNREADABLE,
            "RETENTION_DAYS": UNREADABLE,
            "TURN_RATE_LIMIT_BY_CALL": "is bound to something that is not a rate limit",
            "WEBHOOK_TOKEN": UNREADABLE,
        });
        assert_eq!(faults(&http).await, expected);
        for token in [None, Some("true"), Some("")] {
            let (status, code, id) = post_turn(&http, token).await;
            assert_eq!((status, code.as_str()), (503, "not_configured"));
            let cause = line(&dev, &[&id]).await["cause"].clone();
            assert_eq!(cause, format!("WEBHOOK_TOKEN {UNREADABLE}"));
        }
        let place = http.post(PLACE).json(&json!({})).bearer(API_TOKEN);
        place.send().await.assert_problem(503, "not_configured");
        let run = run(&dev, &http).await;
        assert_eq!(run["cause"], format!("RETENTION_DAYS {UNREADABLE}"));
        assert_eq!(
            (&run["level"], &run["code"]),
            (&json!("error"), &json!("not_configured"))
        );
        assert_eq!(run["reconciled"]["texts_cleared"], 0);
    });
}
