// The results as a picture: bars, readable on a light and on a dark page.
import { median, ratio } from "./report.mjs";

const GROUPS = [
  ["near", "turns", 8, "perSecond", "turns a second, database on the same machine, 8 at once", (value) => Math.round(value).toLocaleString("en-US")],
  ["far", "turns", 1, "p50", "milliseconds for a turn, 10 ms a round trip", (value) => `${value.toFixed(1)} ms`],
  ["far", "place10", 1, "p50", "milliseconds for placing 10 calls, 10 ms a round trip", (value) => `${value.toFixed(0)} ms`],
  ["far", "transcription", 1, "p50", "milliseconds for reading 40 turns, 10 ms a round trip", (value) => `${value.toFixed(1)} ms`],
];
const BARS = [
  ["ours", "Call Ledger", "#e5732f"],
  ["fair", "the same in JavaScript", "#5fa777"],
  ["floor", "least JavaScript", "#8a8f98"],
  ["literal", "specification, literally", "#5b8dd6"],
];
const WIDTH = 760;
const LEFT = 170;
const BAR = 20;
const STEP = 25;

export function picture(results) {
  const parts = [];
  let y = 16;
  for (const [stage, workload, concurrency, field, title, label] of GROUPS) {
    const entry = results[stage]?.find((each) => each.workload === workload && each.concurrency === concurrency);
    if (!entry) continue;
    const values = BARS.map(([name]) => median(entry.results[name].map((round) => round[field])));
    const most = Math.max(...values);
    const times = ratio(entry.results, ...(field === "perSecond" ? ["ours", "literal"] : ["literal", "ours"]), field).median;
    y += 16;
    parts.push(`<text class="t" x="8" y="${y}">${title}: ${times.toFixed(1)} × better than literal</text>`);
    y += 10;
    for (const [n, [, text, colour]] of BARS.entries()) {
      const length = Math.max(2, (values[n] / most) * (WIDTH - LEFT - 90));
      parts.push(`<text class="n" x="${LEFT - 8}" y="${y + 15}" text-anchor="end">${text}</text>`);
      parts.push(`<rect x="${LEFT}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" rx="2" fill="${colour}"/>`);
      parts.push(`<text class="n" x="${(LEFT + length + 7).toFixed(1)}" y="${y + 15}">${label(values[n])}</text>`);
      y += STEP;
    }
    y += 14;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-label="Call Ledger beside the least JavaScript worker and the specification taken literally">
<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.t { font-weight: 600; font-size: 14px }
@media (prefers-color-scheme: dark) { text { fill: #d8dee6 } }
</style>
${parts.join("\n")}
</svg>
`;
}
