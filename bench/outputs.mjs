// Which files a run of the benchmark writes.

/** The tracked page that holds the tables, and the picture in it. */
const PAGE = "docs/performance.md";
const PICTURE = "docs/performance.svg";

/**
 * What the options ask for: `tables` is the folder of results.md and results.json, `picture` is a path, `page` is the
 * page whose tables are replaced. The last two are tracked files only with `write`, which takes a whole measurement.
 * Paths are relative to the project. Throws an error that says which options do not go together.
 */
export function outputs({ write = false, quick = false, only, out }) {
  if (!write) return { tables: out ?? "bench", picture: out && !only ? `${out}/performance.svg` : undefined, page: undefined };
  if (quick) throw new Error("QUICK=1 gives an impression, no measurement to write down: leave out WRITE=1");
  if (only || out) throw new Error("--write writes a whole measurement into the page: leave out --only and --out");
  return { tables: "bench", picture: PICTURE, page: PAGE };
}
