"""Measures herdd beside the supervisors installed here: `bench_peers.py [--quick] [--counts N…] [--runs N]`.

supervisord, runit, s6 and GNU Shepherd, those that are installed, each with the same N services of one small program;
how each thing is measured is in peer_measures.py, what each is given in peers.py. Starts and stops are measured in
turns. Each figure is a median; beside a peer's, in parentheses, ours to theirs. What herdd has to reach stands beside
its figure: nothing fails for being slow, it is said to be MISSED. The tables go to standard output, every single figure
under `peers` into the JSON file, in which tools/bench.py has left its own.
"""

from __future__ import annotations

import argparse
import compileall
import json
import signal
import sys
from pathlib import Path
from statistics import median
from typing import Any

from attrs import Factory, define, frozen

import herd
import herd_services
import herdctl
import peer_measures as measures
import proc
from bench_theirs import python
from herd.daemon.children import become_subreaper
from peer_targets import METRICS, OURS, TARGETS, Results
from peers import PEERS, Peer

# Some need half a minute for one.
_LOG_RUNS = 5


@frozen
class Scale:
    """How much is measured: numbers of services, runs, seconds of a rate, of idling, megabytes of log."""

    counts: list[int]
    runs: int
    rate: float = 1.0
    idle: float = 20.0
    log: int = 500


@define
class Bench:
    """The supervisors that are installed, and what was found."""

    kinds: list[type[Peer]]
    scale: Scale
    results: Results = Factory(Results)

    def run(self) -> None:
        """Everything."""
        for count in self.scale.counts:
            for turn in range(self.scale.runs):
                for kind in self.kinds if turn % 2 else reversed(self.kinds):
                    self._live_and_die(kind, count)
            for kind in self.kinds:
                self._ask(kind, count)
        with measures.flood(self.scale.log) as source:
            for _ in range(min(self.scale.runs, _LOG_RUNS)):
                for kind in self.kinds:
                    self._log(kind, source)

    def _live_and_die(self, kind: type[Peer], count: int) -> None:
        self._tell(kind, count, "start and stop")
        with measures.running(kind, count) as it:
            self._note(kind, count, cold=[it.taken], stop=[measures.stop(it)])

    def _ask(self, kind: type[Peer], count: int) -> None:
        self._tell(kind, count, "status, respawn, idle")
        runs = self.scale.runs
        with measures.running(kind, count) as it:
            self._note(kind, count, memory=[proc.memory(it.supervisors())])
            for _ in range(2 * runs):
                self.results.python.append(python())
                self._note(kind, count, all=[measures.status(it, None)], one=[measures.status(it, "s1")])
            for key, service in (("rate_one", "s1"), ("rate_all", None)):
                if request := it.peer.request(service):
                    self._note(kind, count, **{key: [measures.rate(request, self.scale.rate) for _ in range(runs)]})
            self._note(kind, count, respawn=measures.respawns(it, runs))
            cpu, wakes = measures.idle(it, self.scale.idle)
            self._note(kind, count, cpu=[cpu / self.scale.idle], wakes=[wakes / self.scale.idle])

    def _log(self, kind: type[Peer], source: Path) -> None:
        for stamped in kind.stamps:
            self._tell(kind, 1, f"log {'with' if stamped else 'without'} time stamps")
            speed, wrong = measures.log(kind, source, stamped=stamped)
            found: dict[str, list[float]] = {"log" if stamped else "log_bare": [speed], "wrong": [wrong]}
            self._note(kind, 1, **found)

    def _note(self, kind: type[Peer], count: int, **found: list[float]) -> None:
        for key, values in found.items():
            self.results.note(kind.name, count, key, values)

    def _tell(self, kind: type[Peer], count: int, what: str) -> None:
        print(f"{kind.name}, {count} services: {what}", file=sys.stderr)


def table(results: Results, names: list[str], count: int) -> str:
    """What a person reads of one number of services."""
    rows = [[f"N = {count}", names[0], "target", "", *names[1:]]]
    for key, metric in METRICS.items():
        if results.of(names[0], count, key):
            target, verdict = TARGETS[key].judge(results, count) if key in TARGETS else ("", "")
            ours = metric.shown(results.of(names[0], count, key))
            theirs = [metric.compared(results, count, key, name) for name in names[1:]]
            rows.append([metric.name, ours, target, verdict, *theirs])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)


def report(results: Results) -> dict[str, Any]:
    """The same for programs: all figures, in seconds, answers a second, MiB, MB a second."""
    found: dict[str, Any] = {"python": {"values": results.python, "median": median(results.python)}}
    for (name, count, key), values in results.values.items():
        place = found.setdefault(str(count), {}).setdefault(key, {})
        place[name] = {"values": values, "median": median(values)}
    return found


def main() -> None:
    """Measure, tell."""
    asked = _asked()
    # Whoever interrupts: what was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    become_subreaper()
    _compile()
    wanted = [kind for kind in PEERS if kind.name in (OURS, *asked.peers)]
    scale = Scale([10], 2, rate=0.3, idle=2.0, log=20) if asked.quick else Scale(asked.counts, asked.runs)
    bench = Bench([kind for kind in wanted if not kind.missing()], scale)
    bench.run()
    names = [kind.name for kind in bench.kinds]
    print("\n".join(table(bench.results, names, count) for count in [*scale.counts, 1]), end="")
    for kind in wanted:
        if missing := kind.missing():
            print(f"{kind.name} is not measured: {', '.join(missing)} not installed")
    before = json.loads(asked.json.read_text()) if asked.json.exists() else {}
    asked.json.write_text(json.dumps({**before, "peers": report(bench.results)}, indent=1) + "\n")


def _compile() -> None:
    """As pip leaves an installed package."""
    for package in (herd, herd_services, herdctl):
        compileall.compile_dir(str(Path(package.__file__ or "").parent), quiet=2)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="10 services, a few runs: does it work?")
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 100, 500], metavar="N", help="[10 100 500]")
    parser.add_argument("--runs", type=int, default=7, metavar="N", help="[7]")
    parser.add_argument(
        "--peers", nargs="+", default=[kind.name for kind in PEERS], metavar="NAME", help="beside herdd [all]"
    )
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE", help="[bench.json]")
    return parser.parse_args()


if __name__ == "__main__":
    main()
