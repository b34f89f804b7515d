// The workers under test, side by side in one workerd, each with a database of its own.
//
// Every worker has a socket of its own that leads straight to it: neither wrangler's proxy nor Miniflare's entry worker is
// on the way. Miniflare brings D1 (SQLite in a Durable Object of the same workerd) and the migrations are the real ones.
import { existsSync, readFileSync, readdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import workerd from "workerd";
import { Miniflare, Log, LogLevel, convertV4MiniflareOptions } from "miniflare";

const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = dirname(HERE);
const WRANGLER = readFileSync(join(ROOT, "wrangler.toml"), "utf8");
export const COMPATIBILITY_DATE = /^compatibility_date = "(.+)"/m.exec(WRANGLER)[1];
/** Databases lie in memory where there is a file system for that, or the disk's moods would be measured. */
const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
const QUIET = join(mkdtempSync(join(tmpdir(), "call-ledger-bench-")), "workerd");
writeFileSync(QUIET, `#!/bin/sh\nexec "${workerd.default ?? workerd}" "$@" >/dev/null\n`, { mode: 0o755 });
process.once("exit", () => rmSync(dirname(QUIET), { recursive: true, force: true }));
export const API_TOKEN = "bench-api-token";
export const EVENT_SECRET = "bench-event-secret";

/** The modules of a worker: `ours` is what was built, the others stand in bench/workers/; or a list of modules. */
export function modules(code, build, statements) {
  if (Array.isArray(code)) return code;
  if (code === "ours") {
    return [
      { type: "ESModule", path: "index.js", contents: readFileSync(join(build, "index.js"), "utf8") },
      { type: "CompiledWasm", path: "index_bg.wasm", contents: readFileSync(join(build, "index_bg.wasm")) },
    ];
  }
  // The fair floor does with the floor's code what it does not do by itself.
  const floor = { type: "ESModule", path: "floor.js", contents: readFileSync(join(HERE, "workers", "floor.js"), "utf8") };
  return [
    { type: "ESModule", path: "main.js", contents: readFileSync(join(HERE, "workers", `${code}.js`), "utf8") },
    ...(code === "fair" ? [floor] : []),
    {
      type: "ESModule",
      path: "statements.js",
      contents: `export default ${JSON.stringify(statements ?? {})};`,
    },
  ];
}

/**
 * Starts the workers.
 *
 * workers: `[{ name, code }]`. wire: `null` for the database on the same machine as Miniflare has it, or
 * `{ delayMs }`, `{ count }` or `{ replay }` for one that is reached through workers/wire.js. disk: keep the databases on disk.
 */
export async function startStage(setup) {
  const { workers, build, statements, elevenlabs, wire = null, disk = false, logs = false, inspectorPort } = setup;
  const state = mkdtempSync(join(disk ? tmpdir() : MEMORY, "call-ledger-bench-"));
  const database = (name) => ({
    name: "DB",
    type: "far-d1",
    plugin: { package: join(HERE, "wire-plugin.mjs"), name: "bench-wire" },
    options: { ...wire, worker: name },
  });
  const under = workers.map(({ name, code, bindings }) => ({
    name,
    modules: modules(code, build, statements),
    compatibilityDate: COMPATIBILITY_DATE,
    bindings: {
      API_TOKEN,
      ELEVENLABS_API_KEY: "bench-key",
      ELEVENLABS_AGENT_ID: "agent_bench",
      ELEVENLABS_PHONE_NUMBER_ID: "phnum_bench",
      ELEVENLABS_BASE_URL: elevenlabs,
      ELEVENLABS_WEBHOOK_SECRET: EVENT_SECRET,
      ...bindings,
    },
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
    ...(wire ? { unsafeBindings: [database(name)] } : { d1Databases: { DB: name } }),
  }));
  // Has every database by D1's own binding: for the migrations and for filling them.
  const keeper = {
    name: "keeper",
    modules: [{ type: "ESModule", path: "keeper.js", contents: "export default { fetch: () => new Response() };" }],
    compatibilityDate: COMPATIBILITY_DATE,
    d1Databases: Object.fromEntries(workers.map(({ name }) => [name, name])),
  };
  const wires = wire && {
    name: "wire",
    modules: [
      { type: "ESModule", path: "wire.js", contents: readFileSync(join(HERE, "workers", "wire.js"), "utf8") },
    ],
    compatibilityDate: COMPATIBILITY_DATE,
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
    unsafeBindings: workers.map(({ name }) => ({
      name: `RAW_${name}`,
      type: "raw-d1",
      plugin: { package: join(HERE, "wire-plugin.mjs"), name: "bench-wire" },
      options: { database: name },
    })),
  };
  // Log lines go nowhere. Through Miniflare's pipe each of them would wake up a second process and wait for it, which is
  // this machine's cost and none that a deployed worker has. With `logs` they come, and with them what went wrong.
  if (logs) delete process.env.MINIFLARE_WORKERD_PATH;
  else process.env.MINIFLARE_WORKERD_PATH = QUIET;
  const errors = [];
  const before = children();
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      cf: false,
      inspectorPort,
      log: new Log(LogLevel.NONE),
      logRequests: false,
      telemetry: { enabled: false },
      resourcePersistencePath: join(state, "d1"),
      resourceTmpPath: join(state, "tmp"),
      handleStructuredLogs: ({ level, message }) => {
        if (level === "error" && errors.length < 20) errors.push(message);
      },
      workers: [keeper, ...under, ...(wires ? [wires] : [])],
    }),
  );
  const stage = { miniflare, errors, urls: {}, pid: undefined };
  stage.stop = async () => {
    await miniflare.dispose();
    rmSync(state, { recursive: true, force: true });
  };
  try {
    await miniflare.ready;
    stage.pid = children().find((pid) => !before.includes(pid) && isWorkerd(pid));
    for (const { name } of workers) {
      stage.urls[name] = (await miniflare.unsafeGetDirectURL(name)).origin;
      await migrate(await miniflare.getD1Database(name, "keeper"));
    }
    if (wires) {
      const url = (await miniflare.unsafeGetDirectURL("wire")).origin;
      stage.seen = async (name) => (await fetch(`${url}/${name}`)).json();
    }
    return stage;
  } catch (error) {
    await stage.stop();
    throw error;
  }
}

