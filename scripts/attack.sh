#!/bin/sh
# Attacks the built worker with Schemathesis, which invents requests from the worker's own description, openapi.json,
# and holds every answer to it. On this machine only: the worker runs under `wrangler dev`, beside a simulated ElevenLabs.
#
#   sh scripts/attack.sh             [MINUTES=10 | EXAMPLES=n] [SEED=n]; without a seed, by a new one
#   sh scripts/attack.sh bounded     the short attack of `make test`: always the same requests
#   sh scripts/attack.sh missing     says what is missing for it on this machine; nothing where nothing is
#
# Python is needed for nothing else here. What it needs is installed into .tools/attack, by exact versions and checksums.
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
. "$ROOT/scripts/lock.sh"

VENV=.tools/attack
REQUIREMENTS=tests/attack/requirements.txt

say() { echo "attack: $*"; }
fail() { echo "attack: $*" >&2; exit 1; }

# missing : why the attack cannot run, as one line.
missing() {
  command -v python3 >/dev/null 2>&1 || { echo "there is no python3, and 3.11 or newer is needed"; return; }
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    || { echo "$(python3 --version 2>&1) is too old, 3.11 or newer is needed"; return; }
  python3 -c 'import ensurepip, sqlite3, venv' 2>/dev/null \
    || echo "this python3 lacks venv or sqlite3 (on Debian: apt install python3-venv)"
}
why=$(missing)

case ${1:-} in
  missing) echo "$why"; exit 0 ;;
  bounded)
    [ -z "$why" ] || { say "NOT RUN, because $why"; exit 0; }
    MINUTES='' EXAMPLES=25 SEED=20251121
    ;;
  '')
    [ -z "$why" ] || fail "$why"
    [ -n "${EXAMPLES:-}" ] || MINUTES=${MINUTES:-10}
    ;;
  *) fail "unknown: $1" ;;
esac
for number in "${MINUTES:-}" "${EXAMPLES:-}" "${SEED:-}"; do
  case $number in *[!0-9]*) fail "MINUTES, EXAMPLES and SEED are whole numbers, and $number is none" ;; esac
done

[ -s build/index_bg.wasm ] || fail "there is no built worker yet: make build"

# --- Schemathesis. A stamp means a completed install, of these very versions and for this very Python.
wanted=$(uname -sm; python3 -c 'import sys; print(sys.executable, sys.version)'; cksum "$REQUIREMENTS")
if [ "$wanted" != "$(cat "$VENV/.installed" 2>/dev/null)" ]; then
  # In a shell of its own, which gives the lock back at its end.
  (
    hold_lock attack
    [ "$wanted" != "$(cat "$VENV/.installed" 2>/dev/null)" ] || exit 0
    say "installing Schemathesis into $VENV (about 80 MB, half a minute)"
    rm -rf "$VENV"
    python3 -m venv "$VENV"
    # From whatever index pip is set up with. Wheels only: nothing is built, so nothing of a package runs here.
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --only-binary :all: \
      --require-hashes --requirement "$REQUIREMENTS" \
      || fail "pip cannot install $REQUIREMENTS, see above: does it reach its index (python3 -m pip config list)?"
    printf '%s\n' "$wanted" >"$VENV/.installed"
  )
fi

cargo build --quiet --locked --package elevenlabs-simulator
exec "$VENV/bin/python" -B tests/attack/run.py --simulator "${CARGO_TARGET_DIR:-$ROOT/target}/debug/elevenlabs-simulator" \
  ${SEED:+--seed "$SEED"} ${MINUTES:+--minutes "$MINUTES"} ${EXAMPLES:+--examples "$EXAMPLES"}
