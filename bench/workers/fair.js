// The fair floor: what the built worker does for turns and lists, written by hand in JavaScript. It checks what comes, takes
// the token, knows a repeat, writes the log line and sends the headers. It sends the same statements, taken off the wire as
// for the floor. Everything else is the floor's.
import floor from "./floor.js";
import statements from "./statements.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const BODY_LIMIT = 256 * 1024;
const LONGEST_NAME = 200;
const RFC3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?$/;
const STORED = /^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d\.\d{3}Z$/;

class Problem {
  constructor(status, code, detail, errors) {
    Object.assign(this, { status, code, detail, errors });
  }
}

// ------------------------------------------------------------------------------------------------------- every request

/** Asks the database and counts what it was asked. */
async function ask(usage, statement) {
  const asked = Date.now();
  const { results, meta } = await statement.all();
  usage.millis += Date.now() - asked;
  usage.roundTrips += 1;
  usage.rowsRead += meta.rows_read;
  usage.rowsWritten += meta.rows_written;
  return results;
}

async function serve(request, env, route, handler) {
  const started = Date.now();
  const usage = { millis: 0, roundTrips: 0, rowsRead: 0, rowsWritten: 0 };
  const requestId = request.headers.get("cf-ray") ?? randomId();
  let status, body, type, about;
  try {
    ({ status, body, about } = await handler(request, env, usage));
    type = "application/json";
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const { code, detail, errors } = problem;
    status = problem.status;
    body = { type: `urn:call-ledger:${code}`, title: code, status, detail, code, errors };
    type = "application/problem+json";
    about = { code };
  }
  const millis = Date.now() - started;
  console.log(
    JSON.stringify({
      level: status >= 500 ? "error" : "info",
      event: "request",
      request_id: requestId,
      route,
      status,
      duration_ms: millis,
      ...about,
      db_round_trips: usage.roundTrips,
      db_rows_read: usage.rowsRead,
      db_rows_written: usage.rowsWritten,
      db_retries: 0,
      db_ms: usage.millis,
    }),
  );
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      "content-type": type,
      "cache-control": "no-store",
      "server-timing": `db;dur=${usage.millis}, total;dur=${millis}`,
      "x-request-id": requestId,
    },
  });
}

function randomId() {
  let id = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) id += byte.toString(16).padStart(2, "0");
  return id;
}

function requireBearer(request, token) {
  const [, given] = /^bearer (.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  const [ours, theirs] = [encoder.encode(token), encoder.encode(given ?? "")];
  if (ours.length !== theirs.length || !crypto.subtle.timingSafeEqual(ours, theirs)) {
    throw new Problem(401, "unauthorized", "A bearer token is required.");
  }
}

async function admit(limiter, key) {
  if (limiter && !(await limiter.limit({ key })).success) throw new Problem(429, "rate_limited", "Too many requests.");
}

/** Milliseconds; `undefined` when the text is no time. Without an offset it is UTC. */
function time(text) {
  const [, , offset] = RFC3339.exec(text) ?? [];
  const millis = Date.parse(offset ? text : `${text}Z`);
  return RFC3339.test(text) && !Number.isNaN(millis) ? millis : undefined;
}

// --------------------------------------------------------------------------------------------------------------- turns

async function turn(request, env, usage) {
  if (env.WEBHOOK_TOKEN) requireBearer(request, env.WEBHOOK_TOKEN.trim());
  const address = request.headers.get("cf-connecting-ip");
  if (address) await admit(env.TURN_RATE_LIMIT_BY_ADDRESS, address);
  const turn = parse(await read(request));
  await admit(env.TURN_RATE_LIMIT_BY_CALL, turn.callSid);
  const bound = env.DB.prepare(statements.turn[0][0]).bind(
    turn.callSid,
    turn.speaker,
    turn.message,
    turn.timestamp,
    new Date().toISOString(),
    turn.conversationId,
    0,
  );
  const [saved] = await ask(usage, bound);
  const [status, row] = saved ? [201, saved] : [200, await stored(env, usage, turn)];
  const body = {
    status: "success",
    message: `Transcription saved for call ${turn.callSid}`,
    call_sid: turn.callSid,
    transcription_id: row.transcription_id,
    sequence_number: row.sequence_number,
  };
  const about = { call_sid: turn.callSid, conversation_id: row.conversation_id, driver_id: row.driver_id ?? undefined };
  return { status, body, about };
}

/** Nothing was stored: the turn is a repeat, or its call is unknown or has no conversation. */
async function stored(env, usage, { callSid, speaker, message, timestamp }) {
  const [found] = await ask(
    usage,
    env.DB.prepare(
      `SELECT c.conversation_id, c.driver_id, t.id AS transcription_id, t.sequence_number FROM calls c
       LEFT JOIN call_transcriptions t ON t.conversation_id = c.conversation_id AND t.timestamp = ?4
         AND t.speaker_type = ?2 AND t.message_text IN (?3, '')
       WHERE c.call_sid = ?1 LIMIT 1`,
    ).bind(callSid, speaker, message, timestamp),
  );
  if (!found) throw new Problem(400, "unknown_call_sid", `No call is named ${callSid}.`);
  if (!found.transcription_id) throw new Problem(400, "conversation_not_linked", `${callSid} has no conversation.`);
  return found;
}

async function read(request) {
  const announced = Number.parseInt(request.headers.get("content-length") ?? "", 10);
  if (announced > BODY_LIMIT) throw new Problem(413, "payload_too_large", "The body is too long.");
  const bytes = await request.arrayBuffer();
  if (bytes.byteLength > BODY_LIMIT) throw new Problem(413, "payload_too_large", "The body is too long.");
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new Problem(400, "invalid_request", `The body is not JSON in UTF-8: ${error.message}.`);
  }
}

