#!/bin/sh
# What worker-build calls instead of wasm-opt: the same, but without the names of all functions, which are a third of the file.
# worker-build asks for them (--debuginfo) and has no way not to; the compiler may not strip them, because wasm-bindgen needs
# them. A stack trace therefore shows numbers instead of names.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
for argument; do
  shift
  [ "$argument" = --debuginfo ] || set -- "$@" "$argument"
done
exec "$ROOT/node_modules/.bin/wasm-opt" "$@"
