// Which files a run of the benchmark writes.

/** Tracked files that hold the results. */
const PAGES = ["docs/performance.md", "README.md"];
const PICTURE = "docs/performance.svg";

/**
 * What the options ask for: `tables` is the folder of results.md and results.json, `picture` is a path, `pages` are the
 * pages whose tables are replaced. Tracked files are among them only with `write`, which takes a whole measurement.
 * Paths are relative to the project. Throws an error that says which options do not go together.
 */
export function outputs({ write = false, quick = false, only, out }) {
  if (!write) return { tables: out ?? "bench", picture: out && !only ? `${out}/performance.svg` : undefined, pages: [] };
  if (quick) throw new Error("QUICK=1 gives an impression, no measurement to write down: leave out WRITE=1");
  if (only || out) throw new Error("--write writes a whole measurement into the pages: leave out --only and --out");
  return { tables: "bench", picture: PICTURE, pages: PAGES };
}
