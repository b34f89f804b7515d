//! The built worker under `wrangler dev`, in a folder of its own: started, killed, and started again on the same state.

use crate::output::Output;
use crate::watchdog::{WATCHDOG, without_table};
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// How long wrangler may take to start on a machine that has much else to do.
const START: Duration = Duration::from_secs(120);

/// How long wrangler outlives the runtime in a crash.
pub const GONE: Duration = Duration::from_millis(500);

/// The worker's folder, its port, and what runs there now.
pub struct Server {
    folder: TempDir,
    project: PathBuf,
    port: u16,
    /// What wrangler and the worker say.
    pub output: Output,
    running: Option<Child>,
}

impl Server {
    /// Lays out the folder with the built worker, the configuration without its build command, these variables, and
    /// an empty database under all migrations. Nothing runs yet.
    pub fn prepare(vars: &[(&str, &str)]) -> Result<Self, String> {
        let project = project()?;
        let folder = tempfile::Builder::new()
            .prefix("call-ledger-load-")
            .tempdir()
            .map_err(|error| format!("no temporary folder: {error}"))?;
        for name in ["build", "migrations"] {
            copy(&project.join(name), &folder.path().join(name))
                .map_err(|error| format!("{name}/ cannot be copied ({error}): run `make build`"))?;
        }
        let config = fs::read_to_string(project.join("wrangler.toml"));
        let config = config.map_err(|error| format!("wrangler.toml: {error}"))?;
        let vars: String = vars
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        fs::write(
            folder.path().join("wrangler.toml"),
            without_table(&config, "[build]"),
        )
        .and_then(|()| fs::write(folder.path().join(".dev.vars"), vars))
        .map_err(|error| format!("{}: {error}", folder.path().display()))?;
        let output = Output::to_file(&folder.path().join("worker.log"))?;
        let server = Self {
            port: free_port()?,
            folder,
            project,
            output,
            running: None,
        };
        let migrate = "d1 migrations apply call-ledger --env= --local --persist-to state";
        let mut migrate = server.command("wrangler", migrate);
        let done = migrate
            .output()
            .map_err(|error| format!("wrangler: {error}"))?;
        if done.status.success() {
            return Ok(server);
        }
        let said = [done.stdout, done.stderr].concat();
        Err(format!(
            "the migrations failed:\n{}",
            String::from_utf8_lossy(&said)
        ))
    }

    /// Where the worker is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The folder of the run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder where it is, for somebody to look into.
    pub fn keep(mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_path_buf()
    }

