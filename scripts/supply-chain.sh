#!/bin/sh
# Where the parts come from that this is made of and built with. A line for each check; ends with an error when one of
# them finds something.
#
#   sh scripts/supply-chain.sh                          what `make test` runs
#   ADVISORIES=required sh scripts/supply-chain.sh      not knowing about advisories is an error as well
#   ADVISORIES=skip sh scripts/supply-chain.sh          do not even try to reach the advisory database
#
# Once cargo-deny is in .tools nothing here needs the network, but for the advisories: where their database cannot be
# reached the line says that they were not checked.
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
. "$ROOT/scripts/lock.sh"
PATH=$ROOT/node_modules/.bin:$PATH
export PATH

CARGO_DENY_VERSION=0.20.2
# Seconds that the advisory database may take to arrive.
PATIENCE=60

say() { echo "supply-chain: $*"; }
failed=
# found WHAT OUTPUT : this check found something.
found() {
  say "$1: FAILED"
  sed 's/^/  /' "$2" >&2
  failed=1
}

case ${ADVISORIES:-wanted} in
  wanted | required | skip) ;;
  *) say "ADVISORIES=$ADVISORIES is unknown: use required or skip, or leave it out" >&2; exit 1 ;;
esac

WORK=$(mktemp -d "${TMPDIR:-/tmp}/call-ledger.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- cargo-deny, in exactly this version. Here and not in setup.sh, so that nobody waits for it who only wants to run
# the worker. In a shell of its own, which gives the lock back at its end.
deny_version() { .tools/bin/cargo-deny --version 2>/dev/null | awk 'NR == 1 { print $NF }'; }
if [ "$(deny_version)" != "$CARGO_DENY_VERSION" ]; then
  (
    hold_lock setup
    # Another run may have built it meanwhile.
    [ "$(deny_version)" != "$CARGO_DENY_VERSION" ] || exit 0
    say "building cargo-deny $CARGO_DENY_VERSION into .tools (about 3 minutes on two cores, once)"
    # With the versions of its own lock: a checker is worth nothing with parts that nobody chose.
    CARGO_TARGET_DIR="$ROOT/.tools/build" \
      cargo install cargo-deny --version "$CARGO_DENY_VERSION" --root .tools --locked --force --quiet
    rm -rf .tools/build
  )
fi

# --- What the locks promise. `cargo metadata` refuses a Cargo.lock that does not fit Cargo.toml. Crates for other
# systems than this one may not be here yet, the first time.
metadata() { cargo metadata --locked --format-version 1 "$@" >"$WORK/metadata.json" 2>"$WORK/output"; }
if metadata --offline || metadata; then
  say "Cargo.lock: fits Cargo.toml"
else
  found "Cargo.lock" "$WORK/output"
  exit 1
fi

# cargo_lock_sums: every crate that is downloaded has its checksum in the lock. The fuzz targets have a lock of their
# own; what both have they have in the same version.
cargo_lock_sums() {
  node -e '
    const fs = require("fs");
    const faults = [];
    const read = (file) => {
      const crates = fs.readFileSync(file, "utf8").split("[[package]]").slice(1).filter((crate) => /^source = /m.test(crate));
      const field = (crate, name) => crate.match(new RegExp(`^${name} = "(.*)"`, "m"))?.[1];
      for (const crate of crates)
        if (!/^[0-9a-f]{64}$/.test(field(crate, "checksum") ?? "")) faults.push(`${file}: ${field(crate, "name")} has no checksum`);
      return crates.map((crate) => ({ name: field(crate, "name"), version: field(crate, "version") }));
    };
    const crates = read("Cargo.lock");
    for (const { name, version } of read("fuzz/Cargo.lock")) {
      const same = crates.filter((crate) => crate.name === name);
      if (same.length > 0 && !same.some((crate) => crate.version === version))
        faults.push(`fuzz/Cargo.lock: ${name} is ${version}, not ${same[0].version} as in Cargo.lock`);
    }
    for (const fault of faults) console.error(fault);
    console.log(crates.length);
    process.exitCode = faults.length || crates.length === 0 ? 1 : 0;
  '
}

# npm_pins: package.json names exact versions, package-lock.json the same ones with checksums and without addresses, and
# install scripts run for the packages that are named for it and no others.
npm_pins() {
  node -e '
    const read = (file) => JSON.parse(require("fs").readFileSync(file, "utf8"));
    const { devDependencies = {}, dependencies = {}, allowScripts = {} } = read("package.json");
    const { packages } = read("package-lock.json");
    const faults = [];
    const wanted = { ...dependencies, ...devDependencies };
    const locked = { ...packages[""].dependencies, ...packages[""].devDependencies };
    for (const [name, version] of Object.entries(wanted)) {
      if (!/^\d+\.\d+\.\d+$/.test(version)) faults.push(`package.json: ${name} is ${version}, which is no exact version`);
      if (locked[name] !== version || packages["node_modules/" + name]?.version !== version)
        faults.push(`package-lock.json: ${name} is not the ${version} of package.json`);
    }
    for (const name of Object.keys(locked))
      if (!(name in wanted)) faults.push(`package-lock.json: ${name} is not in package.json`);

    // Written into the lock by a registry that did not have them: the runtime for systems other than Linux. On those
    // systems npm takes them unchecked. `npm install --package-lock-only` on one of them fills the gap; then they go
    // from here.
    const WITHOUT_CHECKSUM = ["darwin-64", "darwin-arm64", "windows-64"]
      .map((system) => "node_modules/@cloudflare/workerd-" + system);
    const scripted = [];
    let checked = 0;
    for (const [path, entry] of Object.entries(packages)) {
      if (path === "") continue;
      const excepted = WITHOUT_CHECKSUM.includes(path);
      const name = path.split("node_modules/").pop();
      if (entry.hasInstallScript) scripted.push(name);
      if (entry.link || entry.resolved) faults.push(`package-lock.json: ${path} has an address (resolved, or a link)`);
      if (/^sha512-[A-Za-z0-9+/]{86}==$/.test(entry.integrity ?? "")) {
        checked += 1;
        if (excepted) faults.push(`scripts/supply-chain.sh: ${path} has its checksum now; take it off the list`);
      } else if (!excepted || !entry.optional || entry.os?.includes("linux")) {
        faults.push(`package-lock.json: ${path} has no sha512 checksum`);
      }
    }
    for (const name of scripted)
      if (!allowScripts[name]) faults.push(`package.json: allowScripts does not name ${name}, which has an install script`);
    for (const name of Object.keys(allowScripts))
      if (!scripted.includes(name)) faults.push(`package.json: allowScripts names ${name}, which has no install script`);
    for (const path of WITHOUT_CHECKSUM)
      if (!(path in packages)) faults.push(`scripts/supply-chain.sh: ${path} is not in package-lock.json; take it off the list`);
    for (const fault of faults) console.error(fault);
    const versions = Object.keys(wanted).length;
    console.log(`${versions} exact versions, ${checked} packages with checksums, ${WITHOUT_CHECKSUM.length} known without`);
    process.exitCode = faults.length ? 1 : 0;
  '
}

# python_pins: what the attack runs on, exact versions with checksums and nothing else, such as an address.
python_pins() {
  node -e '
    const text = require("fs").readFileSync("tests/attack/requirements.txt", "utf8");
    const lines = text.replace(/^#.*$/gm, "").replace(/\\\n/g, "").split("\n").filter((line) => line.trim());
    const right = /^[a-z0-9-]+==\d+(\.\d+)+( ; sys_platform == .[a-z0-9]+.)?( +--hash=sha256:[0-9a-f]{64})+ *$/;
    const wrong = lines.filter((line) => !right.test(line));
    for (const line of wrong) console.error("no exact version with checksums: " + line.slice(0, 100));
    console.log(lines.length);
    process.exitCode = wrong.length || lines.length === 0 ? 1 : 0;
  '
}

# unused_crates: a crate that no file of the package names is not needed. By the text, without comments: `name::`,
# `use name` and `extern crate name`. What only tests name belongs to the dev-dependencies.
unused_crates() {
  node -e '
    const fs = require("fs"), path = require("path");
    const { packages, workspace_members } = JSON.parse(fs.readFileSync(process.argv[1], "utf8"));
    const rust = (folder, top = true) => {
      if (!fs.existsSync(folder) || (!top && fs.existsSync(path.join(folder, "Cargo.toml")))) return [];
      return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const file = path.join(folder, entry.name);
        return entry.isDirectory() ? rust(file, false) : entry.name.endsWith(".rs") ? [fs.readFileSync(file, "utf8")] : [];
      });
    };
    const uncommented = (text) => text.replace(/^\s*\/\/.*$/gm, "").replace(/\s\/\/ .*$/gm, "");
    const faults = [];
    let count = 0;
    for (const member of packages.filter((one) => workspace_members.includes(one.id))) {
      const home = path.dirname(member.manifest_path);
      const folder = (...names) => names.flatMap((name) => rust(path.join(home, name))).map(uncommented).join("\n");
      const script = path.join(home, "build.rs");
      const texts = {
        normal: folder("src"),
        dev: folder("src", "tests", "benches", "examples"),
        build: fs.existsSync(script) ? uncommented(fs.readFileSync(script, "utf8")) : "",
      };
      for (const crate of member.dependencies) {
        const kind = crate.kind ?? "normal";
        const name = (crate.rename ?? crate.name).replaceAll("-", "_");
        const used = new RegExp(`(?<![\\w:])(?:::)?${name}\\s*::|\\b(?:use|extern crate)\\s+(?:::)?${name}\\b`)
          .test(texts[kind]);
        count += 1;
        if (!used) faults.push(`${member.name}: nothing names ${crate.name} (${kind} dependency)`);
      }
    }
    for (const fault of faults) console.error(fault);
    console.log(count);
    process.exitCode = faults.length || count === 0 ? 1 : 0;
  ' "$WORK/metadata.json"
}

