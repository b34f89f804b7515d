// The measured numbers as tables, goals and prices.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median of the ratios of two workers' rounds, round by round, with the least and the greatest of them. */
export function ratio(results, of, to, field) {
  const ratios = results[of].map((round, n) => round[field] / results[to][n][field]);
  return { median: median(ratios), least: Math.min(...ratios), greatest: Math.max(...ratios) };
}

/** The workers, in the order of the tables, and how the tables call them. */
export const WORKERS = ["ours", "fair", "floor", "literal"];
const TITLES = { ours: "built worker", fair: "fair floor", floor: "floor", literal: "literal" };
const titles = WORKERS.map((name) => TITLES[name]);

const over = (rounds, field) => median(rounds.map((round) => round[field]));
const NAMES = {
  turns: "turns, over 1,000 calls",
  longcall: "turns, one call",
  place: "placing 1 call",
  place10: "placing 10 calls in one request",
  call: "reading a call",
  transcription: "reading the 40 turns of a call",
  list: "listing 50 calls",
  health: "`/health`",
};
const whole = (number) => Math.round(number).toLocaleString("en-US");
const fixed = (number, digits = 2) => number.toFixed(digits);
const times = ({ median: middle, least, greatest }) => `${fixed(middle)} (${fixed(least)}–${fixed(greatest)})`;
const row = (cells) => `| ${cells.join(" | ")} |\n`;
const table = (heads, rows) => row(heads) + row(heads.map((_, n) => (n ? "---:" : "---"))) + rows.map(row).join("");
const kB = (bytes) => `${fixed(bytes / 1000, 1)} kB`;

/** Cloudflare's published prices in dollars, beyond what is included in the paid plan. */
const PRICE = { requests: 0.3, cpuMillis: 0.02, rowsRead: 0.001, rowsWritten: 1 };
const CALLS = 1e6;

/** What so many calls cost, from the counted rows of one call's life and the processor time of a turn. */
export function price(life, cpuMicros) {
  const steps = [life.place, ...life.turns];
  const rowsRead = steps.reduce((sum, step) => sum + step.rowsRead, 0);
  const rowsWritten = steps.reduce((sum, step) => sum + step.rowsWritten, 0);
  const roundTrips = steps.reduce((sum, step) => sum + step.roundTrips, 0);
  const millis = (steps.length * cpuMicros) / 1000;
  const dollars = {
    requests: (CALLS * steps.length * PRICE.requests) / 1e6,
    cpu: (CALLS * millis * PRICE.cpuMillis) / 1e6,
    rowsRead: (CALLS * rowsRead * PRICE.rowsRead) / 1e6,
    rowsWritten: (CALLS * rowsWritten * PRICE.rowsWritten) / 1e6,
  };
  const total = Object.values(dollars).reduce((sum, part) => sum + part, 0);
  return { requests: steps.length, roundTrips, rowsRead, rowsWritten, millis, dollars, total };
}

const find = (part, workload, concurrency) =>
  part?.find((entry) => entry.workload === workload && (!concurrency || entry.concurrency === concurrency));

function speeds(part) {
  const rows = part.map((entry) => {
    const { results } = entry;
    return [
      NAMES[entry.workload],
      entry.concurrency,
      whole(over(results.ours, "perSecond")),
      ...WORKERS.slice(1).map((name) => times(ratio(results, "ours", name, "perSecond"))),
      ...WORKERS.map((name) => `${fixed(over(results[name], "p50"))} / ${fixed(over(results[name], "p99"))}`),
    ];
  });
  const heads = ["", "at once", "requests a second", "× fair floor", "× floor", "× literal"];
  heads.push("ms p50 / p99", "fair floor's", "floor's", "literal's");
  return table(heads, rows);
}

function micros(part) {
  const rows = part.map(({ workload, concurrency, results }) => [
    NAMES[workload],
    concurrency,
    ...WORKERS.map((name) => {
      const cpu = over(results[name], "cpu");
      return Number.isNaN(cpu) ? "–" : whole(cpu);
    }),
  ]);
  return table(["", "at once", ...titles], rows);
}

