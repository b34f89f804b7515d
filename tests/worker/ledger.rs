//! The two servers that all tests share, the stand-in ElevenLabs they call, and their databases: one with as few
//! settings as there may be, and one with all of them.

use std::fmt::Debug;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use elevenlabs_simulator::{Config, SimCall, Simulator};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::RwLock;

use crate::http::Http;
use crate::wrangler::{self, Dev, PATIENCE};

pub const API_TOKEN: &str = "test-api-token-77c1";
pub const API_KEY: &str = "test-elevenlabs-key-4d0e";
pub const WEBHOOK_TOKEN: &str = "test-webhook-token-5e1a";
pub const WEBHOOK_SECRET: &str = "wsec_test_9b52";
/// A second secret, as while one is being replaced.
pub const OTHER_WEBHOOK_SECRET: &str = "wsec_test_other_03aa";

/// How long the worker waits for ElevenLabs.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the slow numbers take: longer than the worker waits. A quarter of it is shorter.
pub const SLOW: Duration = Duration::from_millis(4400);

/// A number that answers; there are a hundred of them.
pub const ANSWERS: &str = "+15550100000";

/// One runtime for all tests, because the stand-in and the HTTP client live longer than a single one.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static LEDGER: LazyLock<Ledger> = LazyLock::new(|| Ledger::start(&[], "", Config::test()));
/// Whose turn route asks for a token, whose calls go over a SIP trunk, whose texts are cleared after some time, and whose
/// events are kept in a bucket. The redirecting number leads elsewhere.
static GUARDED: LazyLock<(Ledger, Elsewhere)> = LazyLock::new(|| {
    let elsewhere = Elsewhere::open();
    let config = Config {
        webhook_token: Some(WEBHOOK_TOKEN.into()),
        redirect_to: Some(elsewhere.url.clone()),
        ..Config::test()
    };
    let vars = [
        ("WEBHOOK_TOKEN", WEBHOOK_TOKEN),
        ("RETENTION_DAYS", "30"),
        ("ELEVENLABS_TELEPHONY", "sip-trunk"),
    ];
    (Ledger::start(&vars, BUCKET, config), elsewhere)
});

/// The runtime of all tests.
pub fn runtime() -> &'static Runtime {
    &RUNTIME
}

const BUCKET: &str = r#"
[[r2_buckets]]
binding = "EVENTS"
bucket_name = "call-ledger-events"
"#;

/// Runs a test, beside others. Each keeps to calls of its own.
pub fn test(body: impl AsyncFnOnce(&Ledger)) {
    let ledger = &*LEDGER;
    RUNTIME.block_on(async {
        let _others_may = ledger.alone.read().await;
        body(ledger).await;
    });
    ledger.assert_discretion();
}

/// Runs a test, alone, on the server with all settings.
pub fn test_guarded(body: impl AsyncFnOnce(&Ledger, &Elsewhere)) {
    let (ledger, elsewhere) = &*GUARDED;
    RUNTIME.block_on(async {
        let _nobody_else_may = ledger.alone.write().await;
        body(ledger, elsewhere).await;
    });
    ledger.assert_discretion();
}

/// Runs a test that would disturb others: while it runs, no other does, and no conversation is being played.
pub fn test_alone(body: impl AsyncFnOnce(&Ledger)) {
    let ledger = &*LEDGER;
    RUNTIME.block_on(async {
        let _nobody_else_may = ledger.alone.write().await;
        ledger.simulator.wait_idle().await;
        body(ledger).await;
    });
    ledger.assert_discretion();
}

/// An address that is not ElevenLabs', and how many connections came to it.
pub struct Elsewhere {
    url: String,
    address: SocketAddr,
    connections: Arc<AtomicI64>,
}

impl Elsewhere {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicI64::new(0));
        let count = Arc::clone(&connections);
        std::thread::spawn(move || {
            while listener.accept().is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            url: format!("http://{address}/v1/convai/elsewhere"),
            address,
            connections,
        }
    }

    /// How many connections came so far, proved by one more that does arrive.
    pub async fn connections(&self) -> i64 {
        let before = self.connections.load(Ordering::SeqCst);
        TcpStream::connect(self.address).unwrap();
        let came = || (self.connections.load(Ordering::SeqCst) > before).then_some(());
        until("a connection", came).await;
        // Those of this test do not count.
        self.connections.fetch_sub(1, Ordering::SeqCst) - 1
    }
}

/// The built worker with everything around it.
pub struct Ledger {
    pub http: Http,
    pub simulator: Simulator,
    dev: Dev,
    /// The SQLite file.
    pub database: PathBuf,
    next_driver: AtomicI64,
    alone: RwLock<()>,
    /// How many lines of output were looked through for what must not be in them.
    looked_through: Mutex<usize>,
}