    /// The database's file. Not to be opened while the worker runs: with a second writer the runtime's own writes fail.
    pub fn database(&self) -> Result<PathBuf, String> {
        let folder = self
            .folder
            .path()
            .join("state/v3/d1/miniflare-D1DatabaseObject");
        let entries =
            fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut files: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|kind| kind == "sqlite"))
            .filter(|path| path.file_stem().is_some_and(|name| name != "metadata"))
            .collect();
        match (files.pop(), files.is_empty()) {
            (Some(file), true) => Ok(file),
            _ => Err(format!("not one database in {}", folder.display())),
        }
    }

    /// Starts it, and returns when the worker answers that its database does.
    pub async fn start(&mut self) -> Result<(), String> {
        let port = self.port.to_string();
        let arguments = format!(
            "wrangler dev --env= --ip 127.0.0.1 --port {port} --inspector-port 0 --test-scheduled --persist-to state \
             --show-interactive-dev-session=false"
        );
        let mut command = self.command("sh", "-c");
        command
            .args([WATCHDOG, "watchdog"])
            .arg(self.folder.path())
            .args(arguments.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Everything it starts is in this group, so that stopping the group stops all.
            .process_group(0);
        let mut child = command.spawn().map_err(|error| format!("sh: {error}"))?;
        if let Some(stdout) = child.stdout.take() {
            self.output.read(stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            self.output.read(stderr);
        }
        self.running = Some(child);
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build();
        let client = client.map_err(|error| error.to_string())?;
        let url = format!("{}/health", self.url());
        let began = Instant::now();
        loop {
            let health = client.get(&url).send().await;
            if health.is_ok_and(|answer| answer.status() == 200) {
                return Ok(());
            }
            if began.elapsed() > START {
                let said = self.output.last_lines();
                return Err(format!(
                    "{url} does not answer 200. The last lines were:\n{said}"
                ));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits for the moment, then kills the runtime, which has no time to finish anything, and half a second later
    /// wrangler, which would not start it again. Says how many processes of the runtime there were.
    pub async fn crash(&mut self, moment: impl Future<Output = ()>) -> Result<usize, String> {
        let Some(mut child) = self.running.take() else {
            return Err("there is nothing to kill".into());
        };
        let runtimes = descendants(child.id(), Some("workerd"))?;
        if runtimes.is_empty() {
            return Err("wrangler has started no workerd".into());
        }
        let ids: Vec<_> = runtimes.iter().map(u32::to_string).collect();
        moment.await;
        signal("KILL", &ids)?;
        sleep(GONE).await;
        signal("KILL", &[format!("-{}", child.id())])?;
        let _ = child.wait();
        Ok(runtimes.len())
    }

    /// Asks it to end, and returns when it has.
    pub async fn stop(&mut self) -> Result<(), String> {
        let Some(mut child) = self.running.take() else {
            return Ok(());
        };
        signal("TERM", &[format!("-{}", child.id())])?;
        let began = Instant::now();
        while !descendants(child.id(), None)?.is_empty()
            && began.elapsed() < Duration::from_secs(10)
        {
            sleep(Duration::from_millis(100)).await;
        }
        // The shell around it waits for this process.
        signal("KILL", &[format!("-{}", child.id())])?;
        let _ = child.wait();
        Ok(())
    }

    /// A command in the folder of the run that finds wrangler and the Node it needs.
    fn command(&self, program: &str, arguments: &str) -> Command {
        let installed = self.project.join("node_modules/.bin");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", installed.display()))
            .env("WRANGLER_SEND_METRICS", "false")
            // Where this machine is on the globe is of no interest, and asking takes seconds without a network.
            .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
            .env("NO_COLOR", "1")
            .env("WRANGLER_WRITE_LOGS", "false")
            // Where running workers look for each other: this one is nobody else's business.
            .env(
                "WRANGLER_REGISTRY_PATH",
                self.folder.path().join("registry"),
            )
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            // The watchdog ends all of it, and deletes the folder.
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// The project's folder: two above this package's.
fn project() -> Result<PathBuf, String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = package.ancestors().nth(2);
    project
        .map(Path::to_path_buf)
        .ok_or_else(|| "the project's folder is gone".into())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// A port that nobody listens on, below those from which systems take the near ends of connections: a client that tries
/// to connect while the worker is down could otherwise be given this very port, and hold it.
fn free_port() -> Result<u16, String> {
    let from = 20_000 + u16::try_from(std::process::id() % 5_000).unwrap_or(0);
    (from..30_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| "no port is free".into())
}

/// The processes that this one has started, and those that they have, of one program or of any but the shell's.
fn descendants(of: u32, program: Option<&str>) -> Result<Vec<u32>, String> {
    let listed = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid=,stat=,comm="])
        .output()
        .map_err(|error| format!("ps: {error}"))?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let processes: Vec<(u32, u32, &str)> = listed
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (id, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            // What has ended and waits for its parent to notice has ended.
            let ended = words.next()?.starts_with('Z');
            (!ended).then_some((id, parent, words.next()?))
        })
        .collect();
    let mut family = vec![of];
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        next += 1;
        for (id, _, name) in processes.iter().filter(|process| process.1 == parent) {
            family.push(*id);
            let name = name.rsplit('/').next().unwrap_or(name);
            if program.is_none_or(|program| program == name) {
                found.push(*id);
            }
        }
    }
    Ok(found)
}

fn signal(name: &str, ids: &[String]) -> Result<(), String> {
    let sent = Command::new("kill")
        .args(["-s", name, "--"])
        .args(ids)
        .status();
    sent.map(|_| ()).map_err(|error| format!("kill: {error}"))
}