function goals(r) {
  const list = [];
  const goal = (text, value, reached) => list.push({ text, value, reached });
  const turns = find(r.near, "turns", 8);
  if (turns) {
    const fair = ratio(turns.results, "ours", "fair", "perSecond").median;
    const literal = ratio(turns.results, "ours", "literal", "perSecond").median;
    goal("turns: at least 1.0 of the fair floor's throughput, same machine in memory", `${fixed(fair)} ×`, fair >= 1);
    goal("turns: at least 1.8 times the literal one's, same machine in memory", `${fixed(literal)} ×`, literal >= 1.8);
  }
  const lists = find(r.near, "list", 8);
  if (lists) {
    const fair = ratio(lists.results, "ours", "fair", "perSecond").median;
    goal("lists: at least 0.9 of the fair floor's throughput, same machine in memory", `${fixed(fair)} ×`, fair >= 0.9);
  }
  const distant = find(r.far, "turns", 1);
  if (distant) {
    const faster = ratio(distant.results, "literal", "ours", "p50").median;
    goal("a turn: at least 3.5 times quicker than the literal one's, 10 ms a round trip", `${fixed(faster)} ×`, faster >= 3.5);
  }
  if (r.counts) {
    const { roundTrips, rowsWritten } = r.counts.requests.ours.turns;
    const done = roundTrips === 1 && rowsWritten === 1;
    goal("a turn: one round trip, one written row", `${roundTrips}, ${rowsWritten}`, done);
    const sizes = Object.values(r.counts.bySize);
    const same = sizes.every((size) => JSON.stringify(size) === JSON.stringify(sizes[0]));
    const rows = sizes.map((size) => size.rowsRead).join(", ");
    goal("a turn: the same rows read and written whatever the ledger's size", `read ${rows}`, same);
  }
  if (r.flat) {
    const names = Object.keys(r.flat.results);
    const slower = ratio(r.flat.results, names.at(-1), names[0], "p50").median;
    goal("a turn: at most a tenth slower in the largest ledger than in the smallest", `${fixed(slower)} ×`, slower <= 1.1);
  }
  if (r.size) {
    goal("bundle: at most 260 kB gzipped", kB(r.size.ours.gzipped), r.size.ours.gzipped <= 260_000);
    const start = median(r.startup.ours);
    goal("start-up: less than 30 ms", `${fixed(start, 1)} ms`, start < 30);
  }
  return list;
}

function machineLine(r) {
  let text = "";
  const { machine, versions } = r;
  text += `${r.date}, ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}; `;
  text += `workerd ${versions.workerd}, wrangler ${versions.wrangler}, Node ${versions.node}. `;
  text += `${r.rounds} rounds${r.quick ? ", short ones (`--quick`): an impression, no measurement" : ""}.\n\n`;

  return text;
}

function goalTable(reached) {
  const rows = reached.map((goal) => [goal.text, goal.value, goal.reached ? "pass" : "**fail**"]);
  return `## Goals\n\n${table(["", "measured", ""], rows)}`;
}

const NEAR = "In memory. Medians of the rounds; ratios round by round, with the least and the greatest. Above 1 the built worker does more.";