if cargo_lock_sums >"$WORK/count" 2>"$WORK/output"; then
  say "Cargo.lock: $(cat "$WORK/count") crates, each with its checksum"
else
  found "Cargo.lock" "$WORK/output"
fi
if npm_pins >"$WORK/count" 2>"$WORK/output"; then
  say "package-lock.json: $(cat "$WORK/count")"
else
  found "package-lock.json" "$WORK/output"
fi
if python_pins >"$WORK/count" 2>"$WORK/output"; then
  say "tests/attack/requirements.txt: $(cat "$WORK/count") exact versions with checksums"
else
  found "tests/attack/requirements.txt" "$WORK/output"
fi
if unused_crates >"$WORK/count" 2>"$WORK/output"; then
  say "dependencies: all $(cat "$WORK/count") are used"
else
  found "dependencies" "$WORK/output"
fi

# --- What deny.toml says. The flags make a line of it that is no longer needed an error.
# deny FLAG… check CHECK FLAG…
deny() { .tools/bin/cargo-deny --locked --color never "$@" --hide-inclusion-graph >"$WORK/output" 2>&1; }
if deny --offline check licenses; then say "licences: only those that deny.toml allows"; else found "licences" "$WORK/output"; fi
if deny --offline check bans --deny unmatched-skip --deny unnecessary-skip; then
  say "crates: no version twice, none by a wildcard, no build script that deny.toml does not name"
