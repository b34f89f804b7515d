//! The program: its first line, its ready file, a taken port, and how it ends.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elevenlabs-simulator"));
    command
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn says_where_it_listens_and_ends_on_sigterm() {
    let ready =
        std::env::temp_dir().join(format!("elevenlabs-simulator-{}.ready", std::process::id()));
    let mut child = program()
        .args(["--port", "0", "--ready-file"])
        .arg(&ready)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let url = first
        .strip_prefix("stand-in ElevenLabs listening on ")
        .unwrap()
        .to_owned();
    lines.next().unwrap().unwrap();

    // The port is taken now.
    let port = url.rsplit(':').next().unwrap();
    let second = program().args(["--port", port]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let complaint = String::from_utf8(second.stderr).unwrap();
    assert!(
        complaint.contains(&format!("port {port} of 127.0.0.1 is taken")),
        "{complaint}"
    );

    let killed = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert!(child.wait().unwrap().success());
    assert_eq!(std::fs::read_to_string(&ready).unwrap(), url);
    std::fs::remove_file(&ready).unwrap();
}

#[test]
fn prints_the_numbers_and_names_mistakes() {
    let numbers = program().arg("--numbers").output().unwrap();
    assert!(
        String::from_utf8(numbers.stdout)
            .unwrap()
            .contains("| +15550100186 | `busy` |")
    );
    let mistake = program().arg("--prot").output().unwrap();
    assert_eq!(mistake.status.code(), Some(2));
}
