// Size and start-up of a worker's bundle.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { COMPATIBILITY_DATE, ROOT, modules } from "./runtime.mjs";

/** Bytes of all modules, as they are and gzipped. */
export function size(code, build, statements) {
  const all = modules(code, build, statements).map(({ contents }) => Buffer.from(contents));
  return {
    bytes: all.reduce((sum, part) => sum + part.length, 0),
    gzipped: all.reduce((sum, part) => sum + gzipSync(part, { level: 9 }).length, 0),
  };
}

/**
 * What `wrangler check startup` sees, in milliseconds, a number for each try: the profile's active time, which is what
 * evaluating the bundle and making the WebAssembly instance takes.
 */
export async function startup(code, build, statements, tries) {
  const folder = mkdtempSync(join(tmpdir(), "call-ledger-startup-"));
  const millis = [];
  try {
    const parts = modules(code, build, statements);
    for (const { path, contents } of parts) writeFileSync(join(folder, path), contents);
    const config = { name: "bench", main: parts[0].path, compatibility_date: COMPATIBILITY_DATE };
    writeFileSync(join(folder, "wrangler.json"), JSON.stringify(config));
    for (let n = 0; n < tries; n += 1) {
      const args = [join(ROOT, "node_modules/wrangler/bin/wrangler.js"), "check", "startup", "--outfile", "startup.json"];
      await promisify(execFile)(process.execPath, args, {
        cwd: folder,
        env: { ...process.env, WRANGLER_SEND_METRICS: "false", CLOUDFLARE_CF_FETCH_ENABLED: "false", CI: "1" },
      });
      millis.push(activeMillis(JSON.parse(readFileSync(join(folder, "startup.json"), "utf8"))));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return millis;
}

function activeMillis({ nodes, samples, timeDeltas }) {
  const idle = new Set(nodes.filter(({ callFrame }) => callFrame.functionName === "(idle)").map(({ id }) => id));
  const micros = samples.reduce((sum, id, n) => (idle.has(id) ? sum : sum + timeDeltas[n]), 0);
  return micros / 1000;
}
