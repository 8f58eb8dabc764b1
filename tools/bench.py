"""Measures herdctl against what it has to stand beside: `bench.py [--accounts N] [--runs N] [--json FILE]`.

Three things, each as a user meets it: the wall time of a whole `herd` process against a herdd that really runs Jami.

- provisioning: `herd start jami`, from no bus and no jamid to N accounts imported from their archives, against a bus
  and a jamid of the same user with the same options and no supervisor, given the same archives all at once;
- list-account-details of those N accounts, against the Guix service's way of asking, over the same bus;
- `herd status`, against the same Python that does no more than import socket and json.

Ours and theirs take turns, each first every other time. Medians are compared, for jamid makes RSA keys and how long
that takes is chance; least and most stand in parentheses. Nothing fails for being slow: it is said to be MISSED. The
table goes to standard output, every single time to a JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import pwd
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import trio
from attrs import frozen

import bench_theirs as theirs
from archives import make

_BUS = "jami-dbus-session"
_SECONDS_TO_BEGIN = 20


@frozen
class Comparison:
    """Seconds of each run of either side, and the largest ratio of the medians that will do."""

    name: str
    ours: list[float]
    theirs: list[float]
    target: float

    @property
    def ratio(self) -> float:
        """Ours to theirs."""
        return median(self.ours) / median(self.theirs)

    @property
    def is_met(self) -> bool:
        """Whether it will do."""
        return self.ratio <= self.target

    def row(self) -> tuple[str, ...]:
        """Its line of the table."""
        verdict = "met" if self.is_met else "MISSED"
        return self.name, _spread(self.ours), _spread(self.theirs), _ratio(self.ratio), _ratio(self.target), verdict

    def facts(self) -> dict[str, Any]:
        """The same for programs, in seconds."""
        numbers = {"ours": self.ours, "theirs": self.theirs}
        medians = {"ours_median": median(self.ours), "theirs_median": median(self.theirs)}
        return {"name": self.name, **numbers, **medians, "ratio": self.ratio, "target": self.target, "met": self.is_met}


def _spread(seconds: list[float]) -> str:
    factor, unit = (1, "s") if median(seconds) >= 1 else (1000, "ms")
    least, middle, most = (f"{each * factor:.3g}" for each in (min(seconds), median(seconds), max(seconds)))
    return f"{middle} {unit} ({least}-{most})"


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio > 0.5 else f"1/{1 / ratio:.0f}"


@frozen
class Herdd:
    """A herdd that runs, with its own files in `home`."""

    home: Path

    @property
    def bus(self) -> Path:
        """The socket of Jami's bus."""
        return self.home / "run-services/jami/bus"

    def herd(self, *words: str) -> float:
        """The seconds of one `herd`."""
        return theirs.run([_beside("herd"), *words], self._environment)

    def answers(self) -> bool:
        """Whether it listens already."""
        return self._ask("status").returncode == 0

    def account_count(self) -> int:
        """How many accounts Jami has."""
        return len(json.loads(self._ask("--json", "list-accounts", "jami").stdout)["accounts"])

    def _ask(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([_beside("herd"), *words], env=self._environment, capture_output=True)

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "HERD_SOCKET": str(self.home / "run/socket")}


def _beside(program: str) -> str:
    """The console command that is installed with this interpreter."""
    return str(Path(sys.executable).with_name(program))


@contextmanager
def running_herdd(home: Path, archives: list[Path]) -> Iterator[Herdd]:
    """A herdd whose Jami has these accounts and has not been started."""
    configuration = home / "herd.toml"
    configuration.write_text(_configuration(archives))
    places = {
        "config": configuration,
        "runtime-dir": home / "run",
        "state-dir": home / "state",
        "log-dir": home / "log",
    }
    command = [_beside("herdd"), *(f"--{option}={path}" for option, path in places.items())]
    with (home / "output").open("wb") as output, subprocess.Popen(command, stderr=output) as daemon:
        try:
            herdd = Herdd(home)
            _await(herdd, daemon)
            yield herdd
        finally:
            daemon.terminate()


def _configuration(archives: list[Path]) -> str:
    """jamid as archives.private_jamid runs it: this user's, its output not in syslog; every start imports anew."""
    user = json.dumps(pwd.getpwuid(os.geteuid()).pw_name)
    accounts = "".join(f"[[jami.account]]\narchive = {json.dumps(str(archive))}\n" for archive in archives)
    return f"[jami]\nauto-start = false\nfresh = true\nenable-logging = false\nuser = {user}\n{accounts}"


def _await(herdd: Herdd, daemon: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _SECONDS_TO_BEGIN
    while not herdd.answers():
        if daemon.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"cannot measure: herdd does not answer\n{(herdd.home / 'output').read_text()}")
        time.sleep(0.05)


def make_archives(directory: Path, count: int) -> list[Path]:
    """So many real archives."""
    names = [f"bench-{number}" for number in range(count)]
    print(f"making {count} archives", file=sys.stderr)
    trio.run(make, directory, names)
    return [directory / f"{name}.gz" for name in names]


def compare(name: str, target: float, runs: int, mine: Callable[[], float], other: Callable[[], float]) -> Comparison:
    """Both sides in turns."""
    comparison = Comparison(name, [], [], target)
    sides = [(mine, comparison.ours), (other, comparison.theirs)]
    print(f"{name}: {runs} times each", file=sys.stderr)
    for _ in range(runs):
        for measure, seconds in sides:
            seconds.append(measure())
        sides.reverse()
    return comparison


def measure_all(herdd: Herdd, archives: list[Path], runs: int) -> list[Comparison]:
    """All three, the quickest more often."""
    count = f"{len(archives)} accounts"
    bare = partial(theirs.jamid_imports, archives)
    provisioning = compare(f"provisioning {count}", 1.15, runs, partial(_provision, herdd, len(archives)), bare)
    herdd.herd("start", "jami")
    details = partial(herdd.herd, "list-account-details", "jami")
    listing = compare(f"details of {count}", 1 / 20, runs, details, partial(theirs.guix_details, herdd.bus))
    status = compare("status", 1.3, 5 * runs, partial(herdd.herd, "status"), theirs.python)
    return [listing, provisioning, status]


def _provision(herdd: Herdd, accounts: int) -> float:
    seconds = herdd.herd("start", "jami")
    if (present := herdd.account_count()) != accounts:
        raise SystemExit(f"cannot measure: {present} accounts were imported, not {accounts}")
    herdd.herd("stop", _BUS)
    return seconds


def table(comparisons: list[Comparison]) -> str:
    """What a person reads."""
    rows = [("", "ours", "theirs", "ratio", "at most", ""), *(each.row() for each in comparisons)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)


def main() -> None:
    """Make the archives, measure, tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--accounts", type=_count, default=20, metavar="N", help="accounts to provision [20]")
    parser.add_argument("--runs", type=_count, default=12, metavar="N", help="turns of the slow measurements [12]")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE", help="[bench.json]")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="herd-bench-") as name:
        home = Path(name)
        archives = make_archives(home, asked.accounts)
        with running_herdd(home, archives) as herdd:
            comparisons = measure_all(herdd, archives, asked.runs)
    print(table(comparisons), end="")
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    report = {"machine": machine, "accounts": asked.accounts, "comparisons": [each.facts() for each in comparisons]}
    asked.json.write_text(json.dumps(report, indent=1) + "\n")


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


if __name__ == "__main__":
    main()