else
  found "crates" "$WORK/output"
fi
if deny --offline check sources; then say "sources: the registry only, no repositories"; else found "sources" "$WORK/output"; fi

# --- Known holes. The only part that asks the network, and the only one whose answer changes from day to day.
# fetch_advisories: brings the database up to date, or gives up.
fetch_advisories() {
  .tools/bin/cargo-deny --locked --color never fetch db >"$WORK/output" 2>&1 </dev/null &
  fetching=$!
  waited=0
  while kill -0 "$fetching" 2>/dev/null; do
    if [ "$waited" -ge $((PATIENCE * 10)) ]; then
      kill "$fetching" 2>/dev/null || true
      echo "it did not arrive within $PATIENCE seconds" >>"$WORK/output"
    fi
    sleep 0.1 2>/dev/null || { sleep 1; waited=$((waited + 9)); }
    waited=$((waited + 1))
  done
  wait "$fetching"
}
if [ "${ADVISORIES:-}" = skip ]; then
  say "advisories: NOT CHECKED, because ADVISORIES=skip"
elif ! fetch_advisories; then
  why=$(tr '\n' ' ' <"$WORK/output" | cut -c 1-300)
  if [ "${ADVISORIES:-}" = required ]; then
    echo "$why" >"$WORK/output"
    found "advisories: the database cannot be reached" "$WORK/output"
  else
    say "advisories: NOT CHECKED, the advisory database cannot be reached from here; run this where it can"
  fi
elif deny check advisories --deny advisory-not-detected --deny yanked-not-detected --deny index-failure; then
  say "advisories: none known for these versions, and none of them withdrawn"
else
  found "advisories" "$WORK/output"
fi

[ -z "$failed" ] || exit 1
