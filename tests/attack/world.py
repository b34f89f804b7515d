"""A built worker under `wrangler dev` with a database of its own, and a simulated ElevenLabs beside it."""

import contextlib
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

import requests

PROJECT = Path(__file__).resolve().parents[2]

API_TOKEN = "attack-api-token-5f1d"
WEBHOOK_TOKEN = "attack-webhook-token-90b3"
WEBHOOK_SECRET = "wsec_attack_c27e"
API_KEY = "attack-elevenlabs-key-11aa"

PLACED_AT = "2025-11-21T10:30:00Z"
# Driver, number of the simulator's table: one call of every kind that a reader can meet.
DRIVERS = {
    1: "+15550100000",  # completed, with turns
    2: "+15550100202",  # in progress, with turns
    3: "+15550100209",  # in progress for ever, with turns
    4: "+15550100100",  # refused
    5: "+15550100186",  # busy
    # Of unclear outcome, without a conversation.
    **dict.fromkeys((6, 7, 8), "+15550100160"),
}

# Runs "$@" until standard input ends, and that is when the process that started it is gone, however it went. Then
# everything it started is ended: all of it is in this shell's process group.
WATCHDOG = """
trap '' TERM
(trap - TERM; exec "$@") </dev/null &
child=$!
read -r line
kill -s TERM 0
patience=50
while kill -s 0 "$child" 2>/dev/null && [ "$patience" -gt 0 ]; do
  sleep 0.1
  patience=$((patience - 1))
done
kill -s KILL 0
"""

# Everything is on this machine, whatever proxy the machine uses.
os.environ.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{PROJECT}/node_modules/.bin:{os.environ['PATH']}",
    "WRANGLER_SEND_METRICS": "false",
    "WRANGLER_WRITE_LOGS": "false",
    # Where this machine is on the globe is of no interest, and asking takes seconds without a network.
    "CLOUDFLARE_CF_FETCH_ENABLED": "false",
    "NO_COLOR": "1",
}


class Failed(Exception):
    """What went wrong, for the person who runs this."""


