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
  find src scripts/bindgen -type f -exec cksum {} + | sort -k 3
  cksum Cargo.toml Cargo.lock build.rs openapi.json package-lock.json scripts/build.sh scripts/bundle.mjs
}
wanted=$(inputs)
if [ -s build/index.js ] && [ -s build/index_bg.wasm ] && [ "$wanted" = "$(cat "$STAMP" 2>/dev/null)" ]; then
  echo "build: up to date"
  exit 0
fi

sh scripts/setup.sh 9>&-
rm -f "$STAMP"

# wasm-opt and esbuild run on Node: on the one installed here.
PATH=$ROOT/node_modules/.bin:$PATH
export PATH
TARGET=${CARGO_TARGET_DIR:-target}
PARTS=$TARGET/worker
rm -rf "$PARTS"
mkdir -p "$PARTS" build

# 1. cargo. The flags are separated by the unit separator, because a path may have a blank in it.
#    * No path of this machine: a panic names the crate's file, and two machines build the same bytes.
#    * LLVM inlines less than at opt-level 3 by itself: 17 kB less gzipped, and lists take a quarter longer.
#    * The macros of wasm-bindgen are to use the one executor of js_sys, as those of the worker crate do.
unit=$(printf '\037')
flags="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=${unit}--remap-path-prefix=$ROOT="
flags="$flags${unit}-Cllvm-args=-inline-threshold=60"
echo "build: compiling the worker"
CARGO_ENCODED_RUSTFLAGS=$flags WASM_BINDGEN_USE_JS_SYS=1 \
  cargo build --locked --release --lib --target wasm32-unknown-unknown 9>&-

# 2. wasm-bindgen: the JavaScript half, and the exports that it needs.
cargo build --locked --package worker-bindgen 9>&-
"$TARGET/debug/worker-bindgen" "$TARGET/wasm32-unknown-unknown/release/call_ledger.wasm" "$PARTS"

# 3. wasm-opt.
#    * What the worker crate exports and src/entry.js does not use goes first: streams, containers, R2.
#    * Functions with one caller only are kept apart: together they are a little smaller, but compress much worse.
#    * Sorted by name, functions that are alike compress well. The names themselves, a third of the file, are not
#      written (there is no --debuginfo), so a stack trace shows numbers.
#    * The features are those that rustc and wasm-bindgen use. A newer encoding might be unknown to the runtime.
echo "build: optimizing and bundling it"
wasm-opt "$PARTS/index_bg.wasm" -o "$PARTS/optimized.wasm" \
  '--remove-exports=intounderlying*,__wbg_into*,__wbg_container*,__wbg_minify*,__wbg_r2range*,__wbg_get_*,__wbg_set_*,start,init' \
  -Oz \
  --one-caller-inline-max-function-size=20 \
  --reorder-functions-by-name \
  --enable-mutable-globals --enable-sign-ext --enable-nontrapping-float-to-int --enable-bulk-memory \
  --enable-multivalue --enable-reference-types --enable-exception-handling

# 4. esbuild: one JavaScript file.
node scripts/bundle.mjs "$PARTS" "$PARTS/bundle.js"

mv "$PARTS/optimized.wasm" build/index_bg.wasm
mv "$PARTS/bundle.js" build/index.js

# What was built is what was there when it began: a file changed meanwhile makes the next run build again.
printf '%s\n' "$wanted" >"$STAMP"
