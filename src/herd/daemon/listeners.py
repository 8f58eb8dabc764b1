"""Who listens where, as the kernel tells it: /proc/PID/net/{tcp,tcp6,udp,udp6,unix} (proc(5)), processes' descriptors.

A table names each socket's inode, a process's descriptors name theirs. Each network namespace has tables of its own,
read through a process in it. Nobody is connected to, for some servers ban whoever connects too often, and whoever
answers may be another's process. Not psutil's net_connections, which walks every descriptor of the system for any
question. All of it blocks, and what vanishes meanwhile is left out.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Literal

from attrs import frozen

from herd.daemon.sockdiag import ipv6_only

Address = IPv4Address | IPv6Address
Style = Literal["stream", "datagram"]

_TABLES: dict[str, Style] = {"tcp": "stream", "tcp6": "stream", "udp": "datagram", "udp6": "datagram"}
# The states in which a socket waits for others (tcp_states.h): one of TCP listens, one of UDP has no other end.
_WAITING = {"stream": "0A", "datagram": "07"}
# In /proc/net/unix: somebody called listen(2); SOCK_DGRAM, which needs no such call.
_ACCEPTS, _DATAGRAM = 0x10000, "0002"


@frozen
class Listener:
    """A socket that waits for others. `name` is its address as people write it.

    `0.0.0.0:80`, `[::]:64738/udp`, `/run/web/socket`, `@abstract`.
    """

    inode: int
    name: str
    # None for a Unix socket, whose table does not tell the owner either.
    address: Address | None = None
    port: int | None = None
    uid: int | None = None


def listening(pids: Iterable[int]) -> tuple[str, ...]:
    """The names of where these processes listen: ports first, in their order."""
    tables: dict[str, list[Listener]] = {}
    found: set[Listener] = set()
    for pid in pids:
        with suppress(OSError):
            # The tables take the kernel milliseconds, and most processes have no socket.
            if not (own := _sockets(pid)):
                continue
            namespace = os.readlink(f"/proc/{pid}/ns/net")
            if namespace not in tables:
                tables[namespace] = listeners(pid)
            found.update(each for each in tables[namespace] if each.inode in own)
    ordered = sorted(found, key=lambda each: (each.port is None, each.port or 0, each.name))
    return tuple(dict.fromkeys(each.name for each in ordered))


def listeners(pid: int) -> list[Listener]:
    """All sockets of the process's network namespace that wait for others. Raises OSError."""
    unix = Path(f"/proc/{pid}/net/unix").read_text(errors="backslashreplace")
    return [*_internet(pid, "stream"), *_internet(pid, "datagram"), *_unix(unix)]


def taking(host: str, port: int, style: Style = "stream") -> set[int]:
    """The inodes of the sockets that take what comes for that address; host `*` or empty: for any. Raises OSError."""
    wanted = _addresses(host)
    found = [each for each in _internet(os.getpid(), style) if each.port == port and _takes(each.address, wanted)]
    inodes = {each.inode for each in found}
    if wanted and all(each.version == 4 for each in wanted):
        # A socket on [::] takes what comes by IPv4 as well, unless it was told not to; the tables do not say.
        six = {each.inode for each in found if each.address == IPv6Address(0)}
        inodes -= six and ipv6_only(style) & six
    return inodes


def owners(inodes: set[int], pids: Iterable[int] | None = None) -> dict[int, int]:
    """Which of the processes, or of all there are, holds each of these sockets, where that may be seen."""
    found: dict[int, int] = {}
    for pid in _everybody() if pids is None else pids:
        if found.keys() >= inodes:
            break
        with suppress(OSError):
            found.update(dict.fromkeys(_sockets(pid) & inodes, pid))
    return found


def described(inodes: set[int]) -> str:
    """Whoever listens with one of the sockets, as the subject of a sentence."""
    pid = next(iter(owners(inodes).values()), None)
    return "another process" if pid is None else named(pid)


def named(pid: int) -> str:
    """The process as the subject of a sentence."""
    with suppress(OSError):
        name = Path(f"/proc/{pid}/comm").read_bytes().decode("utf-8", "replace").strip()
        # A process chooses its name itself.
        return f"process {''.join(c if c.isprintable() else '?' for c in name)} (pid {pid})"
    return f"process {pid}"


def shown(host: str, port: int) -> str:
    """The address as people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host or '*'}:{port}"


def _everybody() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _sockets(pid: int) -> set[int]:
    """The inodes of a process's sockets. Raises OSError."""
    found = set()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with suppress(OSError):
            target = os.readlink(entry.path)
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    return found


def _internet(pid: int, style: Style) -> Iterator[Listener]:
    suffix = "/udp" if style == "datagram" else ""
    for table in (name for name, its_style in _TABLES.items() if its_style == style):
        # A kernel without IPv6 has no tables of it.
        with suppress(FileNotFoundError), open(f"/proc/{pid}/net/{table}") as lines:
            next(lines)
            for line in lines:
                words = line.split()
                if words[3] == _WAITING[style]:
                    digits, _, port = words[1].partition(":")
                    address, number = _address(digits), int(port, 16)
                    yield Listener(int(words[9]), shown(str(address), number) + suffix, address, number, int(words[7]))


def _address(digits: str) -> Address:
    """The kernel prints an address as words of 32 bits in the machine's own order."""
    data = b"".join(int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8))
    return IPv4Address(data) if len(data) == 4 else IPv6Address(data)


def _unix(text: str) -> Iterator[Listener]:
    for line in text.splitlines()[1:]:
        words = line.split(maxsplit=7)
        # One without a name cannot be found by others.
        if len(words) == 8 and (int(words[3], 16) & _ACCEPTS or words[4] == _DATAGRAM):
            yield Listener(int(words[6]), words[7])


def _addresses(host: str) -> set[Address]:
    """What the host's name stands for; nothing for every address."""
    if host in ("", "*"):
        return set()
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return {_plain(ip_address(str(each[4][0]).partition("%")[0])) for each in found}


def _takes(address: Address | None, wanted: set[Address]) -> bool:
    if not wanted or address == IPv6Address(0):
        return True
    if address == IPv4Address(0):
        return any(each.version == 4 for each in wanted)
    return address is not None and _plain(address) in wanted


def _plain(address: Address) -> Address:
    """An IPv4 address that is written as one of IPv6, as IPv4."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