class Process:
    """A program that ends together with this one. What it says goes into a file."""

    def __init__(self, arguments, log, folder=PROJECT, environment=ENVIRONMENT):
        self.log = log
        with log.open("ab") as output:
            self.watchdog = subprocess.Popen(
                ["sh", "-c", WATCHDOG, "watchdog", *map(str, arguments)],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self):
        self.watchdog.stdin.close()
        self.watchdog.wait()

    def said(self):
        return self.log.read_text(errors="replace").splitlines()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(ready, what, process, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if found := ready():
                return found
        except (OSError, requests.RequestException):
            pass
        time.sleep(0.1)
    last = "\n".join(process.said()[-40:])
    raise Failed(f"{what}. The last lines were:\n{last}")


def without_table(toml, table):
    """TOML without one of its tables."""
    kept, inside = [], False
    for line in toml.splitlines():
        if line.startswith("["):
            inside = line.strip() == table
        if not inside:
            kept.append(line)
    return "\n".join(kept) + "\n"


def migrated(folder):
    """An empty database under all migrations, in a folder of local state."""
    migrate = subprocess.run(
        ["cargo", "run", "--quiet", "--locked", "--package", "ledger-tools", "--", "migrate"],
        cwd=PROJECT,
        env={**ENVIRONMENT, "PERSIST": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if migrate.returncode:
        raise Failed(f"the migrations failed:\n{migrate.stdout}{migrate.stderr}")
    return folder


class World:
    """The worker, its database and its ElevenLabs, all in one folder that `run.py` deletes."""

    def __init__(self, folder, state, simulator, webhook_token=""):
        self.folder, self.webhook_token = folder, webhook_token
        self.url = f"http://127.0.0.1:{free_port()}"
        folder.mkdir()
        for name in ("build", "migrations"):
            shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("worker", "rollback"))
        shutil.copytree(state, folder / "state")
        toml = (PROJECT / "wrangler.toml").read_text()
        (folder / "wrangler.toml").write_text(without_table(toml, "[build]"))

        ready = folder / "simulator.url"
        names = {"api-key": API_KEY, "webhook-secret": WEBHOOK_SECRET, "webhook-token": webhook_token}
        environment = {f"SIMULATOR_{name.upper().replace('-', '_')}": value for name, value in names.items()}
        self.simulator = Process(
            [simulator, "--port", 0, "--ready-file", ready, "--worker-url", self.url, "--pace-ms", 0, "--grace-ms", 100],
            folder / "simulator.log",
            environment={**ENVIRONMENT, **environment},
        )
        self.elevenlabs = wait_until(
            lambda: ready.exists() and ready.read_text().strip(), "the simulator does not start", self.simulator
        )
        variables = {
            "API_TOKEN": API_TOKEN,
            "ELEVENLABS_API_KEY": API_KEY,
            "ELEVENLABS_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "ELEVENLABS_AGENT_ID": "agent_dev",
            "ELEVENLABS_PHONE_NUMBER_ID": "phnum_dev",
            "ELEVENLABS_BASE_URL": self.elevenlabs,
            "ELEVENLABS_TIMEOUT_SECS": "20",
            **({"WEBHOOK_TOKEN": webhook_token} if webhook_token else {}),
        }
        (folder / ".dev.vars").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        port = self.url.rpartition(":")[2]
        self.worker = Process(
            [*"wrangler dev --env= --ip 127.0.0.1 --inspector-port 0 --show-interactive-dev-session=false".split(),
             "--port", port, "--persist-to", "state"],
            folder / "worker.log",
            folder,
            {**ENVIRONMENT, "WRANGLER_REGISTRY_PATH": str(folder / "registry")},
        )

    def stop(self):
        for process in (getattr(self, "worker", None), getattr(self, "simulator", None)):
            if process:
                process.stop()

    def ask(self, path, token=API_TOKEN, **options):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        method = "POST" if "json" in options else "GET"
        return requests.request(method, self.url + path, headers=headers, timeout=30, **options)

    def wait_until_healthy(self):
        wait_until(
            lambda: self.ask("/health", token="").status_code == 200, "/health does not answer 200", self.worker
        )

    def seed(self):
        """Calls of every kind, so that the names the attack knows lead to something."""
        drivers = [{"driverId": driver, "phoneNumber": number} for driver, number in DRIVERS.items()]
        placed = self.ask("/driver_data/call-elevenlabs", json={"timestamp": PLACED_AT, "drivers": drivers})
        if placed.status_code != 207:
            raise Failed(f"the first calls are not placed as they should: {placed.status_code} {placed.text}")
        self.wait_until_idle()
        self.begun = len(self.worker.said())

    def wait_until_idle(self):
        """Until every conversation was played and its turns and events are delivered."""
        wait_until(lambda: self.books()["under_way"] == 0, "the simulator does not come to rest", self.simulator)

    def books(self):
        return requests.get(f"{self.elevenlabs}/_simulator/calls", timeout=30).json()

    def copied(self):
        """The database as it is now. A copy of its files: a second reader could be in the worker's way."""
        files = (self.folder / "state/v3/d1/miniflare-D1DatabaseObject").glob("*.sqlite")
        (file,) = (file for file in files if file.stem != "metadata")
        copies = self.folder / "copy"
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir()
        for part in file.parent.glob(f"{file.name}*"):
            shutil.copy(part, copies)
        return contextlib.closing(sqlite3.connect(copies / file.name))

    def stored(self):
        """Every row of every table."""
        with self.copied() as database:
            tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            names = [name for (name,) in tables if not name.startswith(("_cf_", "sqlite_"))]
            return {name: sorted(database.execute(f'SELECT * FROM "{name}"'), key=repr) for name in names}

    def log(self):
        """The lines of the worker's log since the attack began: parsed where they are its own, else as they stand."""
        for line in self.worker.said()[self.begun :]:
            at = line.find('{"level"')
            yield json.JSONDecoder().raw_decode(line[at:])[0] if at >= 0 else line

    def complaints(self):
        """What the worker should not have written into its log, whatever came."""
        for line in self.log():
            if isinstance(line, str):
                if re.search(r"panicked|RuntimeError|Uncaught|ERROR", line):
                    yield line
            # An invented event or turn can name a call that has another conversation. That has to be reported.
            elif line["level"] != "info" and line.get("code") != "conversation_conflict":
                yield json.dumps(line)
