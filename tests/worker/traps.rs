//! A trap in WebAssembly: what the log says, and that the next request meets a new instance.

use reqwest::Method;
use serde_json::json;

use crate::http::Http;
use crate::ledger::{API_TOKEN, lines_with, runtime};
use crate::wrangler::{self, Dev};

/// The built worker, unchanged, behind the switch of `trap.js`.
const ENTRY: &str = r#"
import { trapping } from "./trap.js";
import worker from "./build/index.js";
export default trapping(worker);
"#;

fn start() -> Dev {
    wrangler::run_well(wrangler::command("sh").arg("scripts/build.sh"));
    let workspace = wrangler::workspace(&[("API_TOKEN", API_TOKEN)]);
    let file = |name: &str| workspace.path().join(name);
    std::fs::write(file("trap.js"), include_str!("trap.js")).unwrap();
    std::fs::write(file("entry.js"), ENTRY).unwrap();
    let configuration = std::fs::read_to_string(file("wrangler.toml")).unwrap();
    let main = "main = \"build/index.js\"";
    assert!(configuration.contains(main));
    let configuration = configuration.replace(main, "main = \"entry.js\"");
    std::fs::write(file("wrangler.toml"), configuration).unwrap();
    Dev::start(workspace)
}

#[test]
fn a_trap_is_logged_and_the_next_request_meets_a_new_instance() {
    let dev = start();
    runtime().block_on(async {
        dev.wait_until_ready().await;
        let http = Http::new(&dev.url);
        let get = |path| http.request(Method::GET, path);
        get("/nothing")
            .send()
            .await
            .assert_problem(404, "not_found");

        for round in 1..=2 {
            let trapped = get("/nothing").header("x-trap", "1").send().await;
            assert_eq!(trapped.status, 500, "{}", trapped.text);
            let next = get("/nothing").send().await;
            next.assert_problem(404, "not_found");

            let find = |event: &'static str| {
                let name = format!("\"event\":\"{event}\"");
                move |lines: &[String]| {
                    let found = lines_with(lines, &[&name]);
                    (found.len() == round).then(|| found.into_iter().next_back())?
                }
            };
            let trap = dev.output.wait_for("wasm_trap", find("wasm_trap")).await;
            assert_eq!(trap["level"], "error", "{trap}");
            let cause = trap["cause"].as_str().unwrap();
            assert!(cause.starts_with("RuntimeError: "), "{cause}");
            let renewed = dev
                .output
                .wait_for("wasm_renewed", find("wasm_renewed"))
                .await;
            assert_eq!(
                renewed,
                json!({ "level": "error", "event": "wasm_renewed" })
            );
        }
    });
    // Alert A15 rings on these lines.
    let alerts = std::fs::read_to_string(wrangler::project().join("docs/operating.md")).unwrap();
    let alert = alerts
        .lines()
        .find(|line| line.starts_with("| A15 |"))
        .unwrap();
    assert!(alert.contains("`event` = `wasm_trap`"), "{alert}");
}
