#!/bin/sh
# What worker-build calls instead of esbuild, in the folder with its shim.js and wasm-bindgen's index.js: bundles
# src/entry.js in the place of shim.js, and leaves out the classes of the worker crate that nobody here uses. esbuild does so by
# itself once two things no longer hold it back: how they say that they can be disposed of, and their finalizers.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
[ -s shim.js ] && [ -s index.js ] || { echo "bundle: worker-build left no shim.js and index.js here" >&2; exit 1; }
cp "$ROOT/src/entry.js" shim.js
sed -e '/^if (Symbol\.dispose) /d' -e 's|^    : new FinalizationRegistry(|    : /* @__PURE__ */ new FinalizationRegistry(|' \
  index.js >index.sed
mv index.sed index.js
exec "$ROOT/node_modules/.bin/esbuild" "$@"
