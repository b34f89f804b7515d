#!/bin/sh
# The log of the deployed worker as it comes, one JSON line for each of ours, the platform's own words left out. What
# ended badly without a line of ours (a crash, a limit) is shown as `"event":"platform"`. Ctrl-C ends it.
#   make tail [ENV=production] [LEVEL=error] [CALL=EL_…]
#   FILE=night.json sh scripts/tail.sh      the same of what `wrangler tail --format json` wrote into a file
set -eu

. "$(dirname "$0")/environment.sh"
FILE=$(absolute "${FILE:-}")
case ${LEVEL:-} in
  '' | error) ;;
  *) fail "LEVEL=$LEVEL is unknown: use LEVEL=error, or leave it out" ;;
esac
[ -z "$FILE" ] || [ -r "$FILE" ] || fail "$FILE cannot be read"

ENV=$ENV LEVEL=${LEVEL:-} CALL=${CALL:-} FILE=$FILE exec node -e '
  const { ENV, LEVEL, CALL, FILE } = process.env;
  let tail;
  let input;
  if (FILE) {
    input = require("fs").createReadStream(FILE);
  } else {
    // What wrangler has to say for itself goes to the terminal.
    const args = ["tail", "--format", "json", "--env", ENV];
    if (CALL) args.push("--search", CALL);
    tail = require("child_process").spawn("wrangler", args, { stdio: ["inherit", "pipe", "inherit"] });
    tail.on("error", (error) => { console.error("tail: " + error.message); process.exitCode = 1; });
    tail.on("close", (code) => { process.exitCode = code ?? 1; });
    // Ctrl-C reaches wrangler as well; wait until it has said goodbye.
    process.on("SIGINT", () => {});
    process.on("SIGTERM", () => tail.kill("SIGTERM"));
    input = tail.stdout;
  }

  // The invocations come as JSON objects over many lines, one after the other: each ends where its braces do.
  let text = "", at = 0, depth = 0, quoted = false, escaped = false;
  input.setEncoding("utf8");
  input.on("data", (chunk) => {
    text += chunk;
    for (; at < text.length; at += 1) {
      const character = text[at];
      if (escaped) escaped = false;
      else if (quoted) { if (character === "\\") escaped = true; else if (character === "\"") quoted = false; }
      else if (character === "\"") quoted = depth > 0;
      else if (character === "{") { if (depth === 0) { text = text.slice(at); at = 0; } depth += 1; }
      else if (character === "}" && depth > 0) {
        depth -= 1;
        if (depth === 0) { invocation(text.slice(0, at + 1)); text = text.slice(at + 1); at = -1; }
      }
    }
    if (depth === 0) { text = ""; at = 0; }
  });
  // Whoever reads this has heard enough, `head` for one.
  process.stdout.on("error", () => { if (tail) tail.kill(); else process.exit(); });

  function invocation(json) {
    let told;
    try { told = JSON.parse(json); } catch { return; }
    let lines = 0;
    for (const { message = [] } of told.logs ?? []) {
      for (const part of [message].flat()) {
        const line = ours(part);
        if (!line) continue;
        lines += 1;
        if ((!LEVEL || line.level === LEVEL) && (!CALL || line.call_sid === CALL)) console.log(JSON.stringify(line));
      }
    }
    const thrown = (told.exceptions ?? []).map(({ name, message }) => `${name}: ${message}`);
    if (thrown.length || (told.outcome && told.outcome !== "ok" && lines === 0)) {
      console.log(JSON.stringify({
        level: "error", event: "platform", outcome: told.outcome, cause: thrown.join("; ") || undefined,
        at: told.eventTimestamp && new Date(told.eventTimestamp).toISOString(),
      }));
    }
  }

  // A line of ours is a JSON object with an event and a level.
  function ours(part) {
    let line = part;
    if (typeof part === "string") {
      try { line = JSON.parse(part); } catch { return undefined; }
    }
    return line && typeof line === "object" && line.event && line.level ? line : undefined;
  }
'
