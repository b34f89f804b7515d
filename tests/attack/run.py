"""Attacks the built worker with what Schemathesis makes of its own description. `scripts/attack.sh` starts this."""

import argparse
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

import requests
import world
from world import Failed, World

HERE = Path(__file__).resolve().parent


def say(text):
    print(f"attack: {text}", flush=True)


class Attack:
    """The worlds, what goes on in them, and what came of it."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.worlds, self.running, self.failures, self.stopping = [], [], [], False

    def check(self, holds, otherwise):
        if not holds:
            self.failures.append(otherwise)
            say(f"FAILED: {otherwise}")

    def schemathesis(self, name, target, who, *arguments):
        """One run of Schemathesis. What it says is shown where it found something."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
            # The order of sets, so that a seed means the same requests.
            "PYTHONHASHSEED": "0",
            "ATTACK_HOOKS": str(HERE / "hooks.py"),
            "ATTACK_AS": who,
            "ATTACK_API_TOKEN": world.API_TOKEN,
            "ATTACK_WEBHOOK_TOKEN": target.webhook_token,
            "ATTACK_WEBHOOK_SECRET": world.WEBHOOK_SECRET,
        }
        command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", HERE / "schemathesis.toml", "run"]
        command += [f"{target.url}/openapi.json", f"--seed={self.options.seed}", *arguments]
        if self.stopping:
            raise Failed("stopped")
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            run = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            self.running.append(run)
            run.wait()
        if self.stopping:
            raise Failed("stopped")
        said = log.read_text(errors="replace")
        sent = re.search(r"^ *(\d+) generated", said, re.MULTILINE)
        say(f"{name}: {sent[1] if sent else 'no'} requests, {'ok' if run.returncode == 0 else 'FAILED'}")
        if run.returncode or not sent:
            print(said, flush=True)
            self.failures.append(name)

    def authorised(self, target):
        """With every right there is: all that goes in is judged, and all that comes out."""
        options = self.options
        budget = [f"--max-examples={options.examples}", "--phases=examples,coverage,fuzzing"]
        if options.minutes:
            budget = [f"--max-time={60 * options.minutes}", "--phases=examples,coverage,fuzzing,stateful"]
        self.schemathesis("the owner of all secrets", target, "owner", *budget)
        target.wait_until_idle()
        # An attack that never gets past the door would find nothing either.
        answered = {line["route"] for line in target.log() if is_request(line) and line["status"] < 300}
        self.check(len(answered) == 8, f"only these routes have answered anything but errors: {sorted(answered)}")
        applied = [line for line in target.log() if is_request(line) and line.get("code") == "applied"]
        self.check(applied, "no event was applied to a call")

        dialled = [call["call_sid"] for call in target.books()["calls"]]
        self.check(len(dialled) == len(set(dialled)), "a call was dialled twice")
        with target.copied() as database:
            (recorded,) = database.execute("SELECT count(*) FROM calls").fetchone()
            self.check(recorded == len(dialled), f"{len(dialled)} calls were dialled, and {recorded} are on record")
            gaps = database.execute(
                "SELECT conversation_id FROM call_transcriptions GROUP BY conversation_id"
                " HAVING min(sequence_number) <> 1 OR max(sequence_number) <> count(*)"
            ).fetchall()
            self.check(not gaps, f"turns are not numbered without gaps: {gaps}")

    def unauthorised(self, target):
        """Without a right, and with wrong ones: nothing may be learnt, stored or dialled."""
        few = ["--phases=examples,coverage,fuzzing", f"--max-examples={(self.options.examples or 300) // 3 + 1}"]
        before, dialled = target.stored(), target.books()["requests_total"]
        for name, who in {"nobody": "nobody", "a stranger with wrong secrets": "stranger"}.items():
            self.schemathesis(name, target, who, *few)
            target.wait_until_idle()
            self.check(target.stored() == before, f"{name} has changed the database")
            self.check(target.books()["requests_total"] == dialled, f"{name} has made a phone ring")
        self.schemathesis("the turns' token, once one is set", target, "owner", *few, "--include-operation-id=recordTurn")
        target.wait_until_idle()
        self.check(target.stored() != before, "no turn was stored with the turns' token")

    def run(self):
        state = world.migrated(self.folder / "state")
        say("starting two workers, one of them with a token for turns")
        for name, token in {"open": "", "closed": world.WEBHOOK_TOKEN}.items():
            self.worlds.append(World(self.folder / name, state, self.options.simulator, token))
        for target in self.worlds:
            target.wait_until_healthy()
            target.seed()
        attacks = [
            threading.Thread(target=self.to_its_end, args=(attack, target), daemon=True)
            for attack, target in zip((self.authorised, self.unauthorised), self.worlds)
        ]
        for one in attacks:
            one.start()
        for one in attacks:
            one.join()
        for target in self.worlds:
            self.check(target.ask("/health").json()["status"] == "ok", "the worker is not well afterwards")
            complaints = list(target.complaints())
            self.check(not complaints, "\n  ".join(["the worker's log has", *complaints[:20]]))

    def to_its_end(self, attack, target):
        try:
            attack(target)
        except Exception:
            self.check(self.stopping, traceback.format_exc())

    def stop(self):
        self.stopping = True
        for run in self.running:
            if run.poll() is None:
                run.kill()
        for target in self.worlds:
            target.stop()


def is_request(line):
    return isinstance(line, dict) and line["event"] == "request"


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulator", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--examples", type=int, default=0)
    parser.add_argument("--minutes", type=int, default=0)
    return parser.parse_args()


def main():
    given = options()
    bound = f"MINUTES={given.minutes}" if given.minutes else f"EXAMPLES={given.examples}"
    again = f"make attack SEED={given.seed} {bound}"
    say(f"by a seed; the same again with: {again}")
    folder = Path(tempfile.mkdtemp(prefix="call-ledger-attack-"))
    attack = Attack(folder, given)
    try:
        attack.run()
    except (Failed, requests.RequestException) as failure:
        attack.failures.append(str(failure))
        say(f"FAILED: {failure}")
    finally:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        if sys.exc_info()[0]:
            say("stopping")
        attack.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if attack.failures:
        sys.exit(f"attack: FAILED, see above. The same again with: {again}")
    say("everything was answered as the description says, and nobody got in")


if __name__ == "__main__":
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda number, _: sys.exit(128 + number))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
