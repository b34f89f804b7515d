# `make` says what there is. Everything it installs stays in this folder (.tools/, node_modules/), apart from the Rust
# target for WebAssembly.

# wrangler and wasm-opt run on the Node that npm installs here, whatever the system has.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

# What runs wrangler for a person: tools/. Variables given to make (ENV=…, REMOTE=1) reach it through the environment.
TOOLS = cargo run --quiet --locked --package ledger-tools --

# The test binaries that need nothing but Rust, for `make t`.
RUST_TESTS = --package call-ledger --lib --test host --test properties --test simulation

.PHONY: help quick t setup supply-chain dev reconcile tail test build fmt lint lint-rust test-host test-scripts test-worker test-attack attack soak properties fuzz mutants load bench migrate rollback import clean distclean

help:
	@echo 'Only Rust is needed for these:'
	@echo 'make quick        after each change: format check, clippy, unit tests, host tests, 300 simulated worlds'
	@echo 'make t T=name     the tests whose name contains this: units, host, properties, simulation. A test of the built'
	@echo '                  worker: make build && CALL_LEDGER_SKIP_BUILD=1 cargo test --test worker name'
	@echo 'make test-host    all tests that need no built worker'
	@echo 'make fmt          format the code'
	@echo 'make lint-rust    format check and clippy for all code'
	@echo 'make properties   the parsers and the routes with many more random inputs: [CASES=20000] [SEED=n]'
	@echo 'make soak         the simulation with many more seeds: [SEEDS=1000000] [FIRST_SEED=1]'
	@echo 'make fuzz         libFuzzer on the same properties, with nightly Rust: [TARGET=time] [SECONDS=60]'
	@echo
	@echo 'These also need Node:'
	@echo 'make setup        install the build tools into this folder (half a minute the first time)'
	@echo 'make dev          run everything on this machine, with a simulated ElevenLabs'
	@echo '                    [PORT=8787] [SIMULATOR_PORT=8790]'
	@echo 'make reconcile    run the reconciler of the worker that make dev started [PORT=8787]'
	@echo 'make test         every check there is: dependencies, format, lints, tests, release build, size, tests of the built worker'
	@echo 'make build        the release build, into build/'
	@echo 'make lint         make lint-rust, and openapi.json'
	@echo 'make test-scripts the tests of the scripts in JavaScript'
	@echo 'make test-worker  the tests of the built worker only'
	@echo 'make attack       hostile requests made of openapi.json against the built worker; needs python3, 3.11 or newer'
	@echo '                    [MINUTES=10 | EXAMPLES=n] [SEED=n]'
	@echo 'make mutants      plant bugs, one after the other, and see the simulation find each'
	@echo 'make load         fleets, crashes, and a comparison of every record'
	@echo '                    [MINUTES=10] [FLEETS=12] [CALLS=6] [READS=10] [CRASHES=n] [SEED=1] [SABOTAGE=…]'
	@echo 'make bench        the built worker against others; with WRITE=1 docs/performance.md gets its tables'
	@echo '                    [ROUNDS=9] [QUICK=1] [WRITE=1]'
	@echo 'make supply-chain dependencies: licences, sources, pins, nothing unused [ADVISORIES=required|skip]'
	@echo 'make tail         follow the log of a deployed worker [ENV=…] [LEVEL=error] [CALL=EL_…]'
	@echo 'make migrate      apply the migrations to the local database'
	@echo '                    [REMOTE=1] [ENV=…] [UPTO=0002] [PERSIST=DIR]'
	@echo 'make rollback     undo the newest migration: MIGRATION=0004'
	@echo '                    [REMOTE=1] [ENV=…] [PERSIST=DIR]'
	@echo 'make import       bring in the record of an older system: CALLS=calls.csv TURNS=turns.csv (docs/importing.md)'
	@echo '                    [REMOTE=1] [ENV=…] [PERSIST=DIR]'
	@echo 'make clean        delete what was built; distclean: also the tools and the local database'

# The steps of a recipe run one after the other, and the first that fails ends it.
test: setup supply-chain lint test-host test-scripts build test-worker test-attack
	@why=$$(sh scripts/attack.sh missing); if [ -z "$$why" ]; then echo 'test: everything passed'; \
	  else echo "test: everything that could run passed; NOT RUN: the attack, because $$why"; fi

setup:
	@sh scripts/prerequisites.sh
	@sh scripts/setup.sh

dev:
	@sh scripts/dev.sh

reconcile:
	@sh scripts/reconcile.sh

supply-chain: setup
	@sh scripts/supply-chain.sh

tail: setup
	@$(TOOLS) tail

build: setup
	@sh scripts/build.sh
	@sh scripts/check-size.sh

fmt:
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml

