// The client that puts the load on: a process of its own, so that neither Miniflare nor the stand-in for ElevenLabs takes
// time from it. Each connection is kept alive and sends its next request when the last one is answered.
import { performance } from "node:perf_hooks";
import { Client } from "undici"; // comes with wrangler
import { WORKLOADS } from "./workloads.mjs";

const connections = new Map();

function connectionsTo(url, many) {
  const open = connections.get(url) ?? [];
  connections.set(url, open);
  while (open.length < many) open.push(new Client(url, { pipelining: 1, keepAliveTimeout: 60_000, bodyTimeout: 0 }));
  return open.slice(0, many);
}

async function run({ url, workload, options, from, count, concurrency, keep }) {
  const make = WORKLOADS[workload];
  const end = from + count;
  const millis = new Float64Array(count);
  const bodies = [];
  let next = from;
  const unexpected = [];
  const started = performance.now();
  await Promise.all(
    connectionsTo(url, concurrency).map(async (client) => {
      while (next < end) {
        const n = next++;
        const { status, ...request } = make(n, options);
        const begun = performance.now();
        const response = await client.request(request);
        const body = await response.body.text();
        millis[n - from] = performance.now() - begun;
        if (response.statusCode !== status) {
          if (unexpected.length < 3) unexpected.push(`${response.statusCode}: ${body.slice(0, 300)}`);
          else unexpected.length += 1;
        }
        if (keep) bodies.push(body);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  millis.sort();
  const at = (share) => millis[Math.min(count - 1, Math.floor(count * share))];
  return { perSecond: count / seconds, p50: at(0.5), p99: at(0.99), unexpected, bodies };
}

process.on("message", async (job) => {
  try {
    process.send({ id: job.id, result: await run(job) });
  } catch (error) {
    process.send({ id: job.id, error: String(error?.stack ?? error) });
  }
});
process.on("disconnect", () => process.exit(0));
