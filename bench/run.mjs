// make bench: the built worker beside JavaScript that does exactly the same for turns and lists (workers/fair.js), beside the
// least JavaScript that does it (workers/floor.js), and beside the specification taken literally (workers/literal.js).
// docs/performance.md says what is measured and how.
//
//   node bench/run.mjs [--write] [--quick] [--rounds=N] [--only=near,far,…] [--build=DIR] [--out=DIR] [--logs]
//
// Prints the tables, and writes them into bench/results.md and bench/results.json, which are not tracked. With --write it also
// writes docs/performance.svg and the results' part of docs/performance.md. With --out everything goes to that folder
// instead. --logs is for looking into a failure: what the workers log then comes along with it.
import { fork } from "node:child_process";
import { existsSync, readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { cpus, totalmem, type as osType, release } from "node:os";
import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { ROOT, EVENT_SECRET, callSid, cpuTime, fill, startStage } from "./runtime.mjs";
import { CALLS, READ_CALLS, READ_TURNS, WORKLOADS } from "./workloads.mjs";
import { startElevenLabs } from "./elevenlabs.mjs";
import { size, startup } from "./startup.mjs";
import { WORKERS, median, report } from "./report.mjs";
import { picture } from "./picture.mjs";
import { outputs } from "./outputs.mjs";

const options = Object.fromEntries(
  process.argv.slice(2).map((text) => {
    const [, name, value] = /^--([a-z]+)(?:=(.*))?$/.exec(text) ?? [];
    if (!name) throw new Error(`unknown argument ${text}`);
    return [name, value ?? true];
  }),
);
const QUICK = options.quick === true;
const ROUNDS = Number(options.rounds ?? (QUICK ? 3 : 9));
const BUILD = resolve(options.build ?? join(ROOT, "build"));
const ONLY = options.only ? String(options.only).split(",") : undefined;
/** A tenth of the requests with --quick. */
const some = (count) => (QUICK ? Math.max(20, Math.round(count / 10)) : count);
const wanted = (part) => !ONLY || ONLY.includes(part);
const say = (text) => process.stderr.write(`bench: ${text}\n`);

if (!existsSync(join(BUILD, "index_bg.wasm"))) {
  say(`there is no built worker in ${BUILD}: make build`);
  process.exit(1);
}

// Read before anything is measured, so that a page without a place for the results is noticed at once.
const BEGIN = "<!-- results: written by make bench -->";
const END = "<!-- end of results -->";
const OUTPUTS = outputs({ write: options.write === true, quick: QUICK, only: ONLY, out: options.out });
const PAGE = OUTPUTS.page && page(OUTPUTS.page);
function page(name) {
  const path = join(ROOT, name);
  const text = readFileSync(path, "utf8");
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) {
    say(`${name} has no place for the results`);
    process.exit(1);
  }
  return { path, head: text.slice(0, begin + BEGIN.length), tail: text.slice(end) };
}

// ----------------------------------------------------------------------------------------------------------- measuring