# Compiles once, then runs: the three binaries take both cores each. The lints of the tests are left to `make lint`.
quick:
	@echo 'quick: format'
	@cargo fmt --all --check
	@echo 'quick: clippy'
	@cargo clippy --quiet --locked --package call-ledger --lib -- -D warnings
	@echo 'quick: units, host tests, 300 simulated worlds'
	@SEEDS=$(or $(SEEDS),300) cargo test --quiet --locked --package call-ledger --lib --test host --test simulation

t:
	@test -n '$(T)' || { echo 't: name a test, or a part of its name: make t T=late_turn' >&2; exit 1; }
	@cargo test --quiet --locked $(RUST_TESTS) --no-run
	@cargo test --quiet --locked $(RUST_TESTS) -- --list '$(T)' | grep -q ': test$$' || { \
	  echo 't: no test of the units, host, properties or simulation has $(T) in its name. A test of the built worker:' >&2; \
	  echo '   make build && CALL_LEDGER_SKIP_BUILD=1 cargo test --test worker $(T)' >&2; exit 1; }
	@cargo test --quiet --locked $(RUST_TESTS) -- '$(T)'

lint-rust:
	@sh scripts/setup.sh rust
	@echo 'lint: is the code formatted?'
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	@echo 'lint: clippy for this machine, warnings are errors'
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@echo 'lint: clippy for WebAssembly, warnings are errors'
	cargo clippy --locked --lib --target wasm32-unknown-unknown -- -D warnings
	@echo 'lint: clippy for the fuzz targets, without the fuzzer'
	cargo clippy --locked --manifest-path fuzz/Cargo.toml --no-default-features \
	  --target-dir "$${CARGO_TARGET_DIR:-target}" -- -D warnings

lint: setup lint-rust
	@echo 'lint: openapi.json by redocly.yaml, warnings are errors'
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true redocly lint openapi.json --lint-config error

test-host:
	@echo 'test: units, migrations and the simulated world, on this machine'
	cargo test --locked --package call-ledger --lib --bins --test host
	@echo 'test: what holds of every input, with thousands of invented ones'
	cargo test --locked --package call-ledger --test properties
	@echo 'test: every promise in thousands of simulated worlds'
	cargo test --locked --package call-ledger --test simulation
	@echo 'test: the simulated ElevenLabs itself'
	cargo test --locked --package elevenlabs-simulator --tests
	@echo 'test: migrating, rolling back, importing and following the log, over stand-ins for wrangler'
	cargo test --locked --package ledger-tools
	@echo 'test: the comparison that the load test makes'
	cargo test --locked --package load-test
	@echo 'test: examples in the documentation'
	cargo test --locked --workspace --doc

test-scripts: setup
	@echo 'test: the scripts in JavaScript'
	node --test tests/scripts/*.test.mjs

test-worker: build
	@echo 'test: the built worker under wrangler dev'
	CALL_LEDGER_SKIP_BUILD=1 cargo test --locked --test worker

test-attack: build
	@echo 'test: a short attack on the built worker, with requests made of openapi.json'
	@sh scripts/attack.sh bounded

attack: build
	@sh scripts/attack.sh

soak:
	@echo "soak: $(or $(SEEDS),1000000) seeds from $(or $(FIRST_SEED),1) on; the first broken promise ends it"
	SEEDS=$(or $(SEEDS),1000000) FIRST_SEED=$(or $(FIRST_SEED),1) \
	  cargo test --locked --release --package call-ledger --test simulation every -- --nocapture

# The seed is printed before the run, so that it is known also of a run that was broken off.
properties:
	@seed=$(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')); cases=$(or $(CASES),20000); \
	  echo "properties: SEED=$$seed CASES=$$cases"; \
	  SEED=$$seed CASES=$$cases cargo test --locked --package call-ledger --test properties

# Nightly Rust is needed for this and for nothing else, so it is not a part of `make test`.
fuzz:
	@FUZZ_TARGET='$(TARGET)' FUZZ_SECONDS='$(SECONDS)' sh scripts/fuzz.sh

mutants: setup
	@node scripts/mutants.mjs

load: build
	@echo 'load: fleets, crashes, and a comparison of every record'
	cargo run --quiet --locked --package load-test -- $(if $(MINUTES),--minutes $(MINUTES)) $(if $(FLEETS),--fleets $(FLEETS)) \
	  $(if $(CALLS),--calls $(CALLS)) $(if $(READS),--reads $(READS)) $(if $(CRASHES),--crashes $(CRASHES)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(SABOTAGE),--sabotage $(SABOTAGE))

bench: build
	@node bench/run.mjs $(if $(filter 1,$(WRITE)),--write) $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds=$(ROUNDS))

migrate: setup
	@$(TOOLS) migrate

rollback: setup
	@$(TOOLS) rollback

import: setup
	@$(TOOLS) import

clean:
	rm -rf target build

distclean: clean
	rm -rf .tools node_modules .wrangler

# One step at a time, also under `make -j`: they share two cores, one cargo folder and each other's results.
.NOTPARALLEL:
