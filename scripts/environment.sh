# Sourced, not run: what all scripts that call wrangler for a person begin with. Goes to the project's folder, finds the
# wrangler installed there, and looks whether wrangler.toml has the environment that is asked for.
#   ENV=NAME                    that environment of wrangler.toml; left out, its top level

ROOT=$(cd "$(dirname "$0")/.." && pwd)
GIVEN_IN=$(pwd)
cd "$ROOT"
# wrangler runs on the Node installed here, not on whatever the system has.
PATH=$ROOT/node_modules/.bin:$PATH
WRANGLER_SEND_METRICS=false
export PATH WRANGLER_SEND_METRICS
COMMAND=$(basename "$0" .sh)
ENV=${ENV:-}

say() { echo "$COMMAND: $*"; }
fail() { echo "$COMMAND: $*" >&2; exit 1; }

# absolute PATH : a relative one is relative to where the command was given.
absolute() {
  case $1 in
    '' | /*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$GIVEN_IN/$1" ;;
  esac
}

# environments : their names, a line each.
environments() {
  sed -n 's/^[[:space:]]*\[\{1,2\}env\.\([A-Za-z0-9_-]\{1,\}\)[].].*/\1/p' wrangler.toml | sort -u
}

[ -x node_modules/.bin/wrangler ] || fail "wrangler is not installed yet: make setup"
known=
for name in '' $(environments); do
  [ "$name" != "$ENV" ] || known=1
done
[ -n "$known" ] || fail "ENV=$ENV is not in wrangler.toml: leave it out for the top level, or use one of:" $(environments)
