//! Writes `openapi.json` without whitespace, for the worker.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=openapi.json");
    let document = fs::read_to_string("openapi.json")?;
    let folder = env::var("OUT_DIR")?;
    fs::write(Path::new(&folder).join("openapi.json"), compact(&document))?;
    Ok(())
}

/// The same JSON without whitespace between its tokens.
fn compact(json: &str) -> String {
    let mut in_text = false;
    let mut escaped = false;
    let kept = json.chars().filter(|character| {
        if !in_text && character.is_ascii_whitespace() {
            return false;
        }
        if *character == '"' && !escaped {
            in_text = !in_text;
        }
        escaped = in_text && *character == '\\' && !escaped;
        true
    });
    kept.collect()
}
