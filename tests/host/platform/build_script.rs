//! `scripts/build.sh` with stand-ins for the programs that it runs: in a folder whose name has a blank in it, every path
//! and every flag reaches them whole. That the real programs build there too was tried by hand.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::sqlite::project;

/// Writes down what it is asked, an argument a line, and makes the file that build.sh expects of it.
const STAND_IN: &str = r#"#!/bin/sh
program=${0##*/}
{ echo "> $program"; printf '%s\n' "$@"; } >>"$CALLS"
case $program in
  cargo)
    printf '%s' "${CARGO_ENCODED_RUSTFLAGS:-}" | tr '\037' '\n' >>"$CALLS.flags"
    mkdir -p "$CARGO_TARGET_DIR/debug"
    cp "$0" "$CARGO_TARGET_DIR/debug/worker-bindgen"
    ;;
  rustc) echo "$LIBRARIES" ;;
  worker-bindgen) echo wasm >"$2/index_bg.wasm" ;;
  wasm-opt) echo optimized >"$3" ;;
  node) [ $# -ne 3 ] || echo bundled >"$3" ;;
esac
"#;

fn stand_in(folder: &Path, name: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(name), STAND_IN).unwrap();
    std::fs::set_permissions(folder.join(name), PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_folder_with_a_blank_in_its_name_builds() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("call ledger");
    std::fs::create_dir(&root).unwrap();
    for name in [
        "scripts",
        "src",
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "openapi.json",
        "package.json",
        "package-lock.json",
    ] {
        symlink(project().join(name), root.join(name)).unwrap();
    }
    let programs = outer.path().join("programs");
    for name in ["cargo", "rustc", "npm"] {
        stand_in(&programs, name);
    }
    for name in ["node", "wasm-opt"] {
        stand_in(&root.join("node_modules/.bin"), name);
    }
    std::fs::write(outer.path().join("libcore-1.rlib"), "").unwrap();

    let calls = outer.path().join("calls");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let target = root.join("target");
    let output = Command::new("sh")
        .arg(root.join("scripts/build.sh"))
        .env("PATH", path)
        .env("CALLS", &calls)
        .env("LIBRARIES", outer.path())
        .env("CARGO_HOME", outer.path().join("cargo home"))
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("CALL_LEDGER_SKIP_BUILD")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");

    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&root.join("build/index.js")), "bundled\n");
    assert_eq!(read(&root.join("build/index_bg.wasm")), "optimized\n");
    let home = outer.path().join("cargo home/registry/src");
    let flags = [
        format!("--remap-path-prefix={}=", home.display()),
        format!("--remap-path-prefix={}=", root.display()),
        "-Cllvm-args=-inline-threshold=60".to_owned(),
    ];
    assert_eq!(read(&outer.path().join("calls.flags")), flags.join("\n"));
    let calls = read(&calls);
    let bindgen = format!(
        "> worker-bindgen\n{}\n{}\n",
        target
            .join("wasm32-unknown-unknown/release/call_ledger.wasm")
            .display(),
        target.join("worker").display()
    );
    assert!(calls.contains(&bindgen), "{calls}");
}
