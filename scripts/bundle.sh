#!/bin/sh
# What worker-build calls instead of esbuild, in the folder with its shim.js: bundles src/entry.js in its place.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
[ -s shim.js ] || { echo "bundle: worker-build left no shim.js to replace" >&2; exit 1; }
cp "$ROOT/src/entry.js" shim.js
exec "$ROOT/node_modules/.bin/esbuild" "$@"