impl Ledger {
    /// A server with these settings besides those without which nothing works, with these tables added to its
    /// `wrangler.toml`, and a stand-in of this configuration.
    fn start(more: &[(&str, &str)], tables: &str, config: Config) -> Self {
        wrangler::run_well(wrangler::command("sh").arg("scripts/build.sh"));
        let config = Config {
            api_key: API_KEY.into(),
            webhook_secret: Some(WEBHOOK_SECRET.into()),
            slow: SLOW,
            // Between a dial's answer and what follows, also on a machine that has much else to do.
            grace: Duration::from_millis(400),
            ..config
        };
        let simulator = RUNTIME
            .block_on(Simulator::start("127.0.0.1:0", config))
            .unwrap();
        let (secrets, url, timeout) = (
            format!("{OTHER_WEBHOOK_SECRET}, {WEBHOOK_SECRET}"),
            simulator.url(),
            DIAL_TIMEOUT.as_secs().to_string(),
        );
        let mut vars = vec![
            ("API_TOKEN", API_TOKEN),
            ("ELEVENLABS_API_KEY", API_KEY),
            ("ELEVENLABS_WEBHOOK_SECRET", &secrets),
            ("ELEVENLABS_AGENT_ID", "agent_dev"),
            ("ELEVENLABS_PHONE_NUMBER_ID", "phnum_dev"),
            ("ELEVENLABS_BASE_URL", &url),
            ("ELEVENLABS_TIMEOUT_SECS", &timeout),
            ("RECONCILE_AFTER_MINUTES", "15"),
        ];
        vars.extend(more);
        let workspace = wrangler::workspace(&vars);
        let configuration = workspace.path().join("wrangler.toml");
        let text = std::fs::read_to_string(&configuration).unwrap();
        std::fs::write(&configuration, text + tables).unwrap();
        wrangler::run_well(
            wrangler::command("wrangler")
                .args([
                    "d1",
                    "migrations",
                    "apply",
                    "call-ledger",
                    "--env",
                    "",
                    "--local",
                    "--persist-to",
                    "state",
                ])
                .current_dir(workspace.path()),
        );
        let database = wrangler::database_file(&workspace.path().join("state"));
        let dev = Dev::start(workspace);
        RUNTIME.block_on(dev.wait_until_ready());
        simulator.set_worker_url(&dev.url);
        Self {
            http: Http::new(&dev.url),
            simulator,
            dev,
            database,
            next_driver: AtomicI64::new(700_001),
            alone: RwLock::new(()),
            looked_through: Mutex::default(),
        }
    }

    /// A driver nobody else uses.
    pub fn driver(&self) -> i64 {
        self.next_driver.fetch_add(1, Ordering::Relaxed)
    }

    /// The ports on which the server listens besides the one that all requests go to.
    pub fn ports_behind_the_proxy(&self) -> Vec<u16> {
        let mut ports = self.dev.ports();
        ports.retain(|port| !self.dev.url.ends_with(&format!(":{port}")));
        ports
    }

    // --------------------------------------------------------------------------------------------------- ElevenLabs

    /// The requests that ElevenLabs got for a call.
    pub fn dials(&self, call_sid: &str) -> Vec<SimCall> {
        let mut calls = self.simulator.calls();
        calls.retain(|call| call.call_sid.as_deref() == Some(call_sid));
        calls
    }

    // ---------------------------------------------------------------------------------------------------------- log

    /// The log line of a request.
    pub async fn line(&self, request_id: &str) -> Value {
        let name = format!("\"request_id\":\"{request_id}\"");
        // The steps of a placement carry the same id.
        let mut lines = self.lines(&[&name, "\"event\":\"request\""], 1).await;
        assert_eq!(lines.len(), 1, "lines of one request: {lines:?}");
        lines.remove(0)
    }

    /// The log lines that contain all of this, once there are so many.
    pub async fn lines(&self, parts: &[&str], count: usize) -> Vec<Value> {
        let find = |lines: &[String]| {
            let found = lines_with(lines, parts);
            (found.len() >= count).then_some(found)
        };
        let sought = format!("{count} lines with {parts:?}");
        self.dev.output.wait_for(&sought, find).await
    }

    /// The log lines so far that contain all of this.
    pub fn lines_now(&self, parts: &[&str]) -> Vec<Value> {
        lines_with(&self.dev.output.lines(), parts)
    }

    /// Whatever was said since the last look: no panic, no secret, no text, no telephone number.
    fn assert_discretion(&self) {
        let new = {
            let mut looked_through = self.looked_through.lock().unwrap();
            let lines = self.dev.output.lines();
            let new = lines[*looked_through..].to_vec();
            *looked_through = lines.len();
            new
        };
        let never = [
            "panicked",
            "RuntimeError",
            "(no more output)",
            API_TOKEN,
            API_KEY,
            WEBHOOK_SECRET,
            OTHER_WEBHOOK_SECRET,
            WEBHOOK_TOKEN,
            // What the tests and the stand-in say on the phone.
            SPOKEN,
            "safety desk",
            "mile after mile",
            "descanso",
            // More than the last four digits of any number the tests call.
            "5550100",
            "0100-",
        ];
        for line in &new {
            for word in never {
                assert!(!line.contains(word), "{word:?} is in the output: {line}");
            }
        }
    }
}

/// A mark in every text that the tests themselves send.
pub const SPOKEN: &str = "quoth";

/// Those of these lines of output that are JSON and contain all of this.
pub fn lines_with(lines: &[String], parts: &[&str]) -> Vec<Value> {
    let found = lines.iter();
    let found = found.filter(|line| parts.iter().all(|part| line.contains(part)));
    found.filter_map(|line| log_line(line)).collect()
}

/// The JSON object in a line of output.
fn log_line(line: &str) -> Option<Value> {
    let json = &line[line.find("{\"level\"")?..=line.rfind('}')?];
    serde_json::from_str(json).ok()
}

/// Polls until this holds. For what changes outside of this process only.
pub async fn until<T: Debug>(sought: &str, probe: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "never happened: {sought}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
