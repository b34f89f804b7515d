#!/bin/sh
# Runs the reconciler once, in the worker that `make dev` started: the cron trigger does not fire on a laptop.
#   make reconcile [PORT=8787]
set -eu

URL="http://127.0.0.1:${PORT:-8787}/__scheduled?cron=*+*+*+*+*"
node -e '
  fetch(process.argv[1]).then(
    (answer) => {
      console.log(answer.ok ? "reconcile: done; the worker has logged what it did" : `reconcile: answered ${answer.status}`);
      process.exit(answer.ok ? 0 : 1);
    },
    () => {
      console.error("reconcile: no worker answers there; start it with `make dev`, or name its port: make reconcile PORT=…");
      process.exit(1);
    },
  );
' "$URL"
