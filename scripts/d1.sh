# Sourced, not run: what migrate.sh and rollback.sh have in common. Reads from the environment
#   REMOTE=1                    the database at Cloudflare, not the local one
#   ENV=NAME                    that environment of wrangler.toml
#   PERSIST=DIR                 the folder of the local state, when it is not .wrangler/state

. "$(dirname "$0")/environment.sh"
PERSIST=$(absolute "${PERSIST:-}")

# The name of that environment's database, as wrangler.toml has it.
table="[[${ENV:+env.$ENV.}d1_databases]]"
database=$(awk -v table="$table" '
  /^[ \t]*\[/ { inside = ($1 == table) }
  inside && $1 == "database_name" { sub(/^[^"]*"/, ""); sub(/".*/, ""); print; exit }
' wrangler.toml)
[ -n "$database" ] || fail "wrangler.toml has no $table with a database_name"
# A table that was copied, and its id forgotten, would bring the migrations of one fleet to another's database.
twice=$(sed -n 's/^[[:space:]]*database_id[[:space:]]*=[[:space:]]*"\([^"]*\)".*/\1/p' wrangler.toml | sort | uniq -d)
[ -z "$twice" ] || fail "in wrangler.toml several environments have the same database_id: $twice"

if [ "${REMOTE:-}" = 1 ]; then
  [ -z "$PERSIST" ] || fail "PERSIST is for the local database, REMOTE=1 for the one at Cloudflare: use one of them"
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
  wrangler d1 "$@" --env "$ENV"
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
