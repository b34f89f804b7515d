// A Miniflare plugin that puts something between a worker and its database: the binding `DB` is the runtime's own D1
// binding, but what it sends goes through the worker `wire` (workers/wire.js), which delays and counts, and only then to
// Miniflare's D1. So the workers that are compared are the very ones that are deployed, with nothing wrapped around them.

const D1 = "d1:db:entry";
const WIRE = "core:user:wire";

function bindings(options, type) {
  return Object.entries(options.config.env).filter(([, binding]) => binding.type === `unsafe:${type}`);
}

export const plugins = {
  "bench-wire": {
    options: undefined,
    sharedOptions: undefined,
    getBindings(options) {
      const far = bindings(options, "far-d1").map(([name, binding]) => ({
        name,
        wrapped: {
          moduleName: "cloudflare-internal:d1-api",
          innerBindings: [
            {
              name: "fetcher",
              service: { name: WIRE, entrypoint: "Wire", props: { json: JSON.stringify(binding.dev.options) } },
            },
          ],
        },
      }));
      const raw = bindings(options, "raw-d1").map(([name, binding]) => ({
        name,
        service: { name: D1, props: { json: JSON.stringify({ MINIFLARE_NAMESPACE: binding.dev.options.database }) } },
      }));
      return [...far, ...raw];
    },
    getNodeBindings: () => ({}),
    getServices: () => [],
  },
};
