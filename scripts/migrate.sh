#!/bin/sh
# Applies the migrations that a database does not have yet, then says what it holds.
#   make migrate [REMOTE=1] [ENV=NAME] [UPTO=0002] [PERSIST=DIR]
set -eu
. "$(dirname "$0")/d1.sh"

config=$ROOT/wrangler.toml
if [ -n "${UPTO:-}" ]; then
  set -- migrations/"$UPTO"_*.sql
  [ -f "$1" ] || fail "there is no migration $UPTO: UPTO takes one of the numbers in migrations/, such as 0002"
  # wrangler applies all it finds, so it is shown a folder that holds only the wanted ones, beside a copy of the
  # configuration (which names the folder relative to itself).
  mkdir "$WORK/migrations"
  for file in migrations/[0-9]*.sql; do
    number=${file#migrations/}
    number=${number%%_*}
    [ "$number" -gt "$UPTO" ] || cp "$file" "$WORK/migrations/"
  done
  cp wrangler.toml "$WORK/"
  config=$WORK/wrangler.toml
fi

say "applying to the $place database $database${UPTO:+, up to $UPTO}"
if [ "$place" = remote ]; then
  # Shown as it comes: wrangler asks before it begins.
  d1 migrations apply "$database" --config "$config"
else
  d1 migrations apply "$database" --config "$config" >"$WORK/log" 2>&1 </dev/null \
    || { cat "$WORK/log" >&2; fail "failed, see above. The migration that failed has changed nothing"; }
  sed -n '/to be applied/,/└/ s/^│ \([0-9][^ ]*\.sql\).*/  \1/p' "$WORK/log"
fi

# Before 0001 there is no column call_sid in calls. The name then means the outer one, which is never NULL, so that
# one question will do for every state.
query "SELECT
    (SELECT max(name) FROM d1_migrations) AS newest,
    (SELECT count(*) FROM calls) AS calls,
    (SELECT count(*) FROM calls WHERE call_sid IS NULL) AS unnamed
  FROM (SELECT '' AS call_sid)" >"$WORK/counts" \
  || { cat "$WORK/answer" >&2; fail "applied, but the database does not answer"; }
{ read -r newest; read -r calls; read -r unnamed; } <"$WORK/counts"
case $newest in
  0000_*) unnamed="the column call_sid comes with 0001" ;;
  *) unnamed="$unnamed without call_sid" ;;
esac
say "newest is $newest. Calls: $calls, $unnamed"
