// Where the Workers runtime calls in. The Rust in WebAssembly decides, and never calls JavaScript to act: it returns what is
// to be done as one text, `effects.js` does it, and the result goes back as one text (src/platform/effects.rs says why).
import * as wasm from "wasm-bindgen:index.js";

import { effects, message } from "./effects.js";

Error.stackTraceLimit = 100;
const state = wasm.__worker_init_state();

/** After a trap the instance's memory is not to be trusted: the next event gets a new instance. */
function renew() {
  if (!state.criticalError) return;
  console.error('{"level":"error","event":"wasm_renewed"}');
  wasm.__wbg_reset_state();
  state.criticalError = false;
  state.instanceId++;
}

/** Logs a trap, and has the instance renewed. Every way from JavaScript into WebAssembly leads through here. */
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
 * Runs one task from its beginning to its result.
 * @param begin calls into WebAssembly and returns the task's first step
 * @param io what the effects work on: the request, the environment
 * @returns {Promise<string>} the result's text
 */
function run(begin, io) {
  return new Promise((resolve, reject) => {
    renew();
    configure(io.env);
    // Task numbers are those of one instance: after a renewal the same number is another request's task.
    const instance = state.instanceId;
    const resume = (call) => {
      if (state.instanceId !== instance) throw new Error("the WebAssembly instance was renewed after a trap");
      take(enter(call));
    };
    /** A step is either "=" and the result, or [task, [[id, kind, payload], …]]. */
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

/** Without this compatibility flag a request has a signal as well, but the runtime never aborts it. */
const TELLS_HANG_UP = globalThis.Cloudflare?.compatibilityFlags?.enable_request_signal === true;

const hungUp = (io) => io.request?.signal.aborted === true;

/** The headers that the routes read. */
const HEADERS = ["accept", "authorization", "cf-connecting-ip", "cf-ray", "content-length", "elevenlabs-signature", "transfer-encoding"];

/** Method, address and headers of a request, a line each. */
function head(request) {
  let text = `${request.method}\n${request.url}`;
  for (const name of HEADERS) {
    const value = request.headers.get(name);
    if (value !== null) text += `\n${name}: ${value}`;
  }
  return text;
}

/** The response from its text: the status, the headers, an empty line, the body. */
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

/** What kind of binding this is. */
function kind(value) {
  if (typeof value?.limit === "function") return "limit";
  return typeof value?.head === "function" ? "bucket" : typeof value;
}

/** Variables and secrets as JSON: texts and numbers as they are, anything else as its kind, `["limit"]` or `["bucket"]`. */
function settings(env) {
  const given = {};
  for (const name of Object.keys(env)) {
    const value = env[name];
    const plain = typeof value === "string" || typeof value === "number";
    given[name] = plain ? value : [kind(value)];
  }
  return JSON.stringify(given);
}

/** Which environment the instance knows, and which instance that is. */
let known = {};

/** Tells the instance the environment, which is one object for all events, once. */
function configure(env) {
  if (known.env === env && known.instance === state.instanceId) return;
  enter(() => wasm.configure(settings(env)));
  known = { env, instance: state.instanceId };
}

export default {
  fetch(request, env, context) {
    const io = { request, env };
    const done = run(() => wasm.begin_request(head(request), TELLS_HANG_UP), io).then(response);
    // What is left of a body that was refused is not read. The answer does not wait until the sender has heard of it.
    done.finally(() => io.reader?.cancel()).catch(() => {});
    // Without this the runtime cancels a request whose client hangs up. A caller that loses patience while phones are
    // being rung would then leave calls whose answer is never recorded: with it every request runs to its end.
    context.waitUntil(done);
    return done;
  },
  scheduled(event, env, context) {
    const done = run(() => wasm.begin_scheduled(), { env });
    context.waitUntil(done);
    return done;
  },
};
