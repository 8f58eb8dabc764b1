"""Measures how fast bans that jamid lacks are laid over its accounts: `bench_bans.py [--accounts N] [--runs N]`.

As many bans as wanted are imported, taken back behind herdd's back, and herdd is exchanged (`herd upgrade root`), for
each herdd has the accounts as the ledger says before it calls Jami running. From "is being started" to "is running" is
that time: jamid and its accounts are there already. Beside it what jamid needs for as many calls of one client.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median

import trio
from attrs import frozen

from bench import Herdd, make_archives, running_herdd
from herd.daemon.dbus import connected
from herd_services.jami.calls import Jami

_BANS = (500, 1000, 2000)
# Bans a second.
_TARGET = 500
_BEGINS, _RUNS = "Service jami is being started", "Service jami is running"


@frozen
class Finding:
    """Seconds of each run for so many bans: herdd's, and those of bare calls."""

    bans: int
    ours: list[float]
    bare: list[float]

    @property
    def rate(self) -> float:
        """Bans a second."""
        return self.bans / median(self.ours)

    def row(self) -> str:
        """Its line."""
        verdict = "met" if self.rate >= _TARGET else "MISSED"
        seconds, bare = median(self.ours), median(self.bare)
        rates = f"{self.rate:6.0f}/s  >= {_TARGET}/s  {verdict}"
        return f"{self.bans:5} bans  {seconds:6.2f} s  {rates:28}  bare calls {bare:6.2f} s ({seconds / bare:.2f})"


async def _lift(bus: Path) -> int:
    """Take all bans back, one call after the other; how many."""
    lifted = 0
    async with connected(bus) as connection:
        jami = Jami(connection)
        for account in await jami.account_ids():
            for each in await jami.contacts(account):
                if each.get("banned") == "true":
                    await jami.remove_contact(account, each["id"], ban=False)
                    lifted += 1
    return lifted


def _upheld(herdd: Herdd) -> float:
    """Seconds that the last herdd took from the one line to the other, which is written a moment after its answer."""
    while True:
        lines = (herdd.home / "output").read_text().splitlines()
        begun = max(index for index, line in enumerate(lines) if _BEGINS in line)
        if ran := [line for line in lines[begun:] if _RUNS in line]:
            moments = [datetime.fromisoformat(line.split(" ", 1)[0]) for line in (lines[begun], ran[0])]
            return (moments[1] - moments[0]).total_seconds()
        time.sleep(0.05)


def measure(herdd: Herdd, accounts: int, bans: int, runs: int) -> Finding:
    """So many bans, none of which was there before."""
    finding = Finding(bans, [], [])
    file = herdd.home / "bans"
    file.write_text("\n".join(f"Contact: {bans:08x}{number:032x}\n" for number in range(bans // accounts)))
    herdd.herd("import-bans", "jami", str(file))
    for _ in range(runs):
        before = time.monotonic()
        if (lifted := trio.run(_lift, herdd.bus)) != bans:
            raise SystemExit(f"cannot measure: {lifted} bans were there, not {bans}")
        finding.bare.append(time.monotonic() - before)
        herdd.herd("upgrade", "root")
        herdd.herd("start", "jami")
        finding.ours.append(_upheld(herdd))
    for number in range(bans // accounts):
        herdd.herd("unban-contact", "jami", f"{bans:08x}{number:032x}")
    return finding


def main() -> None:
    """Measure, tell, and leave every figure in the JSON file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=20, metavar="N", help="[20]")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="[3]")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE", help="[bench.json]")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="herd-bench-") as name:
        home = Path(name)
        archives = make_archives(home, asked.accounts)
        with running_herdd(home, archives) as herdd:
            herdd.herd("start", "jami")
            print(f"bans over {asked.accounts} accounts", file=sys.stderr)
            found = [measure(herdd, asked.accounts, bans, asked.runs) for bans in _BANS]
    print("\n".join(each.row() for each in found))
    report = json.loads(asked.json.read_text()) if asked.json.exists() else {}
    report["bans"] = [{"bans": each.bans, "ours": each.ours, "bare": each.bare} for each in found]
    asked.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
