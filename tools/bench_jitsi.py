"""Measures what herdd adds to a start of Jitsi Meet: `bench_jitsi.py [--runs N]`, as root.

`herd start jvb`, from nothing to all three ready, against the sum of what the programs need by themselves: executed
with the same files, words and environment, one after the other, and asked in a tight loop until it serves. Prosody is
Debian's, Jicofo and the bridge are the doubles of tests/support.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))

from jitsi_doubles import write_doubles
from meet import BREWERY, DOMAIN, Meet, meet, running
from prosody import Client, Prosody, Refusal
from support import Daemon, short_directory

_NAMES = ("prosody", "jicofo", "jvb")
# Seconds that herdd may add.
_TARGET = 0.2
_WHO = "<query xmlns='http://jabber.org/protocol/muc#admin'><item role='moderator'/></query>"


def _programs(daemon: Daemon) -> dict[str, dict[str, Any]]:
    """Command, environment and directory of each, as herdd has executed it."""
    found = {}
    for name in _NAMES:
        facts = daemon.status(name)
        raw = Path(f"/proc/{facts['mainPid']}/environ").read_text().split("\0")
        environment = dict(each.split("=", 1) for each in raw if "=" in each)
        found[name] = {"args": facts["command"], "env": environment, "cwd": f"/proc/{facts['mainPid']}/cwd"}
        found[name]["cwd"] = os.readlink(found[name]["cwd"])
    return found


def _until(serves: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if serves():
                return
        except (OSError, Refusal, AssertionError, StopIteration):
            pass
        time.sleep(0.002)
    raise SystemExit("cannot measure: a program by itself never served")


def _bare(programs: dict[str, dict[str, Any]], it: Meet, daemon: Daemon) -> float:
    """Seconds that all three need, one after the other."""
    certificate = daemon.state_dir / "prosody" / "certificates" / f"{DOMAIN}.crt"
    server = Prosody(daemon.directory, it.prosody["port"], it.prosody["http-port"], certificate)
    secret = {name: (daemon.state_dir / "secrets" / f"xmpp-{name}").read_text().strip() for name in ("focus", "jvb")}

    def logs_in() -> bool:
        for name, password in secret.items():
            Client(server, f"auth.{DOMAIN}", name, password).__exit__()
        return True

    def is_seen(nickname: str) -> Callable[[], bool]:
        asking = Client(server, f"auth.{DOMAIN}", "focus", secret["focus"])
        return lambda: any(each.get("nick") == nickname for each in asking.ask("get", BREWERY, _WHO).iter())

    processes, taken = [], 0.0
    try:
        for name, nickname in zip(_NAMES, ("", "focus", "b1"), strict=True):
            serves = is_seen(nickname) if nickname else logs_in
            before = time.monotonic()
            processes.append(
                subprocess.Popen(
                    **programs[name],
                    user="nobody",
                    group="nogroup",
                    extra_groups=[],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            _until(serves)
            taken += time.monotonic() - before
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()
    return taken


def main() -> None:
    """Both in turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="[5]")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE", help="[bench.json]")
    asked = parser.parse_args()
    ours: list[float] = []
    bare: list[float] = []
    with short_directory() as directory:
        it = meet(write_doubles(directory))
        with running(it) as daemon:
            programs = _programs(daemon)
            for _ in range(asked.runs):
                daemon.herd("stop", "prosody")
                bare.append(_bare(programs, it, daemon))
                before = time.monotonic()
                daemon.herd("start", "jvb")
                ours.append(time.monotonic() - before)
    added = median(ours) - median(bare)
    verdict = "met" if added <= _TARGET else "MISSED"
    print(f"herd start jvb  {median(ours):.2f} s, the programs by themselves {median(bare):.2f} s: ", end="")
    print(f"{added:+.2f} s  <= {_TARGET} s  {verdict}")
    report = json.loads(asked.json.read_text()) if asked.json.exists() else {}
    report["jitsi"] = {"ours": ours, "bare": bare}
    asked.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
