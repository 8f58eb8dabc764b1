"""Which processes listen where, from /proc: a table names each socket's inode, a process's descriptors name theirs.

Not psutil's net_connections, which walks every descriptor of the system for any question. Each network namespace has
tables of its own, read through a process in it. All of it blocks, and what vanishes meanwhile is left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from attrs import frozen

_TABLES = ("tcp", "tcp6", "udp", "udp6")
# In /proc/net/unix: somebody called listen(2); SOCK_DGRAM, which needs no such call.
_ACCEPTS, _DATAGRAM = 0x10000, "0002"


@frozen
class Listener:
    """A socket that waits for others: `0.0.0.0:80`, `[::]:64738/udp`, `/run/web/socket`, `@abstract`."""

    address: str
    # None for a Unix socket, whose table does not tell the owner either.
    port: int | None = None
    uid: int | None = None


def listening(pids: Iterable[int]) -> tuple[str, ...]:
    """Where these processes listen: ports first, in their order."""
    tables: dict[str, dict[int, Listener]] = {}
    found: set[Listener] = set()
    for pid in pids:
        with suppress(OSError):
            namespace = os.readlink(f"/proc/{pid}/ns/net")
            if namespace not in tables:
                tables[namespace] = listeners(pid)
            found.update(tables[namespace][inode] for inode in _sockets(pid) & tables[namespace].keys())
    ordered = sorted(found, key=lambda each: (each.port is None, each.port or 0, each.address))
    return tuple(dict.fromkeys(each.address for each in ordered))


def listeners(pid: int) -> dict[int, Listener]:
    """All sockets of the process's network namespace that wait for others, by inode. Raises OSError."""
    found: dict[int, Listener] = {}
    for table in _TABLES:
        # A kernel without IPv6 has no tables of it.
        with suppress(FileNotFoundError):
            found.update(_internet(Path(f"/proc/{pid}/net/{table}").read_text(), table))
    found.update(_unix(Path(f"/proc/{pid}/net/unix").read_text(errors="backslashreplace")))
    return found


def owners(inodes: set[int]) -> dict[int, int]:
    """The process that holds each of these sockets, where that may be seen."""
    found: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if found.keys() >= inodes:
            break
        if entry.isdecimal():
            with suppress(OSError):
                found.update(dict.fromkeys(_sockets(int(entry)) & inodes, int(entry)))
    return found


def _sockets(pid: int) -> set[int]:
    """The inodes of a process's sockets. Raises OSError."""
    found = set()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with suppress(OSError):
            target = os.readlink(entry.path)
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    return found


def _internet(text: str, table: str) -> Iterator[tuple[int, Listener]]:
    for line in text.splitlines()[1:]:
        words = line.split()
        # A socket of a connection has another end.
        if words[2].endswith(":0000"):
            address, _, port = words[1].partition(":")
            suffix = "/udp" if table.startswith("udp") else ""
            number = int(port, 16)
            yield int(words[9]), Listener(f"{_host(address)}:{number}{suffix}", number, int(words[7]))


def _host(digits: str) -> str:
    """The kernel prints an address as words of 32 bits in the machine's own order."""
    data = b"".join(int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8))
    return str(IPv4Address(data)) if len(data) == 4 else f"[{IPv6Address(data)}]"


def _unix(text: str) -> Iterator[tuple[int, Listener]]:
    for line in text.splitlines()[1:]:
        words = line.split(maxsplit=7)
        # One without a name cannot be found by others.
        if len(words) == 8 and (int(words[3], 16) & _ACCEPTS or words[4] == _DATAGRAM):
            yield int(words[6]), Listener(words[7])
