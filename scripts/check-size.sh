#!/bin/sh
# Keeps the worker small: it is loaded on every cold start, and the free plan takes 3 MB gzipped at most.
set -eu
cd "$(dirname "$0")/.."

WASM=build/index_bg.wasm
MOST_GZIPPED=260000

[ -s "$WASM" ] || { echo "check-size: there is no $WASM yet: make build" >&2; exit 1; }
bytes=$(($(wc -c <"$WASM")))
gzipped=$(($(gzip -9 -c "$WASM" | wc -c)))
echo "check-size: gzipped $gzipped bytes of $MOST_GZIPPED ($bytes as they are)"
[ "$gzipped" -le "$MOST_GZIPPED" ] || { echo "check-size: $WASM is too large" >&2; exit 1; }
