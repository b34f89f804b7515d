#!/bin/sh
# Undoes the newest applied migration of a database.
#   make rollback MIGRATION=0004 [REMOTE=1] [ENV=NAME] [PERSIST=DIR]
# What a rollback needs and what it loses is written at the top of its file in migrations/rollback/.
set -eu
. "$(dirname "$0")/d1.sh"

[ -n "${MIGRATION:-}" ] || fail "which one? For example: make rollback MIGRATION=0004"
set -- migrations/rollback/"${MIGRATION%%_*}"_*.sql
[ -f "$1" ] || fail "there is no migration $MIGRATION: use one of the numbers in migrations/rollback/, such as 0004"
file=$1
name=$(basename "$file")

# Each rollback expects exactly the state that its own migration left behind.
if ! newest=$(query "SELECT name FROM d1_migrations ORDER BY name DESC LIMIT 1"); then
  ! grep -q 'no such table: d1_migrations' "$WORK/answer" || fail "nothing is applied to the $place database $database"
  cat "$WORK/answer" >&2
  fail "the $place database $database does not answer, see above"
fi
[ -n "$newest" ] || fail "nothing is applied to the $place database $database"
if [ "$newest" != "$name" ]; then
  if [ "${newest%%_*}" -lt "${name%%_*}" ]; then
    fail "$name is not applied to the $place database $database, the newest is $newest. Nothing was changed"
  fi
  fail "$newest is newer than $name and has to go first: make rollback MIGRATION=${newest%%_*}. Nothing was changed"
fi

say "undoing $name in the $place database $database"
if [ "$place" = remote ]; then
  say "to come back to this moment (30 days): npx wrangler d1 time-travel restore $database --timestamp=$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  d1 execute "$database" --file "$file" || failed=1
else
  d1 execute "$database" --file "$file" >"$WORK/log" 2>&1 </dev/null || { failed=1; cat "$WORK/log" >&2; }
fi
[ -z "${failed:-}" ] || fail "failed, and nothing was changed. What has to be true first is written at the top of $file"

newest=$(query "SELECT coalesce(max(name), 'none') FROM d1_migrations") || fail "undone, but the database does not answer"
say "done. Newest applied migration: $newest"