const client = fork(new URL("client.mjs", import.meta.url).pathname, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
const waiting = new Map();
client.on("message", ({ id, result, error }) => {
  const { done, failed } = waiting.get(id);
  waiting.delete(id);
  if (error) failed(new Error(error));
  else done(result);
});
let jobs = 0;
function load(job) {
  return new Promise((done, failed) => {
    const id = ++jobs;
    waiting.set(id, { done, failed });
    client.send({ id, options: {}, ...job });
  });
}

/** How many requests of a workload a stage's databases have had: all of them the same, in the same order. */
function numbers() {
  const next = new Map();
  return (key, count) => {
    const from = next.get(key) ?? 0;
    next.set(key, from + count);
    return from;
  };
}

/**
 * Rounds A B C D, B C D A, C D A B …: every worker gets the same requests of each round, and each of them comes first as
 * often as the others. Gives a list of rounds for each worker.
 */
async function rounds(stage, number, { workload, count, concurrency, names = WORKERS, key = workload, settings }) {
  const results = Object.fromEntries(names.map((name) => [name, []]));
  const once = async (name, from, many) => {
    const optionsFor = settings?.(name) ?? {};
    const before = cpuTime(stage.pid);
    const url = stage.urls[name];
    const result = await load({ url, workload, options: optionsFor, from, count: many, concurrency });
    const after = cpuTime(stage.pid);
    if (result.unexpected.length) {
      const log = stage.errors.slice(0, 3).join("\n");
      throw new Error(`${name}, ${workload}: unexpected answers\n${result.unexpected.slice(0, 3).join("\n")}\n${log}`);
    }
    return { perSecond: result.perSecond, p50: result.p50, p99: result.p99, cpu: (after - before) / many };
  };
  const warm = Math.max(concurrency * 4, Math.round(count / 3));
  const first = number(key, warm);
  for (const name of names) await once(name, first, warm);
  for (let round = 0; round < ROUNDS; round += 1) {
    const from = number(key, count);
    for (let n = 0; n < names.length; n += 1) {
      const name = names[(n + round) % names.length];
      results[name].push(await once(name, from, count));
    }
  }
  const [a, b] = names.map((name) => median(results[name].map(({ perSecond }) => perSecond)));
  say(`  ${key} with ${concurrency} at once: ${Math.round(a)}/s, ${names[1]} ${Math.round(b)}/s`);
  return { workload, concurrency, count, results };
}

/** The data every workload finds: calls to post turns to, and older calls with their turns to read. */
async function fillAll(stage, names = WORKERS) {
  for (const name of names) {
    await fill(stage, name, { calls: CALLS });
    await fill(stage, name, { prefix: "R", calls: READ_CALLS, turnCalls: READ_CALLS, turns: READ_TURNS });
  }
}

// -------------------------------------------------------------------------------------------------------------- stages

const elevenlabs = await startElevenLabs();
const stageOf = (setup) => startStage({ build: BUILD, elevenlabs: elevenlabs.url, statements, logs: options.logs === true, ...setup });
const workers = (names = WORKERS) => names.map((name) => ({ name, code: name }));
let statements;

/** The statements that the built worker sends, taken off the wire: `{ turn: [[sql, …], …], … }`, a list for each round trip. */
async function capture() {
  const stage = await stageOf({ workers: workers(["ours"]), wire: { count: true } });
  try {
    await fillAll(stage, ["ours"]);
    const taken = {};
    for (const [name, workload] of Object.entries({ turn: "turns", ...same("place", "transcription", "call", "list", "health") })) {
      await one(stage, "ours", workload, 0);
      const { trips } = await stage.seen("ours");
      taken[name] = trips.map((trip) => trip.map(({ sql }) => sql));
    }
    const shapes = Object.entries(taken).map(([name, trips]) => `${name} ${trips.map((trip) => trip.length).join("+")}`);
    // The floor worker binds by hand, so it has to be looked at when this changes.
    const known = "turn 1, place 2+2, transcription 2, call 1, list 1, health 1";
    if (shapes.join(", ") !== known) {
      throw new Error(`the worker's statements have changed (${shapes.join(", ")}, not ${known}): adapt workers/floor.js`);
    }
    return taken;
  } finally {
    await stage.stop();
  }
}

function same(...names) {
  return Object.fromEntries(names.map((name) => [name, name]));
}

async function one(stage, name, workload, n, settings = {}) {
  const job = { url: stage.urls[name], workload, options: settings, from: n, count: 1, concurrency: 1, keep: true };
  const { unexpected, bodies } = await load(job);
  if (unexpected.length) throw new Error(`${name}, ${workload}: ${unexpected[0]}\n${stage.errors.join("\n")}`);
  return JSON.parse(bodies[0]);
}

/** Round trips and rows of one request each, of a whole call, and of a turn in small and large ledgers. */
async function counts() {
  const big = QUICK ? 10_000 : 100_000;
  const sizes = [10, 1000, big];
  const extra = sizes.map((calls) => ({ name: `size${calls}`, code: "ours" }));
  const stage = await stageOf({ workers: [...workers(), ...extra], wire: { count: true } });
  try {
    await fillAll(stage);
    const requests = {};
    const shapes = {};
    for (const name of WORKERS) {
      requests[name] = {};
      for (const workload of ["turns", "place", "place10", "transcription", "call", "list", "health"]) {
        const body = await one(stage, name, workload, 0);
        (shapes[workload] ??= {})[name] = shape(body);
        requests[name][workload] = tally(await stage.seen(name));
      }
    }
    // A floor or a literal worker that leaves something out of its answer would be no fair comparison. But the literal
    // one answers with a call's bare row, and what more /health tells than that all is well is the built worker's own.
    for (const [workload, { ours, fair, floor, literal }] of Object.entries(shapes)) {
      if (workload === "health") continue;
      if (fair !== ours || floor !== ours || (literal !== ours && !["call", "list"].includes(workload))) {
        throw new Error(`the workers answer ${workload} differently:\n${ours}\n${fair}\n${floor}\n${literal}`);
      }
    }
    const life = {};
    for (const name of WORKERS) {
      const sid = await placed(stage, name);
      const place = tally(await stage.seen(name));
      const turns = [];
      for (let n = 0; n < READ_TURNS; n += 1) {
        await one(stage, name, "longcall", n, { sid, stored: 0 });
        turns.push(tally(await stage.seen(name)));
      }
      life[name] = { place, turns };
    }
    life.ours.settle = await settled(stage);
    const bySize = {};
    for (const calls of sizes) {
      const name = `size${calls}`;
      await fill(stage, name, { calls, turnCalls: calls, turns: 1 });
      await one(stage, name, "turns", 0, { calls: 10, stride: calls / 10 });
      bySize[calls] = tally(await stage.seen(name));
    }
    return { requests, life, bySize };
  } finally {
    await stage.stop();
  }
}

async function placed(stage, name) {
  const { calls } = await one(stage, name, "place", 500_000);
  return calls[0].call_sid;
}

/** ElevenLabs' closing event for that call, with the transcript as it was posted: what the literal one has no part for. */
async function settled(stage) {
  const { bodies } = await load({
    url: stage.urls.ours,
    workload: "place",
    from: 600_000,
    count: 1,
    concurrency: 1,
    keep: true,
  });
  const [{ call_sid: sid, conversation_id: conversation }] = JSON.parse(bodies[0]).calls;
  const transcript = [];
  const begun = Date.parse("2025-11-21T10:30:00Z") / 1000;
  for (let n = 0; n < READ_TURNS; n += 1) {
    const { body } = WORKLOADS.longcall(n, { sid, stored: 0 });
    const { speaker, message } = JSON.parse(body);
    await one(stage, "ours", "longcall", n, { sid, stored: 0 });
    transcript.push({ role: speaker, message, time_in_call_secs: n });
  }
  await stage.seen("ours");
  const now = Math.floor(Date.now() / 1000);
  const event = JSON.stringify({
    type: "post_call_transcription",
    event_timestamp: now,
    data: {
      agent_id: "agent_bench",
      conversation_id: conversation,
      status: "done",
      transcript,
      metadata: { start_time_unix_secs: begun, call_duration_secs: READ_TURNS },
      analysis: { call_successful: "success", transcript_summary: "The driver expects to be late." },
      conversation_initiation_client_data: { dynamic_variables: { call_sid: sid } },
    },
  });
  const v0 = createHmac("sha256", EVENT_SECRET).update(`${now}.${event}`).digest("hex");
  const response = await fetch(`${stage.urls.ours}/webhooks/elevenlabs/post-call`, {
    method: "POST",
    headers: { "elevenlabs-signature": `t=${now},v0=${v0}`, "content-type": "application/json" },
    body: event,
  });
  const answer = await response.text();
  if (response.status !== 200 || !answer.includes("applied")) throw new Error(`the closing event: ${answer}`);
  return tally(await stage.seen("ours"));
}

function tally({ roundTrips, statements: sent, rowsRead, rowsWritten }) {
  return { roundTrips, statements: sent, rowsRead, rowsWritten };
}

/** The names and types of what an answer consists of. */
function shape(value) {
  if (Array.isArray(value)) return `[${value.length}×${value.length ? shape(value[0]) : ""}]`;
  if (value === null || typeof value !== "object") return value === null ? "null" : typeof value;
  return `{${Object.keys(value).sort().map((key) => `${key}:${key === "next_cursor" ? "" : shape(value[key])}`).join()}}`;
}

/** The database on the same machine. */
async function near() {
  const stage = await stageOf({ workers: workers() });
  try {
    await fillAll(stage);
    const number = numbers();
    const measured = [];
    const go = async (setup) => measured.push(await rounds(stage, number, setup));
    await go({ workload: "turns", concurrency: 1, count: some(1500) });
    await go({ workload: "turns", concurrency: 8, count: some(2500) });
    await go({ workload: "turns", concurrency: 32, count: some(2500) });
    await go({ workload: "place", concurrency: 8, count: some(600) });
    await go({ workload: "place10", concurrency: 4, count: some(100) });
    await go({ workload: "call", concurrency: 8, count: some(1500) });
    await go({ workload: "transcription", concurrency: 8, count: some(1000) });
    await go({ workload: "list", concurrency: 8, count: some(600) });
    await go({ workload: "health", concurrency: 8, count: some(2500) });
    return measured;
  } finally {
    await stage.stop();
  }
}

/** The same machine's disk: a turn is committed when it is on it. */
async function disk() {
  const stage = await stageOf({ workers: workers(), disk: true });
  try {
    await fillAll(stage);
    const number = numbers();
    const measured = [];
    for (const concurrency of [1, 8]) {
      measured.push(await rounds(stage, number, { workload: "turns", concurrency, count: some(600) }));
    }
    return measured;
  } finally {
    await stage.stop();
  }
}

/** Every round trip to the database takes ten milliseconds more. */
async function far() {
  const stage = await stageOf({ workers: workers(), wire: { delayMs: 10 } });
  try {
    await fillAll(stage);
    const number = numbers();
    const measured = [];
    const go = async (setup) => measured.push(await rounds(stage, number, setup));
    await go({ workload: "turns", concurrency: 1, count: some(60) });
    await go({ workload: "turns", concurrency: 32, count: some(1500) });
    await go({ workload: "place", concurrency: 1, count: some(40) });
    await go({ workload: "place10", concurrency: 1, count: some(20) });
    await go({ workload: "call", concurrency: 1, count: some(60) });
    await go({ workload: "transcription", concurrency: 1, count: some(60) });
    await go({ workload: "list", concurrency: 1, count: some(60) });
    await go({ workload: "health", concurrency: 1, count: some(60) });
    return measured;
  } finally {
    await stage.stop();
  }
}

/** A database that answers at once what it answered before: what is left is the worker itself and the runtime. */
async function alone() {
  const stage = await stageOf({ workers: workers(), wire: { replay: true } });
  try {
    await fillAll(stage);
    const number = numbers();
    const measured = [];
    for (const workload of ["turns", "transcription", "list"]) {
      measured.push(await rounds(stage, number, { workload, concurrency: 8, count: some(2500) }));
    }
    return measured;
  } finally {
    await stage.stop();
  }
}

/** A turn in one call that already has so many. One at a time: turns of one call follow each other. */
async function longCall() {
  const stage = await stageOf({ workers: workers() });
  try {
    const number = numbers();
    const measured = [];
    for (const stored of QUICK ? [100, 1000] : [100, 1000, 10_000]) {
      const prefix = `L${stored}x`;
      for (const name of WORKERS) await fill(stage, name, { prefix, from: stored, calls: 1, turnCalls: 1, turns: stored });
      const settings = () => ({ sid: callSid(stored, prefix), stored });
      const count = Math.min(some(300), Math.max(20, stored / 10));
      measured.push({
        stored,
        ...(await rounds(stage, number, { workload: "longcall", key: `longcall ${stored}`, concurrency: 1, count, settings })),
      });
    }
    return measured;
  } finally {
    await stage.stop();
  }
}

/** A turn in ledgers of different sizes, all of them the built worker's. */
async function flat() {
  const sizes = QUICK ? [10, 1000, 10_000] : [10, 1000, 100_000];
  const names = sizes.map((calls) => `size${calls}`);
  const stage = await stageOf({ workers: names.map((name) => ({ name, code: "ours" })) });
  try {
    for (const calls of sizes) await fill(stage, `size${calls}`, { calls, turnCalls: calls, turns: 1 });
    const settings = (name) => ({ calls: 10, stride: Number(name.slice(4)) / 10 });
    return await rounds(stage, numbers(), { workload: "turns", concurrency: 1, count: some(300), names, settings });
  } finally {
    await stage.stop();
  }
}

// ----------------------------------------------------------------------------------------------------------------- all

const began = Date.now();
const version = (name) => createRequire(import.meta.url)(`${name}/package.json`).version;
const results = {
  date: new Date().toISOString().slice(0, 10),
  quick: QUICK,
  rounds: ROUNDS,
  machine: {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${osType()} ${release()}`,
  },
  versions: {
    node: process.version.slice(1),
    wrangler: JSON.parse(readFileSync(join(ROOT, "node_modules/wrangler/package.json"), "utf8")).version,
    miniflare: version("miniflare"),
    workerd: version("workerd"),
  },
};
try {
  say("which statements does the worker send?");
  statements = await capture();
  if (wanted("size")) {
    say("size and start-up");
    results.size = {};
    results.startup = {};
    for (const name of WORKERS) {
      results.size[name] = size(name, BUILD, statements);
      results.startup[name] = await startup(name, BUILD, statements, QUICK ? 3 : 9);
    }
  }
  const parts = { counts, near, disk, far, alone, longCall, flat };
  const titles = {
    counts: "counting round trips and rows",
    near: "the database on the same machine, in memory",
    disk: "the database on the same machine, on its disk",
    far: "every round trip takes 10 ms",
    alone: "a database that costs nothing",
    longCall: "one long call",
    flat: "small and large ledgers",
  };
  for (const [name, part] of Object.entries(parts)) {
    if (!wanted(name)) continue;
    say(titles[name]);
    results[name] = await part();
  }
  results.minutes = Math.round((Date.now() - began) / 6000) / 10;
} finally {
  client.disconnect();
  await elevenlabs.stop();
}

const { markdown, passed } = report(results);
const file = (...names) => {
  const path = resolve(ROOT, ...names);
  mkdirSync(join(path, ".."), { recursive: true });
  return path;
};
writeFileSync(file(OUTPUTS.tables, "results.md"), `# Measured\n\n${markdown}`);
writeFileSync(file(OUTPUTS.tables, "results.json"), `${JSON.stringify(results, null, 1)}\n`);
if (OUTPUTS.picture) writeFileSync(file(OUTPUTS.picture), picture(results));
if (PAGE) {
  const { path, head, tail } = PAGE;
  const tables = markdown.replace(/^## /gm, "### ");
  writeFileSync(path, `${head}\n\n![Turns a second and milliseconds, beside the others](performance.svg)\n\n${tables}\n${tail}`);
}
process.stdout.write(`${markdown}\n`);
process.exitCode = passed ? 0 : 1;
