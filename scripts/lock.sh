# Sourced, not run: `hold_lock NAME` waits until no other run holds NAME and holds it until this script ends.
# The caller has set ROOT. A child inherits the lock and holds it for as long as it lives, unless started with `9>&-`.

hold_lock() {
  mkdir -p "$ROOT/.tools"
  lock=$ROOT/.tools/lock.$1

  # flock: the kernel gives the lock back however the process ends.
  if command -v flock >/dev/null 2>&1; then
    exec 9>"$lock"
    flock -n 9 || { echo "waiting for another run of $1 …"; flock 9; }
    return
  fi

  # Without flock (macOS): a directory, which only one process can create, with the owner's process id in it.
  lock=$lock.d
  said=
  until mkdir "$lock" 2>/dev/null; do
    owner=$(cat "$lock/pid" 2>/dev/null || true)
    if [ -n "$owner" ]; then
      kill -0 "$owner" 2>/dev/null || abandoned=1
    else
      # Created but not signed: its owner died in between, unless it is only just doing so.
      [ -z "$(find "$lock" -prune -mmin +1 2>/dev/null)" ] || abandoned=1
    fi
    if [ -n "${abandoned:-}" ]; then
      abandoned=
      # Moving is atomic: of several that wait, one gets it.
      if mv "$lock" "$lock.$$" 2>/dev/null; then
        rm -rf "$lock.$$"
      fi
      continue
    fi
    [ -n "$said" ] || { echo "waiting for another run of $1 …"; said=1; }
    sleep 1
  done
  echo $$ >"$lock/pid"
  trap 'rm -rf "$lock"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}