/** The whole measurement as Markdown, and whether the goals are reached. */
export function report(r) {
  let text = machineLine(r);
  const reached = goals(r);
  text += goalTable(reached);

  if (r.near) {
    text += "\n## The database on the same machine\n\n";
    text += `${NEAR}\n\n`;
    text += speeds(r.near);
    text += "\nProcessor time of the whole runtime for a request, its database included, in microseconds:\n\n";
    text += micros(r.near);
  }
  if (r.alone) {
    text += "\nThe same with a database that answers at once what it answered before: the worker itself, the runtime's HTTP, and the ";
    text += "way to the database and back.\n\n";
    text += micros(r.alone);
  }
  if (r.disk) {
    text += "\nThe same on this machine's disk, where a turn waits until it is written:\n\n";
    text += speeds(r.disk);
  }
  if (r.far) {
    text += "\n## Every round trip to the database takes 10 ms\n\n";
    text += speeds(r.far);
  }
  if (r.counts) {
    text += "\n## What the database is asked\n\n";
    text += "For one request: round trips, rows read, rows written, as D1 counts and bills them. Turns and calls are the first of their kind.\n\n";
    const { requests } = r.counts;
    const cells = ({ roundTrips, rowsRead, rowsWritten }) => `${roundTrips}, ${rowsRead}, ${rowsWritten}`;
    text += table(
      ["", ...titles],
      Object.keys(requests.ours).map((workload) => [
        NAMES[workload],
        ...WORKERS.map((name) => cells(requests[name][workload])),
      ]),
    );
    const { ours, literal } = r.counts.life;
    const sum = (turns) => turns.reduce((all, turn) => all + turn.rowsRead, 0);
    text += `\nThe 40 turns of a call together read ${sum(ours.turns)} rows (literal: ${sum(literal.turns)}) and write `;
    text += `${ours.turns.reduce((all, turn) => all + turn.rowsWritten, 0)}. The rows read grow with the turns of that one call, `;
    text += "because a repeated turn is recognised by looking at them; an index for that would cost one more written row.\n";
    text += "\nA turn in a ledger of so many calls with a turn each:\n\n";
    const sizes = Object.keys(r.counts.bySize);
    text += table(
      ["calls", "round trips", "rows read", "rows written", ...(r.flat ? ["ms p50"] : [])],
      sizes.map((calls) => {
        const { roundTrips, rowsRead, rowsWritten } = r.counts.bySize[calls];
        const millis = r.flat?.results[`size${calls}`];
        return [whole(calls), roundTrips, rowsRead, rowsWritten, ...(r.flat ? [millis ? fixed(over(millis, "p50")) : "–"] : [])];
      }),
    );
  }
  if (r.longCall) {
    text += "\n## A turn in a long call\n\n";
    text += "One at a time, the database on the same machine; milliseconds p50.\n\n";
    text += table(
      ["turns so far", ...titles],
      r.longCall.map(({ stored, results }) => [
        whole(stored),
        ...WORKERS.map((name) => fixed(over(results[name], "p50"))),
      ]),
    );
  }
  if (r.size) {
    text += "\n## Size and start-up\n\n";
    text += table(
      ["", "bundle", "gzipped", "start-up, ms (least–greatest)"],
      WORKERS.map((name) => {
        const { bytes, gzipped } = r.size[name];
        const tries = r.startup[name];
        const start = `${fixed(median(tries), 1)} (${fixed(Math.min(...tries), 1)}–${fixed(Math.max(...tries), 1)})`;
        return [TITLES[name], kB(bytes), kB(gzipped), start];
      }),
    );
    text += "\nStart-up is the active time in the profile of `wrangler check startup`.\n";
  }
  if (r.counts && r.alone) text += prices(r);
  return { markdown: text, passed: reached.every((goal) => goal.reached), goals: reached };
}

function prices(r) {
  const turns = find(r.alone, "turns");
  const of = (name) => price(r.counts.life[name], over(turns.results[name], "cpu"));
  const [ours, literal] = [of("ours"), of("literal")];
  if (Number.isNaN(ours.total)) return "";
  const dollars = (number) => `$${number.toFixed(2)}`;
  let text = "\n## What a million calls cost\n\n";
  text += "A million calls of 40 turns, each placed by a request of its own, at Cloudflare's published prices beyond what the paid plan ";
  text += `includes: requests $${PRICE.requests} a million, processor time $${PRICE.cpuMillis} a million milliseconds, rows read `;
  text += `$${PRICE.rowsRead.toFixed(3)} a million, rows written $${PRICE.rowsWritten.toFixed(2)} a million. Rows as counted above; processor time `;
  text += "is that of a turn with a database that costs nothing, on this machine, the runtime's own HTTP included, so it is more than what is ";
  text += "billed. Storage, reading and what ElevenLabs asks for are left out.\n\n";
  const line = (text, amount, key) => [
    text,
    `${amount(ours)}`,
    dollars(ours.dollars[key]),
    `${amount(literal)}`,
    dollars(literal.dollars[key]),
  ];
  text += table(
    ["", "built worker, a call", "a million", "literal, a call", "a million"],
    [
      line("requests", (p) => p.requests, "requests"),
      line("processor time", (p) => `${fixed(p.millis, 1)} ms`, "cpu"),
      line("rows read", (p) => whole(p.rowsRead), "rowsRead"),
      line("rows written", (p) => p.rowsWritten, "rowsWritten"),
      ["**together**", `${ours.roundTrips} round trips`, `**${dollars(ours.total)}**`, `${literal.roundTrips} round trips`, `**${dollars(literal.total)}**`],
    ],
  );
  const { settle } = r.counts.life.ours;
  if (settle) {
    const extra = (settle.rowsRead * PRICE.rowsRead + settle.rowsWritten * PRICE.rowsWritten + PRICE.requests) / 1e6;
    text += `\nWhat the literal one has no part for: ElevenLabs' closing event with its transcript costs the built worker ${settle.roundTrips} round `;
    text += `trips, ${settle.rowsRead} rows read and ${settle.rowsWritten} written a call, ${dollars(extra * CALLS)} for a million.\n`;
  }
  return text;
}
