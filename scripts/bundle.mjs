// Bundles src/entry.js and the JavaScript that wasm-bindgen wrote into one file: node scripts/bundle.mjs FOLDER OUTFILE
// FOLDER holds wasm-bindgen's index.js; the bundle imports index_bg.wasm from beside OUTFILE.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The name by which src/entry.js imports wasm-bindgen's module. */
const GLUE = "wasm-bindgen:index.js";
const WASM = "./index_bg.wasm";

/**
 * What is changed in wasm-bindgen's JavaScript. Each pattern must match: when a new version of wasm-bindgen writes
 * something else, the build fails instead of losing the change.
 */
const EDITS = [
  {
    // The runtime hands over the compiled module for a plain import and does not know this form.
    what: "the import of the WebAssembly module",
    find: /^import source (\w+) from /gm,
    replace: "import $1 from ",
  },
  {
    // The next two leave the classes of the worker crate without side effects. esbuild then drops those that are not used.
    what: "how a class says that it can be disposed of",
    find: /^if \(Symbol\.dispose\) .*\n/gm,
    replace: "",
  },
  {
    what: "the finalizer of a class",
    find: /^( *: )(new FinalizationRegistry\()/gm,
    replace: "$1/* @__PURE__ */ $2",
  },
];

/** The JavaScript of wasm-bindgen with all `EDITS`. Throws an error that names the first edit whose text is not there. */
export function edit(glue) {
  for (const { what, find, replace } of EDITS) {
    const edited = glue.replace(find, replace);
    if (edited === glue) throw new Error(`wasm-bindgen's JavaScript has changed: ${what} is not there (${find})`);
    glue = edited;
  }
  return glue;
}

const plugin = (folder) => ({
  name: "wasm-bindgen",
  setup(build) {
    build.onResolve({ filter: /^wasm-bindgen:/ }, () => ({ path: path.join(folder, "index.js"), namespace: "glue" }));
    build.onLoad({ filter: /.*/, namespace: "glue" }, async ({ path: file }) => ({
      contents: edit(await readFile(file, "utf8")),
      resolveDir: folder,
    }));
    build.onResolve({ filter: /\.wasm$/ }, () => ({ path: WASM, external: true }));
  },
});

async function bundle(folder, outfile) {
  const { build } = await import("esbuild");
  const entry = fileURLToPath(new URL("../src/entry.js", import.meta.url));
  const { metafile } = await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    minify: true,
    format: "esm",
    external: ["cloudflare:*"],
    plugins: [plugin(path.resolve(folder))],
    metafile: true,
    logLevel: "warning",
    // What src/entry.js calls has to be there.
    logOverride: { "import-is-undefined": "error" },
  });
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports.map((one) => one.path));
  if (!imports.includes(WASM)) throw new Error(`${outfile} does not import ${WASM}: does src/entry.js import ${GLUE}?`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, outfile] = process.argv.slice(2);
  if (!outfile) throw new Error("usage: node scripts/bundle.mjs FOLDER OUTFILE");
  await bundle(folder, outfile);
}
