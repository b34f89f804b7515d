// src/effects.js by itself: what it makes of the runtime's answers. The tests of the built worker run it with the real ones.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { effects, message } from "../../src/effects.js";

/** A D1 whose statements answer with what was prepared and bound. */
const database = (meta) => {
  const result = (sql, parameters) => ({ results: sql ? [{ sql, parameters }] : [], meta });
  const statement = (sql, parameters) => ({
    bind: (...given) => statement(sql, given),
    all: async () => result(sql, parameters),
    sql,
    parameters,
  });
  const batch = async (statements) => statements.map(({ sql, parameters }) => result(sql, parameters));
  return { DB: { prepare: (sql) => statement(sql, null), batch } };
};

test("a query answers two lines for each statement", async () => {
  const env = database({ rows_read: 4, rows_written: 1 });
  assert.equal(await effects.query([["A", []]], { env }), '4 1\n[{"sql":"A","parameters":null}]\n');
  const two = [
    ["A\n", ["x", 7, null]],
    ["", []],
  ];
  assert.equal(await effects.query(two, { env }), '4 1\n[{"sql":"A\\n","parameters":["x",7,null]}]\n4 1\n\n');
});

test("a missing binding and missing counts are no trap", async () => {
  await assert.rejects(effects.query([["A", []]], { env: {} }), /D1 binding is missing/);
  await assert.rejects(effects.query([["A", []]], { env: { DB: "text" } }), /D1 binding is missing/);
  assert.match(await effects.query([["A", []]], { env: database({}) }), /^0 0\n/);
});

test("an error is told with its cause, once", () => {
  assert.equal(message(new Error("D1_ERROR", { cause: new Error("UNIQUE") })), "D1_ERROR: UNIQUE");
  assert.equal(message(new Error("D1_ERROR: UNIQUE", { cause: new Error("UNIQUE") })), "D1_ERROR: UNIQUE");
  assert.equal(message("text"), "text");
  assert.equal(message(undefined), "undefined");
});

test("a body arrives chunk by chunk, and no body is its end", async () => {
  const io = { request: new Request("http://localhost/", { method: "POST", body: "abc" }) };
  assert.deepEqual([...(await effects.chunk(null, io))], [97, 98, 99]);
  assert.equal(await effects.chunk(null, io), "");
  assert.equal(await effects.chunk(null, { request: new Request("http://localhost/") }), "");
});

test("an exchange tells status and body, a redirect as it is, a timeout, and a broken connection", async (context) => {
  const server = createServer((request, response) => {
    if (request.url === "/silent") return;
    if (request.url === "/cut") return request.socket.destroy();
    const seen = `${request.method} ${request.headers["xi-api-key"]} ${request.headers["content-type"]}`;
    response.writeHead(request.url === "/moved" ? 307 : 200, { location: "/silent" }).end(`${seen}\nend`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const exchange = (path, more) =>
    effects.exchange({
      method: "POST",
      url: `http://127.0.0.1:${server.address().port}${path}`,
      api_key: "key",
      body: "{}",
      timeout_ms: 10_000,
      ...more,
    });
  assert.equal(await exchange("/"), "200\nPOST key application/json\nend");
  assert.equal(await exchange("/", { method: "GET", body: null }), "200\nGET key undefined\nend");
  assert.match(await exchange("/moved"), /^307\n/);
  assert.equal(await exchange("/silent", { timeout_ms: 50 }), "timeout");
  await assert.rejects(exchange("/cut"));
});

test("a bucket is written, read, and emptied, and a key without an object is none", async () => {
  const objects = new Map();
  const EVENTS = {
    put: async (key, text) => void objects.set(key, text),
    get: async (key) => (objects.has(key) ? { text: async () => objects.get(key) } : null),
    delete: async (keys) => keys.forEach((key) => objects.delete(key)),
  };
  const io = { env: { EVENTS } };
  assert.equal(await effects.put(["a/b", "é"], io), "");
  assert.equal(await effects.put(["empty", ""], io), "");
  assert.equal(await effects.get("a/b", io), "=é");
  assert.equal(await effects.get("empty", io), "=");
  assert.equal(await effects.get("none", io), "");
  assert.equal(await effects.delete(["a/b", "none"], io), "");
  assert.deepEqual([...objects.keys()], ["empty"]);
});

test("a bucket that does not answer is not waited for longer than five seconds", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const waiting = effects.put(["key", "text"], { env: { EVENTS: { put: () => new Promise(() => {}) } } });
  context.mock.timers.tick(5_000);
  await assert.rejects(waiting, /no answer within 5 seconds/);
});
