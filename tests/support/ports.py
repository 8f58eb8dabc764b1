"""Ports for servers of tests: below those that the kernel gives to connections, and other ones in each test process.

A port that the kernel chose could be a connection's again before the server has it.
"""

from __future__ import annotations

import errno
import os
import random
import socket
from collections.abc import Iterator

# Below /proc/sys/net/ipv4/ip_local_port_range as every Linux has it.
_FIRST, _SHARE = 12_000, 5_000
_WORKERS = 4


def _range() -> Iterator[int]:
    """Those of this process, round and round."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    start = random.randrange(_SHARE)
    while True:
        yield _FIRST + worker * _SHARE + start
        start = (start + 1) % _SHARE


_CANDIDATES = _range()


def free_ports(count: int) -> list[int]:
    """Ports that nobody has, for TCP and UDP; none is told twice in a long time."""
    found: list[int] = []
    while len(found) < count:
        port = next(_CANDIDATES)
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            found.append(port)
    return found


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]
