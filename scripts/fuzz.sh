#!/bin/sh
# Has libFuzzer look for an input that a property does not hold of: one target after the other, or the one that
# FUZZ_TARGET names, FUZZ_SECONDS seconds each. What it learns stays in fuzz/corpus, what it finds in fuzz/artifacts.
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
. "$ROOT/scripts/lock.sh"

CARGO_FUZZ_VERSION=0.13.2
SECONDS_EACH=${FUZZ_SECONDS:-60}
TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}

say() { echo "fuzz: $*"; }
stop() {
  say "$*" >&2
  exit 1
}

# --- What has to be there.
case $SECONDS_EACH in
  '' | *[!0-9]*) stop "SECONDS=$SECONDS_EACH is no whole number" ;;
esac
targets=$(sed -n 's/^name = "\([a-z]*\)"$/\1/p' fuzz/Cargo.toml)
if [ -n "${FUZZ_TARGET:-}" ]; then
  echo "$targets" | grep -qx "$FUZZ_TARGET" || stop "there is no target $FUZZ_TARGET, only:" $targets
  targets=$FUZZ_TARGET
fi
nightly=$(rustup toolchain list 2>/dev/null | awk '/^nightly/ { print $1; exit }')
[ -n "$nightly" ] || stop "libFuzzer needs Rust's nightly toolchain: rustup toolchain install nightly --profile minimal"
command -v c++ >/dev/null || stop "libFuzzer needs a C++ compiler (c++), for example the package g++ or clang"
cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null 2>&1 ||
  stop "fuzz/Cargo.lock does not fit Cargo.toml: cargo metadata --manifest-path fuzz/Cargo.toml mends it"

# --- cargo-fuzz, in exactly this version. In a shell of its own, which gives the lock back at its end.
fuzz_version() { .tools/bin/cargo-fuzz --version 2>/dev/null | awk 'NR == 1 { print $NF }'; }
if [ "$(fuzz_version)" != "$CARGO_FUZZ_VERSION" ]; then
  (
    hold_lock setup
    # Another run may have built it meanwhile.
    [ "$(fuzz_version)" != "$CARGO_FUZZ_VERSION" ] || exit 0
    say "building cargo-fuzz $CARGO_FUZZ_VERSION into .tools (about a minute on two cores, once)"
    CARGO_TARGET_DIR="$ROOT/.tools/build" \
      cargo install cargo-fuzz --version "$CARGO_FUZZ_VERSION" --root .tools --locked --force --quiet
    rm -rf .tools/build
  )
fi
PATH=$ROOT/.tools/bin:$PATH
export PATH

# --- One target after the other. The first finding ends it: libFuzzer prints it and the command that replays it.
for target in $targets; do
  say "$target, for $SECONDS_EACH seconds"
  mkdir -p "fuzz/corpus/$target"
  rustup run "$nightly" cargo fuzz run --fuzz-dir fuzz --target-dir "$TARGET_DIR/fuzz" \
    --sanitizer "${FUZZ_SANITIZER:-address}" "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="$SECONDS_EACH" -max_len=4096 -timeout=20 -dict=fuzz/json.dict -print_final_stats=1
done
say "nothing was found"
