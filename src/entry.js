// The entry of the worker: the Workers runtime calls the functions at the end of this file. The Rust code in WebAssembly
// decides, and never calls JavaScript. It returns a list of effects as one text, `effects.js` executes them, and each result
// goes back as one text. src/platform/effects.rs says why.
import * as wasm from "wasm-bindgen:index.js";

import { effects, message } from "./effects.js";

Error.stackTraceLimit = 100;
const state = wasm.__worker_init_state();

/** Replaces the instance after a trap, before the next event: the memory of a trapped instance may be inconsistent. */
function renew() {
  if (!state.criticalError) return;
  console.error('{"level":"error","event":"wasm_renewed"}');
  wasm.__wbg_reset_state();
  state.criticalError = false;
  state.instanceId++;
}

/** Calls into WebAssembly. Every call must go through here: it logs a trap and has the instance replaced. */
function enter(call) {
  try {
    return call();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) {
      console.error(JSON.stringify({ level: "error", event: "wasm_trap", cause: String(error.stack) }));
      state.criticalError = true;
    }
    throw error;
  }
}

/**
 * Runs one task to its result.
 * @param begin calls into WebAssembly and returns the first step of the task
 * @param io what the effects need: the request, the environment
 * @returns {Promise<string>} the result
 */
function run(begin, io) {
  return new Promise((resolve, reject) => {
    renew();
    configure(io.env);
    // A task's number is valid in one instance. In the next instance the same number is the task of another request.
    const instance = state.instanceId;
    const resume = (call) => {
      if (state.instanceId !== instance) throw new Error("the WebAssembly instance was renewed after a trap");
      take(enter(call));
    };
    /** Executes a step: either "=" and the result, or [task, [[id, kind, payload], …]]. */
    const take = (step) => {
      if (step[0] === "=") return resolve(step.slice(1));
      const [task, asked] = JSON.parse(step);
      for (const [id, kind, payload] of asked) {
        effects[kind](payload, io)
          .then(
            (result) =>
              resume(() =>
                typeof result === "string"
                  ? wasm.resume_text(task, id, result, hungUp(io))
                  : wasm.resume_bytes(task, id, result, hungUp(io)),
              ),
            (error) => resume(() => wasm.resume_failed(task, id, message(error), hungUp(io))),
          )
          .catch(reject);
      }
    };
    take(enter(begin));
  });
}

/** True if the runtime aborts a request's signal when the sender hangs up. Without this flag the signal exists, but never aborts. */
const TELLS_HANG_UP = globalThis.Cloudflare?.compatibilityFlags?.enable_request_signal === true;

const hungUp = (io) => io.request?.signal.aborted === true;

/** The headers that the routes read. */
const HEADERS = ["accept", "authorization", "cf-connecting-ip", "cf-ray", "content-length", "elevenlabs-signature", "transfer-encoding"];

/** The method, URL and headers of a request, one line each. src/http/edge.rs reads it. */
function head(request) {
  let text = `${request.method}\n${request.url}`;
  for (const name of HEADERS) {
    const value = request.headers.get(name);
    if (value !== null) text += `\n${name}: ${value}`;
  }
  return text;
}

/** The response of a text: the status, the headers, an empty line, the body. src/http/edge.rs writes it. */
function response(text) {
  const end = text.indexOf("\n\n");
  const [status, ...lines] = text.slice(0, end).split("\n");
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(": ");
    headers[line.slice(0, colon)] = line.slice(colon + 2);
  }
  return new Response(text.slice(end + 2), { status: Number(status), headers });
}

/** The kind of a binding, by its methods. */
function kind(value) {
  if (typeof value?.limit === "function") return "limit";
  return typeof value?.head === "function" ? "bucket" : typeof value;
}

/** The environment as JSON: texts and numbers as they are, any other binding as its kind, `["limit"]` or `["bucket"]`. */
function settings(env) {
  const given = {};
  for (const name of Object.keys(env)) {
    const value = env[name];
    const plain = typeof value === "string" || typeof value === "number";
    given[name] = plain ? value : [kind(value)];
  }
  return JSON.stringify(given);
}

/** The environment that the instance has, and the number of that instance. */
let known = {};

/** Gives the environment to the instance, once. The runtime passes the same object to each event. */
function configure(env) {
  if (known.env === env && known.instance === state.instanceId) return;
  enter(() => wasm.configure(settings(env)));
  known = { env, instance: state.instanceId };
}

export default {
  fetch(request, env, context) {
    const io = { request, env };
    const done = run(() => wasm.begin_request(head(request), TELLS_HANG_UP), io).then(response);
    // Drop the unread rest of a refused body. The answer does not wait for that.
    done.finally(() => io.reader?.cancel()).catch(() => {});
    // Without this the runtime cancels a request when its sender hangs up. Then the answers to open dials would never be
    // recorded. With it the request runs on, for at most 30 seconds after the sender has hung up.
    context.waitUntil(done);
    return done;
  },
  scheduled(event, env, context) {
    const done = run(() => wasm.begin_scheduled(), { env });
    context.waitUntil(done);
    return done;
  },
};
