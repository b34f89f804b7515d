# Sourced, not run: what migrate.sh and rollback.sh have in common. Reads from the environment
#   REMOTE=1                    the database at Cloudflare, not the local one
#   ENV=staging|production      that environment of wrangler.toml
#   PERSIST=DIR                 the folder of the local state, when it is not .wrangler/state

ROOT=$(cd "$(dirname "$0")/.." && pwd)
# A relative PERSIST is relative to where the command was given.
case ${PERSIST:-} in
  '' | /*) ;;
  *) PERSIST=$(pwd)/$PERSIST ;;
esac
cd "$ROOT"
# wrangler runs on the Node installed here, not on whatever the system has.
PATH=$ROOT/node_modules/.bin:$PATH
WRANGLER_SEND_METRICS=false
export PATH WRANGLER_SEND_METRICS
COMMAND=$(basename "$0" .sh)

say() { echo "$COMMAND: $*"; }
fail() { echo "$COMMAND: $*" >&2; exit 1; }

[ -x node_modules/.bin/wrangler ] || fail "wrangler is not installed yet: make setup"

case ${ENV:-} in
  '') database=call-ledger ;;
  staging | production) database=call-ledger-$ENV ;;
  *) fail "ENV=$ENV is unknown: leave it out, or use ENV=staging or ENV=production" ;;
esac
if [ "${REMOTE:-}" = 1 ]; then
  [ -z "${PERSIST:-}" ] || fail "PERSIST is for the local database, REMOTE=1 for the one at Cloudflare: use one of them"
  place=remote
else
  [ -z "${REMOTE:-}" ] || fail "REMOTE=$REMOTE is unknown: use REMOTE=1, or leave it out for the local database"
  place=local
fi

WORK=$(mktemp -d "${TMPDIR:-/tmp}/call-ledger.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# d1 SUBCOMMAND… : wrangler d1 with the database and the flags for it. The environment is named even when it is the
# top level, so that wrangler need not warn that there are several.
d1() {
  if [ "$place" = remote ]; then
    set -- "$@" --remote
  else
    set -- "$@" --local --persist-to "${PERSIST:-$ROOT/.wrangler/state}"
  fi
  wrangler d1 "$@" --env "${ENV:-}"
}

# query SQL : the first row of the answer, one value a line. The answer or the error stays in $WORK/answer.
query() {
  d1 execute "$database" --json --command "$1" >"$WORK/answer" 2>&1 </dev/null || return 1
  node -e '
    const answer = require("fs").readFileSync(process.argv[1], "utf8");
    const [row] = JSON.parse(answer.slice(answer.indexOf("[")))[0].results;
    for (const value of Object.values(row ?? {})) console.log(value ?? "");
  ' "$WORK/answer"
}
