"""Plays hostile clients of the control socket: `fuzz_socket.py [--count N] [--clients N] [--seed N]`.

As many messages as asked for, half of them nearly right calls (hypothesis), half right ones with wrong bytes; then a
crowd of slow, silent, deaf and vanishing clients at once. All the while somebody who means well, in a process of its
own, asks on a connection that it keeps and on new ones, and notes how long the answer takes. Prints the measures, and
ends with 1 if herdd does not live, an answer is no Varlink, or its memory exceeds the bound.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))

from hypothesis import HealthCheck, Phase, given, seed, settings

from hostile import ACCESS, BOUND, CALLS, SERVICES, Crowd, is_in_order, mutants, pss, sent
from support import Daemon, Wire, herdd

# Milliseconds.
_WANTED = 100
# Seconds between two questions of whoever means well.
_REST = 0.01
_ROUNDS = 200
_MIB = 1024 * 1024


def ask(path: Path, end: Connection) -> None:
    """Ask until told to end; then tell how long each answer took, in milliseconds."""
    times: list[float] = []
    with Wire(path) as kept:
        kept.call("Status")
        end.send(None)
        while not times or not end.poll(_REST):
            for is_new in (False, True):
                begun = time.perf_counter()
                if is_new:
                    with Wire(path) as wire:
                        wire.call("Status")
                else:
                    kept.call("Status")
                times.append((time.perf_counter() - begun) * 1000)
    end.send(times)


@contextmanager
def honest(daemon: Daemon, what: str) -> Iterator[None]:
    """Somebody asks meanwhile; how that went is printed."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=ask, args=(daemon.socket, theirs))
    process.start()
    ours.recv()
    try:
        yield
    finally:
        ours.send(None)
        times = sorted(ours.recv())
        process.join()
    verdict = "met" if times[-1] <= _WANTED else "MISSED"
    late = sum(each > _WANTED for each in times)
    print(
        f"{what:24} {len(times):6} answers: median {median(times):.1f} ms, "
        f"99 % {times[len(times) * 99 // 100]:.1f} ms, "
        f"longest {times[-1]:.1f} ms (<= {_WANTED} ms: {verdict}, {late} later)",
        flush=True,
    )


def play(daemon: Daemon, count: int, clients: int, number: int) -> int:
    """Everything; the most memory that was seen."""
    most = 0
    with honest(daemon, f"{count // 2} nearly right calls"):

        @seed(number)
        @settings(
            max_examples=count // 2, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(data=CALLS)
        def nearly_right(data: bytes) -> None:
            assert is_in_order(sent(daemon.socket, data)), data

        nearly_right()
        most = max(most, pss(daemon.process.pid))
    with honest(daemon, f"{count - count // 2} with wrong bytes"):
        for index, data in enumerate(mutants(number, count - count // 2)):
            assert is_in_order(sent(daemon.socket, data, index)), data
        most = max(most, pss(daemon.process.pid))
    with honest(daemon, f"{clients} clients at once"), Crowd(daemon.socket, clients) as crowd:
        for _ in range(_ROUNDS):
            crowd.go_on()
            most = max(most, pss(daemon.process.pid))
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with herdd(SERVICES + ACCESS) as daemon:
        daemon.until_status("web", "running")
        before = pss(daemon.process.pid)
        with honest(daemon, "nobody else"):
            time.sleep(2)
        most = play(daemon, options.count, options.clients, options.seed)
        after = pss(daemon.process.pid)
        faults = [line for line in daemon.lines if "fault" in line]
        is_met = most - before <= BOUND
        verdict = "met" if is_met else "MISSED"
        print(
            f"memory (PSS): {before / _MIB:.0f} MiB before, {most / _MIB:.0f} at most, {after / _MIB:.0f} afterwards "
            f"(<= {BOUND // _MIB} MiB more: {verdict})"
        )
        print(f"internal faults: {len(faults)}", *faults[:5], sep="\n  ")
    sys.exit(bool(faults) or not is_met)


if __name__ == "__main__":
    main()
