//! What wrangler reads from `wrangler.toml` for each environment: what is inherited and what has to be repeated.

use serde_json::{Value, json};

use crate::wrangler::{command, run_well};

/// The configuration as wrangler sees it for this environment.
fn configuration(environment: &str) -> Value {
    const READ: &str = "const { unstable_readConfig } = require('wrangler'); \
        const read = unstable_readConfig({ config: 'wrangler.toml', env: process.argv[1] }); \
        const { name, triggers, observability, vars, d1_databases } = read; \
        console.log(JSON.stringify({ name, triggers, observability, vars, d1_databases }));";
    let mut node = command("node");
    let said = run_well(node.args(["-e", READ, environment]));
    let json = said.lines().find(|line| line.starts_with('{')).unwrap();
    serde_json::from_str(json).unwrap()
}

#[test]
fn every_environment_has_the_schedule_the_logs_its_variables_and_its_own_database() {
    let top = configuration("");
    assert_eq!(top["triggers"], json!({ "crons": ["*/5 * * * *"] }));
    assert_eq!(top["observability"]["enabled"], true);
    for environment in ["staging", "production"] {
        let found = configuration(environment);
        let name = format!("call-ledger-{environment}");
        assert_eq!(found["name"], name);
        // Inherited, so they stand at the top level alone.
        assert_eq!(found["triggers"], top["triggers"]);
        assert_eq!(found["observability"], top["observability"]);
        // Not inherited, so each of them is repeated.
        let names = |configuration: &Value| -> Vec<String> {
            configuration["vars"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect()
        };
        assert_eq!(names(&found), names(&top));
        assert_eq!(found["d1_databases"][0]["binding"], "DB");
        assert_eq!(found["d1_databases"][0]["database_name"], name);
    }
}
