// Goes before the built worker, unchanged, in the test of traps: a request with the header `x-trap` finds the memory of the
// instance spoiled from its next look at the clock on, so that the Rust code runs into a real trap.

const { Instance } = WebAssembly;
let exports;
let armed = false;

WebAssembly.Instance = function (module, imports) {
  for (const functions of Object.values(imports)) {
    for (const name of Object.keys(functions).filter((name) => name.startsWith("__wbg_now_"))) {
      const now = functions[name];
      functions[name] = () => {
        if (armed) spoil();
        return now();
      };
    }
  }
  const instance = new Instance(module, imports);
  exports = instance.exports;
  return instance;
};

function spoil() {
  armed = false;
  const words = new Int32Array(exports.memory.buffer);
  // What wasm-bindgen keeps there for this very case stays.
  const kept = [exports.__abort_handler, exports.__instance_terminated].map((place) => place.value / 4);
  const before = kept.map((place) => words[place]);
  words.fill(-1);
  kept.forEach((place, at) => (words[place] = before[at]));
}

/** The worker with the switch in front of it. */
export const trapping = (worker) => ({
  ...worker,
  fetch: (request, env, context) => {
    armed = request.headers.has("x-trap");
    return worker.fetch(request, env, context);
  },
});
