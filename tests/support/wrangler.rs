//! wrangler: single commands, and a running `wrangler dev` that ends together with the test process.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;

use watchdog::{WATCHDOG, without_table};

#[path = "watchdog.rs"]
mod watchdog;

/// How long anything is waited for that should have come at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The project's folder.
pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A command in the project's folder that finds wrangler and the Node it needs.
pub fn command(program: &str) -> Command {
    let installed = project().join("node_modules/.bin");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command
        .current_dir(project())
        .env("PATH", format!("{}:{path}", installed.display()))
        .env("WRANGLER_SEND_METRICS", "false")
        // Where this machine is on the globe is of no interest, and asking takes seconds without a network.
        .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
        .env("NO_COLOR", "1")
        .env("WRANGLER_WRITE_LOGS", "false")
        .stdin(Stdio::null());
    for name in ["REMOTE", "ENV", "UPTO", "PERSIST", "MIGRATION"] {
        command.env_remove(name);
    }
    command
}

/// Whether a command succeeded, and all it said.
pub fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// What a command said, which has to succeed.
pub fn run_well(command: &mut Command) -> String {
    let (success, said) = run(command);
    assert!(success, "{command:?} failed:\n{said}");
    said
}

/// The SQLite file of the local database in a folder of local state.
pub fn database_file(state: &Path) -> PathBuf {
    let folder = state.join("v3/d1/miniflare-D1DatabaseObject");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "sqlite")
        })
        // miniflare's own.
        .filter(|path| path.file_stem().is_some_and(|stem| stem != "metadata"))
        .collect();
    assert_eq!(files.len(), 1, "databases in {}", folder.display());
    files.remove(0)
}

/// A folder of its own with the built worker, the migrations and the configuration, so that neither a rebuild nor the
/// `.dev.vars` of this machine changes anything while the tests run.
pub fn workspace(vars: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("call-ledger-worker-")
        .tempdir()
        .unwrap();
    for name in ["build", "migrations"] {
        let copies = folder.path().join(name);
        std::fs::create_dir(&copies).unwrap();
        for entry in std::fs::read_dir(project().join(name)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::copy(&path, copies.join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    let config = without_table(&configuration(), "[build]");
    std::fs::write(folder.path().join("wrangler.toml"), config).unwrap();
    let vars: String = vars
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect();
    std::fs::write(folder.path().join(".dev.vars"), vars).unwrap();
    folder
}

fn configuration() -> String {
    std::fs::read_to_string(project().join("wrangler.toml")).unwrap()
}

/// The id of the database at the top level of the configuration.
pub fn database_id() -> String {
    let configuration = configuration();
    let mut values = configuration
        .lines()
        .filter_map(|line| line.strip_prefix("database_id = "));
    values.next().unwrap().trim_matches('"').to_owned()
}

/// A running `wrangler dev`.
pub struct Dev {
    /// Where the worker is.
    pub url: String,
    /// What wrangler and the worker say.
    pub output: Output,
    /// Its standard input is open for as long as this process lives.
    watchdog: Child,
}

impl Dev {
    /// Starts it in a [`workspace`], which is deleted at the end, over the local state in its folder `state`.
    pub fn start(workspace: TempDir) -> Self {
        let port = free_port();
        let mut child = command("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(workspace.path())
            .args([
                "wrangler",
                "dev",
                "--env",
                "",
                "--ip",
                "127.0.0.1",
                "--port",
                &port.to_string(),
            ])
            .args([
                "--inspector-port",
                "0",
                "--test-scheduled",
                "--persist-to",
                "state",
            ])
            .args(["--show-interactive-dev-session=false"])
            .current_dir(workspace.path())
            // Where running workers look for each other: this one is nobody else's business.
            .env("WRANGLER_REGISTRY_PATH", workspace.path().join("registry"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        // From here on the watchdog deletes it.
        let _ = workspace.keep();
        let output = Output::default();
        output.read(child.stdout.take().unwrap());
        output.read(child.stderr.take().unwrap());
        Self {
            url: format!("http://127.0.0.1:{port}"),
            output,
            watchdog: child,
        }
    }

    /// The ports on which it and all that it started listen, as Linux tells.
    pub fn ports(&self) -> Vec<u16> {
        let group = self.watchdog.id().to_string();
        let sockets: HashSet<String> = processes(&group)
            .flat_map(|process| sockets(&process))
            .collect();
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let listening = table.lines().filter_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (address, state, socket) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            let port = address.split_once(':')?.1;
            let ours = *state == "0A" && sockets.contains(*socket);
            ours.then(|| u16::from_str_radix(port, 16).unwrap())
        });
        listening.collect()
    }

    /// Waits until it takes requests.
    pub async fn wait_until_ready(&self) {
        let ready = |lines: &[String]| {
            let ready = lines.iter().any(|line| line.contains("Ready on"));
            ready.then_some(())
        };
        self.output.wait_for("Ready on", ready).await;
    }
}

/// The folders in `/proc` of the processes in a group.
fn processes(group: &str) -> impl Iterator<Item = PathBuf> {
    let all = std::fs::read_dir("/proc").unwrap();
    all.filter_map(move |entry| {
        let folder = entry.ok()?.path();
        let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
        // The name in front may hold anything; behind it come the state, the parent and the group.
        let of = stat.rsplit_once(')')?.1.split_whitespace().nth(2)?;
        (of == group).then_some(folder)
    })
}

/// The inodes of a process' sockets.
fn sockets(process: &Path) -> Vec<String> {
    let open = std::fs::read_dir(process.join("fd")).into_iter().flatten();
    let inode = |entry: std::fs::DirEntry| {
        let target = std::fs::read_link(entry.path()).ok()?;
        let inode = target
            .to_str()?
            .strip_prefix("socket:[")?
            .strip_suffix(']')?;
        Some(inode.to_owned())
    };
    open.filter_map(|entry| inode(entry.ok()?)).collect()
}

/// A port nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The lines a process has said so far.
#[derive(Clone, Default)]
pub struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    /// How many they are.
    count: Arc<watch::Sender<usize>>,
}

impl Output {
    fn read(&self, stream: impl Read + Send + 'static) {
        let output = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let line = line.unwrap_or_else(|error| error.to_string().into_bytes());
                output.push(String::from_utf8_lossy(&line).into_owned());
            }
            output.push("(no more output)".to_owned());
        });
    }

    fn push(&self, line: String) {
        let mut lines = self.lines();
        lines.push(line);
        self.count.send_replace(lines.len());
    }

    /// All lines so far. Nothing is read while this is held.
    pub fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this finds what it looks for among all lines so far, and tells what it was looking for when that
    /// does not happen.
    pub async fn wait_for<T>(&self, sought: &str, find: impl Fn(&[String]) -> Option<T>) -> T {
        let mut count = self.count.subscribe();
        let search = async {
            loop {
                count.borrow_and_update();
                if let Some(found) = find(&self.lines()) {
                    return found;
                }
                // The sender lives in `self`.
                count.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, search)
            .await
            .unwrap_or_else(|_| {
                let lines = self.lines().clone();
                let last = lines.len().saturating_sub(40);
                panic!(
                    "never said: {sought}. The last lines were:\n{}",
                    lines[last..].join("\n")
                )
            })
    }
}
