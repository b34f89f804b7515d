// The worker's entry: hands the events of the runtime over to WebAssembly, and replaces an instance that trapped.
// `scripts/bundle.mjs` bundles it with the JavaScript of wasm-bindgen, which is imported here.
import * as wasm from "wasm-bindgen:index.js";

Error.stackTraceLimit = 100;
const state = wasm.__worker_init_state();

/** After a panic the instance cannot be used any more: the next event gets a new one. */
function renew() {
  if (!state.criticalError) return;
  console.error('{"level":"error","event":"wasm_renewed"}');
  wasm.__wbg_reset_state();
  state.criticalError = false;
  state.instanceId++;
}

function note(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return;
  console.error(JSON.stringify({ level: "error", event: "wasm_trap", cause: String(error.stack) }));
  state.criticalError = true;
}

// A future is polled in the reaction of a promise, so a trap in it arrives as a rejection that nothing handles.
addEventListener("unhandledrejection", (event) => note(event.reason));
addEventListener("error", (event) => note(event.error));

async function handle(context, handler) {
  renew();
  try {
    const done = handler();
    // Without this the runtime cancels a request whose client hangs up. A caller that loses patience while phones are being
    // rung would then leave calls whose answer is never recorded: with it every request runs to its end.
    context.waitUntil(done);
    return await done;
  } catch (error) {
    note(error);
    throw error;
  }
}

export default {
  fetch: (request, env, context) => handle(context, () => wasm.fetch(request, env, context)),
  scheduled: (event, env, context) => handle(context, () => wasm.scheduled(event, env, context)),
};
