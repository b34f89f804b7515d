#!/bin/sh
# Says in one line each what is missing on this machine, and what to do about it. Installs nothing.
set -u

missing=0
lacks() { echo "prerequisites: $*" >&2; missing=1; }
has() { command -v "$1" >/dev/null 2>&1; }

# at_least MAJOR.MINOR WANTED_MAJOR WANTED_MINOR
at_least() {
  major=${1%%.*}
  rest=${1#*.}
  minor=${rest%%.*}
  [ "$major" -gt "$2" ] || { [ "$major" -eq "$2" ] && [ "$minor" -ge "$3" ]; }
}

if ! has cargo || ! has rustc; then
  lacks "Rust is missing: install rustup (https://rustup.rs), then run: rustup toolchain install stable"
else
  rust=$(rustc --version 2>/dev/null | awk '{ print $2 }')
  if [ -z "$rust" ]; then
    lacks "rustc does not run: choose a toolchain with: rustup default stable"
  else
    at_least "$rust" 1 91 || lacks "Rust $rust is too old, 1.91 or newer is needed: rustup update stable"
    cargo fmt --version >/dev/null 2>&1 || lacks "rustfmt is missing: rustup component add rustfmt"
    cargo clippy --version >/dev/null 2>&1 || lacks "clippy is missing: rustup component add clippy"
  fi
  has rustup || lacks "rustup is missing, which adds the target for WebAssembly: install it (https://rustup.rs)"
fi

has cc || lacks "a C compiler is missing (cc, for the SQLite of the tests): install build-essential, or on macOS: xcode-select --install"

if ! has node; then
  lacks "Node is missing: install Node 20 or newer (https://nodejs.org)"
else
  node=$(node --version 2>/dev/null)
  at_least "${node#v}" 20 0 || lacks "Node $node is too old, 20 or newer is needed (https://nodejs.org)"
fi
has npm || lacks "npm is missing: it comes with Node (https://nodejs.org), on Debian in a package of its own: npm"
has make || lacks "make is missing: install make"

exit "$missing"
