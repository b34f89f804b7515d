// What is asked of the workers. A request is made from its number alone, so that every worker gets the same ones.
import { API_TOKEN, callSid, words } from "./runtime.mjs";

const AUTHORIZED = { authorization: `Bearer ${API_TOKEN}` };
const JSON_BODY = { "content-type": "application/json" };
const TURNS = Date.parse("2025-11-21T10:30:00Z");

function turn(sid, n) {
  const body = {
    call_sid: sid,
    speaker: n % 2 ? "agent" : "user",
    message: words(n),
    timestamp: new Date(TURNS + n * 1000).toISOString(),
  };
  return {
    method: "POST",
    path: "/webhooks/elevenlabs/transcription",
    headers: JSON_BODY,
    body: JSON.stringify(body),
    status: 201,
  };
}

function place(n, drivers) {
  const body = {
    timestamp: "2025-11-21T10:30:00Z",
    drivers: Array.from({ length: drivers }, (_, index) => ({
      driverId: drivers * 10_000_000 + n * drivers + index,
      driverName: "Ada Diaz",
      phoneNumber: `555010${String(1000 + (index % 9000)).padStart(4, "0")}`,
      violations: [
        {
          type: "hours_of_service",
          description: "Drove 12 h without a break",
          occurredAt: "2025-11-21T08:00:00Z",
        },
      ],
    })),
  };
  return {
    method: "POST",
    path: "/driver_data/call-elevenlabs",
    headers: { ...JSON_BODY, ...AUTHORIZED },
    body: JSON.stringify(body),
    status: 201,
  };
}

const get = (path) => ({ method: "GET", path, headers: AUTHORIZED, status: 200 });

/** The number of calls that turns are spread over, and of calls with 40 turns that are read. */
export const CALLS = 1000;
export const READ_CALLS = 100;
export const READ_TURNS = 40;

/** Name to `(n, options) => request`; `n` never repeats within a database. */
export const WORKLOADS = {
  turns: (n, { calls = CALLS, stride = 1 } = {}) =>
    turn(callSid(1 + (n % calls) * stride), Math.floor(n / calls)),
  /** All in one call, whose name and length so far are in the options. */
  longcall: (n, { sid, stored }) => turn(sid, stored + n),
  place: (n) => place(n, 1),
  place10: (n) => place(n, 10),
  transcription: (n) => get(`/calls/${encodeURIComponent(callSid(1 + (n % READ_CALLS), "R"))}/transcription`),
  call: (n) => get(`/calls/${encodeURIComponent(callSid(1 + (n % READ_CALLS), "R"))}`),
  list: () => get("/calls?limit=50"),
  health: () => get("/health"),
};
