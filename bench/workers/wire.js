// Between a worker and its database: makes a round trip take time, and counts. It never looks at anything but what D1
// itself answers, so it counts the same things in the same way for every worker.
import { WorkerEntrypoint } from "cloudflare:workers";

/** Per worker: what went over the wire since it was last asked. */
const seen = new Map();

function note(name, queries, metas) {
  let entry = seen.get(name);
  if (!entry) seen.set(name, (entry = { roundTrips: 0, statements: 0, rowsRead: 0, rowsWritten: 0, trips: [] }));
  entry.roundTrips += 1;
  entry.statements += queries.length;
  for (const meta of metas) {
    entry.rowsRead += meta.rows_read ?? 0;
    entry.rowsWritten += meta.rows_written ?? 0;
  }
  if (entry.trips.length < 100) {
    entry.trips.push(queries.map(({ sql, params }) => ({ sql, params: params?.length ?? 0 })));
  }
}

/** The last answer to each statement, for a database that costs nothing: see `replay`. */
const answers = new Map();

export class Wire extends WorkerEntrypoint {
  #database() {
    return this.env[`RAW_${this.ctx.props.worker}`];
  }

  async #delay() {
    if (this.ctx.props.delayMs > 0) await scheduler.wait(this.ctx.props.delayMs);
  }

  /** How the binding speaks at compatibility dates without `d1_binding_jsrpc`. */
  async fetch(request) {
    await this.#delay();
    if (this.ctx.props.replay) return this.#replay(request);
    if (!this.ctx.props.count) return this.#database().fetch(request);
    const asked = await request.clone().json();
    const response = await this.#database().fetch(request);
    const answered = await response.clone().json();
    const results = Array.isArray(answered) ? answered : [answered];
    note(this.ctx.props.worker, Array.isArray(asked) ? asked : [asked], results.map((result) => result.meta ?? {}));
    return response;
  }

  /** Answers each statement as the database answered it the first time, without asking again. */
  async #replay(request) {
    const text = await request.text();
    const asked = JSON.parse(text);
    const known = [asked].flat().map(({ sql }) => answers.get(`${this.ctx.props.worker} ${sql}`));
    if (known.every(Boolean)) return Response.json(Array.isArray(asked) ? known : known[0]);
    const { url, method, headers } = request;
    const response = await this.#database().fetch(new Request(url, { method, headers, body: text }));
    const answered = await response.clone().json();
    [answered].flat().forEach((answer, n) => answers.set(`${this.ctx.props.worker} ${[asked].flat()[n].sql}`, answer));
    return response;
  }

  /** How the binding speaks with `d1_binding_jsrpc`. */
  async query(request) {
    await this.#delay();
    if (this.ctx.props.replay) throw new Error("replaying is written for the other way in which the binding speaks");
    const answer = await this.#database().query(request);
    if (this.ctx.props.count) note(this.ctx.props.worker, request.queries, answer.results.map((result) => result.meta));
    return answer;
  }
}

export default {
  /** `GET /<worker>`: what that worker's wire saw since this was last asked. */
  async fetch(request) {
    const name = new URL(request.url).pathname.slice(1);
    const entry = seen.get(name) ?? { roundTrips: 0, statements: 0, rowsRead: 0, rowsWritten: 0, trips: [] };
    seen.delete(name);
    return Response.json(entry);
  },
};
