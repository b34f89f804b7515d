#!/bin/sh
# Everything on this machine: the worker under `wrangler dev` with a local database, and a simulated ElevenLabs that
# rings no phone. Stops both when it is stopped (Ctrl-C), or when one of them ends.
#   make dev [PORT=8787] [SIMULATOR_PORT=8790]
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
PORT=${PORT:-8787}
SIMULATOR_PORT=${SIMULATOR_PORT:-8790}
URL=http://127.0.0.1:$PORT
# wrangler runs on the Node installed here. It need not report its use, nor ask Cloudflare where this laptop is.
PATH=$ROOT/node_modules/.bin:$PATH
WRANGLER_SEND_METRICS=false
CLOUDFLARE_CF_FETCH_ENABLED=false
export PATH WRANGLER_SEND_METRICS CLOUDFLARE_CF_FETCH_ENABLED
# Meant for `make migrate`: here the local database in its usual place is used.
unset REMOTE ENV UPTO PERSIST

say() { echo "dev: $*"; }
fail() { echo "dev: $*" >&2; exit 1; }

# --- Child processes. Each is started as the leader of a process group of its own, so that stopping the group also
# stops what it has started in turn: wrangler starts a runtime and a bundler.
groups=

# start COMMAND… : in the background. Its process id, which is also its group's, is then in $started.
start() {
  if command -v setsid >/dev/null 2>&1; then
    setsid "$@" </dev/null &
  else
    set -m
    "$@" </dev/null &
    set +m
  fi
  started=$!
  groups="$groups $started"
}

# run COMMAND… : to its end, but such that a signal to this script stops it at once.
run() {
  start "$@"
  wait "$started"
}

alive() { kill -s 0 -- "-$1" 2>/dev/null; }

stop_all() {
  trap - EXIT
  # A second Ctrl-C, or make passing a signal on, must not leave this half done.
  trap '' INT TERM HUP
  for group in $groups; do
    kill -s TERM -- "-$group" 2>/dev/null || true
  done
  for group in $groups; do
    patience=50
    while alive "$group" && [ "$patience" -gt 0 ]; do
      sleep 0.1 2>/dev/null || sleep 1
      patience=$((patience - 1))
    done
    kill -s KILL -- "-$group" 2>/dev/null || true
  done
}
trap stop_all EXIT
trap 'echo; say stopping; exit 130' INT
trap 'say stopping; exit 143' TERM
trap 'exit 129' HUP

# --- Everything that can be said at once is said before anything slow begins.
sh scripts/prerequisites.sh || exit 1
run sh scripts/setup.sh

# port_free PORT NAME VARIABLE
port_free() {
  case $1 in
    '' | *[!0-9]*) fail "$3=$1 is no port: choose a number, such as $3=18790" ;;
  esac
  node -e '
    const server = require("net").createServer();
    server.once("error", () => process.exit(1));
    server.listen({ port: Number(process.argv[1]), host: "127.0.0.1", exclusive: true }, () => server.close());
  ' "$1" 2>/dev/null || fail "port $1 is taken, and $2 needs it. Choose another: make dev $3=$(($1 + 100))"
}
port_free "$PORT" "the worker" PORT

if [ ! -f .dev.vars ]; then
  cp .dev.vars.example .dev.vars
  say "wrote .dev.vars, the settings and secrets of this machine, from .dev.vars.example"
fi
# setting NAME : its value in .dev.vars, without quotes.
setting() { sed -n "s/^$1=//p" .dev.vars | tail -n 1 | sed "s/^[\"']\(.*\)[\"']\$/\1/"; }

simulator=
elevenlabs=$(setting ELEVENLABS_BASE_URL)
case $elevenlabs in
  http://127.0.0.1:* | http://localhost:*)
    port_free "$SIMULATOR_PORT" "the simulated ElevenLabs" SIMULATOR_PORT
    say "building the simulated ElevenLabs (about a minute the first time)"
    run cargo build --quiet --locked --package elevenlabs-simulator
    # It accepts and signs with what .dev.vars says, of several webhook secrets the first. Handed over in the
    # environment, where other users of the machine do not see it. What is not set keeps the simulator's default.
    for pair in API_KEY=ELEVENLABS_API_KEY AGENT_ID=ELEVENLABS_AGENT_ID PHONE_NUMBER_ID=ELEVENLABS_PHONE_NUMBER_ID \
      WEBHOOK_SECRET=ELEVENLABS_WEBHOOK_SECRET WEBHOOK_TOKEN=WEBHOOK_TOKEN; do
      value=$(setting "${pair#*=}")
      [ -z "$value" ] || export "SIMULATOR_${pair%%=*}=${value%%,*}"
    done
    say "starting the simulated ElevenLabs on port $SIMULATOR_PORT"
    start "${CARGO_TARGET_DIR:-target}/debug/elevenlabs-simulator" --port "$SIMULATOR_PORT" --worker-url "$URL"
    simulator=$started
    elevenlabs=http://127.0.0.1:$SIMULATOR_PORT
    ;;
  *)
    elevenlabs=${elevenlabs:-https://api.elevenlabs.io}
    say "NOTE: .dev.vars points at $elevenlabs, so no simulator is started and placing a call rings a real phone"
    ;;
esac

say "building the worker (about a minute the first time)"
run sh scripts/build.sh
run cargo run --quiet --locked --package ledger-tools -- migrate

say "starting the worker on port $PORT"
start wrangler dev --ip 127.0.0.1 --port "$PORT" --inspector-port 0 --test-scheduled \
  --var "ELEVENLABS_BASE_URL:$elevenlabs"
worker=$started

# Ends this script when the worker or the simulator has ended.
check() {
  if ! kill -0 "$worker" 2>/dev/null; then
    wait "$worker" || code=$?
    fail "wrangler has ended by itself (exit code ${code:-0}): its last words are above"
  fi
  if [ -n "$simulator" ] && ! kill -0 "$simulator" 2>/dev/null; then
    wait "$simulator" || code=$?
    fail "the simulated ElevenLabs has ended by itself (exit code ${code:-0}): its last words are above"
  fi
}
# In the background, because a signal interrupts waiting but not a program in the foreground.
pause() {
  sleep "$1" &
  wait $!
}

waited=0
until node -e 'fetch(process.argv[1]).then((r) => process.exit(r.status === 200 ? 0 : 1), () => process.exit(1))' \
  "$URL/health" </dev/null; do
  check
  waited=$((waited + 1))
  [ "$waited" -lt 120 ] || fail "$URL/health does not answer 200 after two minutes: see what wrangler says above"
  pause 1
done

token=$(setting API_TOKEN)
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
cat <<EOF

-------------------------------------------------------------------------------
Call Ledger is running on $URL. Try it, from another terminal in this folder:

1. Place a call:

curl -sS $URL/driver_data/call-elevenlabs -H 'Authorization: Bearer $token' -d '{"timestamp":"$now","drivers":[{"driverId":12345,"driverName":"Ada Diaz","phoneNumber":"(555) 010-1234","violations":[{"type":"hours_of_service","description":"Drove 12 h without a break"}]}]}'

2. Read what was said, as it grows:

curl -sS $URL/calls/EL_12345_$now/transcription -H 'Authorization: Bearer $token'

3. Look into the database:

npx wrangler d1 execute call-ledger --local --command "SELECT call_sid, conversation_id, status, call_end_time FROM calls ORDER BY id DESC LIMIT 5"

Ctrl-C stops everything.
-------------------------------------------------------------------------------

EOF

while :; do
  check
  pause 1
done