function parse(body) {
  const faults = [];
  const fault = (field, message) => void faults.push({ field, message });
  const text = (field, required) => {
    const value = body?.[field] ?? undefined;
    if (value === undefined) return required ? fault(field, "is required") : undefined;
    if (typeof value !== "string") return fault(field, "must be a text");
    if (required && value.trim() === "") return fault(field, "must not be empty");
    return value.toWellFormed();
  };
  if (typeof body !== "object" || body === null || Array.isArray(body)) fault("body", "must be a JSON object");
  const callSid = text("call_sid", true);
  const speaker = text("speaker", true);
  const message = text("message", true);
  const timestamp = text("timestamp", true);
  const conversationId = text("conversation_id", false);
  const millis = timestamp === undefined ? undefined : time(timestamp);
  if (timestamp !== undefined && millis === undefined) fault("timestamp", "must be an RFC 3339 time");
  if (speaker !== undefined && speaker !== "user" && speaker !== "agent") fault("speaker", "must be user or agent");
  for (const [field, name] of [["call_sid", callSid], ["conversation_id", conversationId]]) {
    if (name !== undefined && encoder.encode(name).length > LONGEST_NAME) fault(field, "must have at most 200 bytes");
  }
  if (faults.length > 0) throw new Problem(400, "invalid_request", "The request has faults.", faults);
  return {
    callSid,
    speaker: speaker === "user" ? "driver" : "agent",
    message,
    timestamp: new Date(millis).toISOString(),
    conversationId: conversationId?.trim() || null,
  };
}

// --------------------------------------------------------------------------------------------------------------- lists

async function list(request, env, usage) {
  requireBearer(request, env.API_TOKEN.trim());
  const { searchParams } = new URL(request.url);
  const limit = Number(searchParams.get("limit") ?? 50);
  if (!Number.isInteger(limit) || limit < 1 || limit > 200) throw faultyQuery("limit", "must be a whole number from 1 to 200");
  for (const name of ["status", "driver_id", "from", "to", "cursor"]) {
    // The benchmark lists without filters: other statements than the one taken off the wire are not needed.
    if (searchParams.get(name)) throw faultyQuery(name, "is not taken by the fair floor");
  }
  if (request.headers.get("accept")?.includes("text/csv")) throw faultyQuery("accept", "is not taken by the fair floor");
  const rows = await ask(usage, env.DB.prepare(statements.list[0][0]).bind(limit + 1));
  const calls = rows.slice(0, limit).map(call);
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return { status: 200, body: { calls, next_cursor: last ? cursor(last) : null } };
}

const faultyQuery = (field, message) => new Problem(400, "invalid_request", "The query has faults.", [{ field, message }]);

/** A row as the API shows it: each column of its type, times in one spelling. */
function call(row) {
  return {
    id: row.id,
    call_sid: row.call_sid,
    conversation_id: row.conversation_id,
    driver_id: row.driver_id,
    status: row.status,
    failure_reason: row.failure_reason,
    call_start_time: printed(row.call_start_time),
    call_end_time: row.call_end_time === null ? null : printed(row.call_end_time),
    summary: row.summary,
    created_at: printed(row.created_at),
    updated_at: printed(row.updated_at),
    turn_count: row.turn_count,
  };
}

/** A stored time in the one form, or as it is where it cannot be read. */
function printed(text) {
  if (STORED.test(text)) return text;
  const millis = time(text);
  return millis === undefined ? text : new Date(millis).toISOString();
}

function cursor({ id, call_start_time }) {
  let digits = "";
  for (const byte of encoder.encode(`${id} ${call_start_time}`)) digits += byte.toString(16).padStart(2, "0");
  return digits;
}

async function transcription(request, env, usage, callSid) {
  requireBearer(request, env.API_TOKEN.trim());
  const asked = Date.now();
  const results = await env.DB.batch(statements.transcription[0].map((sql) => env.DB.prepare(sql).bind(callSid)));
  usage.millis += Date.now() - asked;
  usage.roundTrips += 1;
  for (const { meta } of results) {
    usage.rowsRead += meta.rows_read;
    usage.rowsWritten += meta.rows_written;
  }
  const [[heading], rows] = results.map((result) => result.results);
  if (!heading) throw new Problem(404, "call_not_found", `No call is named ${callSid}.`);
  const turns = rows.map(({ transcription_id, sequence_number, speaker, message, timestamp }) => ({
    transcription_id,
    sequence_number,
    speaker,
    message,
    timestamp: printed(timestamp),
  }));
  const { call_sid, conversation_id } = heading;
  return {
    status: 200,
    body: { call_sid, conversation_id, turns },
    about: { call_sid, conversation_id: conversation_id ?? undefined },
  };
}

export default {
  fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/webhooks/elevenlabs/transcription" && request.method === "POST") return serve(request, env, pathname, turn);
    if (pathname === "/calls" && request.method === "GET") return serve(request, env, pathname, list);
    const [, name] = /^\/calls\/([^/]+)\/transcription$/.exec(pathname) ?? [];
    if (name && request.method === "GET") {
      const read = (...args) => transcription(...args, decodeURIComponent(name));
      return serve(request, env, "/calls/{call_sid}/transcription", read);
    }
    return floor.fetch(request, env);
  },
};
