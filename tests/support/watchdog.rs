//! What the tests of the built worker and the load test have in common: ending a server for certain, and its
//! configuration.

/// Runs "$2"… as a child until standard input ends, and that is when the process that started it is gone, however it
/// went. Then everything it started is ended (all of it is in this shell's process group), and the folder "$1" deleted.
pub const WATCHDOG: &str = r#"
trap '' TERM
folder=$1
shift
(trap - TERM; exec "$@") </dev/null &
child=$!
read -r line
kill -s TERM 0
patience=50
while kill -s 0 "$child" 2>/dev/null && [ "$patience" -gt 0 ]; do
  sleep 0.1
  patience=$((patience - 1))
done
rm -rf "$folder"
kill -s KILL 0
"#;

/// TOML without one of its tables.
pub fn without_table(toml: &str, table: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in toml.lines() {
        if line.starts_with('[') {
            inside = line.trim() == table;
        }
        if !inside {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}
