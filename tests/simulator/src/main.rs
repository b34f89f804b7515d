//! The stand-in as a program, for `make dev`.

mod args;

use args::{Command, Options};
use elevenlabs_simulator::{Simulator, numbers};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let command = args::parse(std::env::args().skip(1), |name| std::env::var(name).ok());
    match command {
        Ok(Command::Help) => say(&args::help()),
        Ok(Command::Numbers) => say(numbers::markdown_table().trim_end()),
        Ok(Command::Run(options)) => {
            if let Err(problem) = run(*options).await {
                eprintln!("elevenlabs-simulator: {problem}");
                return ExitCode::FAILURE;
            }
        }
        Err(problem) => {
            eprintln!("elevenlabs-simulator: {problem}\nTry --help.");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

async fn run(options: Options) -> Result<(), String> {
    let port = options.port;
    let worker_url = options.config.worker_url.clone().unwrap_or_default();
    let simulator = Simulator::start((Ipv4Addr::LOCALHOST, port), options.config)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "port {port} of 127.0.0.1 is taken; is another stand-in running? Choose a port with --port."
            ),
            _ => format!("cannot listen on 127.0.0.1:{port}: {error}"),
        })?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    say(&format!(
        "stand-in ElevenLabs listening on {}",
        simulator.url()
    ));
    say(&format!(
        "turns and events go to {worker_url}; {}/_simulator/numbers lists what numbers do",
        simulator.url()
    ));
    if let Some(path) = options.ready_file {
        std::fs::write(&path, simulator.url())
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    simulator.shutdown().await;
    Ok(())
}

/// Writes a line to standard output. A reader that went away must not end the program, so `println!` will not do.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