/** Applies migrations/ in order and keeps the books that wrangler keeps, each file as one batch. */
async function migrate(database) {
  await database
    .prepare(
      `CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE,
         applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`,
    )
    .run();
  const folder = join(ROOT, "migrations");
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".sql")).sort()) {
    const sql = readFileSync(join(folder, file), "utf8").replace(/^\s*--.*$/gm, "");
    const statements = sql.split(/;\s*$/m).map((text) => text.trim()).filter(Boolean);
    const book = database.prepare("INSERT INTO d1_migrations (name) VALUES (?1)").bind(file);
    await database.batch([...statements.map((text) => database.prepare(text)), book]);
  }
}

/**
 * Fills a database: `calls` calls named `EL_<k>_<SEED_TIME>` with the conversation `conv_<prefix><k>`, the first
 * `turnCalls` of them with `turns` turns.
 */
export async function fill(stage, name, { prefix = "", from = 1, calls, turnCalls = 0, turns = 0 }) {
  const database = await stage.miniflare.getD1Database(name, "keeper");
  const start = Date.parse("2025-11-01T00:00:00Z");
  const AT_ONCE = 5000;
  for (let done = 0; done < calls; done += AT_ONCE) {
    const rows = [];
    for (let k = done; k < Math.min(done + AT_ONCE, calls); k += 1) {
      const id = from + k;
      rows.push([callSid(id, prefix), `conv_${prefix}${id}`, id, new Date(start + id * 1000).toISOString()]);
    }
    await database
      .prepare(
        `INSERT INTO calls (call_sid, conversation_id, driver_id, call_start_time, status, created_at, updated_at)
         SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, 'in_progress', j.value ->> 3, j.value ->> 3
         FROM json_each(?1) j`,
      )
      .bind(JSON.stringify(rows))
      .run();
  }
  const batch = [];
  const flush = async () => {
    if (batch.length === 0) return;
    await database
      .prepare(
        `INSERT INTO call_transcriptions
           (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at)
         SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 3
         FROM json_each(?1) j`,
      )
      .bind(JSON.stringify(batch.splice(0)))
      .run();
  };
  for (let k = 0; k < turnCalls; k += 1) {
    for (let n = 1; n <= turns; n += 1) {
      const time = new Date(start + n * 3000).toISOString();
      batch.push([`conv_${prefix}${from + k}`, n % 2 ? "agent" : "driver", words(n), time, n]);
      if (batch.length >= AT_ONCE) await flush();
    }
  }
  await flush();
}

export function callSid(id, prefix = "") {
  return `EL_${prefix}${id}_2025-11-21T10:30:00Z`;
}

/** What is said in the n-th turn: about as long as a spoken sentence. */
export function words(n) {
  return `Turn ${n}: the last rest stop was two hours ago, and I expect to be at the depot by a quarter past four.`;
}

/** Processor time of all threads of a process so far, in microseconds; `NaN` where there is no /proc. */
export function cpuTime(pid) {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanos = threads.map((id) => Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8").split(" ")[0]));
    return nanos.reduce((sum, part) => sum + part, 0) / 1000;
  } catch {
    return NaN;
  }
}

function children() {
  try {
    return readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8").split(" ").filter(Boolean);
  } catch {
    return [];
  }
}

function isWorkerd(pid) {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("workerd");
  } catch {
    return false;
  }
}
