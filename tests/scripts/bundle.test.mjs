// What scripts/bundle.mjs changes in wasm-bindgen's JavaScript, and that it fails when a place is not there any more.

import assert from "node:assert/strict";
import { test } from "node:test";

import { edit } from "../../scripts/bundle.mjs";

const GLUE = `import source wasmModule from "./index_bg.wasm";
export class Body {
    free() {}
}
if (Symbol.dispose) Body.prototype[Symbol.dispose] = Body.prototype.free;
const BodyFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_body_free(ptr, 1));
`;

test("every place is changed", () => {
  assert.equal(
    edit(GLUE),
    `import wasmModule from "./index_bg.wasm";
export class Body {
    free() {}
}
const BodyFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : /* @__PURE__ */ new FinalizationRegistry(ptr => wasm.__wbg_body_free(ptr, 1));
`,
  );
});

for (const [place, gone] of [
  ["the import", GLUE.replace("import source", "import")],
  ["the disposing", GLUE.replace("Symbol.dispose)", 'Symbol["dispose"])')],
  ["the finalizer", GLUE.replace("new FinalizationRegistry", "new globalThis.FinalizationRegistry")],
]) {
  test(`a missing place is an error: ${place}`, () => {
    assert.throws(() => edit(gone), /wasm-bindgen's JavaScript has changed/);
  });
}
