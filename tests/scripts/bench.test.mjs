// `make bench` changes tracked files only when asked to, and a short run never does.

import assert from "node:assert/strict";
import { test } from "node:test";

import { outputs } from "../../bench/outputs.mjs";

test("without WRITE=1 only the ignored tables are written", () => {
  for (const options of [{}, { quick: true }, { only: "near" }]) {
    assert.deepEqual(outputs(options), { tables: "bench", picture: undefined, page: undefined });
  }
});

test("WRITE=1 writes the picture and the tables of one page", () => {
  const page = "docs/performance.md";
  assert.deepEqual(outputs({ write: true }), { tables: "bench", picture: "docs/performance.svg", page });
});

test("a part of a measurement is never written into the page", () => {
  for (const options of [{ quick: true }, { only: "near" }, { out: "/tmp/bench" }]) {
    assert.throws(() => outputs({ write: true, ...options }), /leave out/);
  }
});

test("--out takes everything elsewhere", () => {
  assert.deepEqual(outputs({ out: "/tmp/bench" }), {
    tables: "/tmp/bench",
    picture: "/tmp/bench/performance.svg",
    page: undefined,
  });
});
