#!/bin/sh
# Installs what building and testing need: the Rust target for WebAssembly, and node_modules/ in this folder.
# cargo and npm keep their download caches outside of it.
#   sh scripts/setup.sh        both
#   sh scripts/setup.sh rust   the Rust target only
# Repeatable: what is there in the right version is left alone, and an interrupted run is completed by the next.
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
. "$ROOT/scripts/lock.sh"

TARGET=wasm32-unknown-unknown

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

# The programs started below inherit the lock. One that outlives an interrupted run for a moment, as npm does while it
# cleans up, so keeps the next run waiting instead of getting in its way.
hold_lock setup

# --- The standard library for WebAssembly.
has_target() {
  libdir=$(rustc --target "$TARGET" --print target-libdir 2>/dev/null) || return 1
  for library in "$libdir"/libcore-*.rlib; do
    [ -e "$library" ] && return 0
  done
  return 1
}
if ! has_target; then
  command -v rustup >/dev/null 2>&1 \
    || fail "this Rust has no target $TARGET and there is no rustup to add it: install Rust with rustup"
  say "adding the Rust target $TARGET (about 20 MB)"
  rustup target add "$TARGET"
fi
[ "${1:-}" != rust ] || exit 0

# --- wrangler, the Node it needs, wasm-opt, esbuild, and redocly, which lints openapi.json. npm ci starts by deleting
# node_modules, and with it the stamp, so a stamp means a completed install.
NPM_STAMP=node_modules/.call-ledger-installed
npm_wanted=$(uname -sm; cksum package.json package-lock.json)
if [ "$npm_wanted" != "$(cat "$NPM_STAMP" 2>/dev/null)" ] || ! node_modules/.bin/node --version >/dev/null 2>&1; then
  say "installing wrangler, Node 22, wasm-opt, esbuild and redocly into node_modules (about 530 MB, half a minute)"
  # With the system's Node, because npm begins by deleting the one installed here. Errors only: when that Node is an
  # older one, npm warns about wrangler, which will not run with it.
  npm_ci() { PATH=$(printf %s "$PATH" | sed "s#$ROOT/node_modules/.bin:##g") npm ci --loglevel=error; }
  # What an interrupted install left behind can be in npm's way: then once more from nothing.
  npm_ci || { say "once more, from an empty node_modules"; rm -rf node_modules; npm_ci; }
  node_modules/.bin/node --version >/dev/null 2>&1 \
    || fail "npm did not install Node into node_modules: are install scripts switched off (npm config get ignore-scripts)?"
  printf '%s\n' "$npm_wanted" >"$NPM_STAMP"
fi

say "ready"
