#!/bin/sh
# Builds the worker into build/ (index.js and index_bg.wasm). This is the build command of wrangler.toml.
#
# * Nothing is built when nothing has changed since the last build: `wrangler dev` runs this at every start.
# * Several runs at once wait for each other, because tests start several servers.
# * Missing tools are installed first, so that a bare `npx wrangler dev` works.
# * CALL_LEDGER_SKIP_BUILD=1 takes the build that is there as it is.
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
. "$ROOT/scripts/lock.sh"

if [ "${CALL_LEDGER_SKIP_BUILD:-}" = 1 ] && [ -s build/index.js ] && [ -s build/index_bg.wasm ]; then
  exit 0
fi

hold_lock build

# What the build depends on, as one line for each file with its checksum. Kept beside the build it led to.
STAMP=build/.inputs
inputs() {
  rustc --version
  # Compiler settings from outside change the result as well.
  echo "RUSTFLAGS=${RUSTFLAGS:-}"
  find src -type f -exec cksum {} + | sort -k 3
  for file in Cargo.toml Cargo.lock build.rs openapi.json package-lock.json \
    scripts/build.sh scripts/bundle.sh scripts/optimize.sh scripts/setup.sh; do
    [ ! -f "$file" ] || cksum "$file"
  done
}
wanted=$(inputs)
if [ -s build/index.js ] && [ -s build/index_bg.wasm ] && [ "$wanted" = "$(cat "$STAMP" 2>/dev/null)" ]; then
  echo "build: up to date"
  exit 0
fi

sh scripts/setup.sh 9>&-
rm -f "$STAMP"

# The installed programs, or worker-build would download its own.
WASM_BINDGEN_BIN=$ROOT/.tools/bin/wasm-bindgen
WASM_OPT_BIN=$ROOT/scripts/optimize.sh
ESBUILD_BIN=$ROOT/scripts/bundle.sh
# wasm-opt runs on Node: on the one installed here.
PATH=$ROOT/node_modules/.bin:$PATH
export WASM_BINDGEN_BIN WASM_OPT_BIN ESBUILD_BIN PATH

# * The small implementation of SHA-256 instead of the unrolled one: 7 kB less, and a signature is checked once a call.
# * No path of this machine: a panic names the crate's file, and two machines build the same bytes.
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--cfg sha2_backend_soft=\"compact\" \
  --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src= --remap-path-prefix=$ROOT="
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS

echo "build: compiling the worker"
.tools/bin/worker-build --release 9>&-

# What was built is what was there when it began: a file changed meanwhile makes the next run build again.
printf '%s\n' "$wanted" >"$STAMP"
