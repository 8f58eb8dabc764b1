"""Who listens where, as the kernel tells it: /proc/net/{tcp,tcp6,udp,udp6} (proc(5)) and the descriptors of processes.

Nobody is connected to, for some servers ban whoever connects too often, and whoever answers may be another's process.
A socket on [::] counts for IPv4 as well: the tables do not say whether it is for IPv6 only. All of it blocks.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

_LISTEN, _UNCONNECTED = "0A", "07"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def shown(host: str, port: int) -> str:
    """The address as people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host or '*'}:{port}"


def listeners(host: str, port: int, style: Literal["stream", "datagram"] = "stream") -> set[int]:
    """The inodes of the sockets that take what comes for that address; host `*` or empty: for any. Raises OSError."""
    wanted = _addresses(host)
    kind, state = ("tcp", _LISTEN) if style == "stream" else ("udp", _UNCONNECTED)
    found = set()
    for table in (f"/proc/net/{kind}", f"/proc/net/{kind}6"):
        # Without IPv6 there is no table of it.
        with suppress(FileNotFoundError), open(table) as lines:
            next(lines)
            for line in lines:
                fields = line.split()
                address, its_port = _address(fields[1])
                if fields[3] == state and its_port == port and _takes(address, wanted):
                    found.add(int(fields[9]))
    return found


def _addresses(host: str) -> set[Address]:
    """What the host's name stands for; nothing for every address."""
    if host in ("", "*"):
        return set()
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return {_plain(ipaddress.ip_address(str(each[4][0]).partition("%")[0])) for each in found}


def _takes(address: Address, wanted: set[Address]) -> bool:
    if not wanted or address in wanted or address == ipaddress.IPv6Address(0):
        return True
    return address == ipaddress.IPv4Address(0) and any(each.version == 4 for each in wanted)


def _address(field: str) -> tuple[Address, int]:
    """An address and port of the tables: words of 32 bits in the machine's order, in hexadecimal."""
    words, port = field.split(":")
    raw = b"".join(struct.pack("=I", int(words[at : at + 8], 16)) for at in range(0, len(words), 8))
    return _plain(ipaddress.ip_address(raw)), int(port, 16)


def _plain(address: Address) -> Address:
    """An IPv4 address that is written as one of IPv6, as IPv4."""
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def holder(inodes: set[int], pids: Iterable[int]) -> int | None:
    """The first of the processes that has one of the sockets open; None: none that can be looked into."""
    names = {f"socket:[{inode}]" for inode in inodes}
    for pid in pids:
        with suppress(OSError):
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    if os.readlink(f"/proc/{pid}/fd/{descriptor}") in names:
                        return pid
    return None


def described(inodes: set[int]) -> str:
    """Whoever listens with one of the sockets, as the subject of a sentence."""
    pid = holder(inodes, (int(name) for name in os.listdir("/proc") if name.isdecimal()))
    return "another process" if pid is None else named(pid)


def named(pid: int) -> str:
    """The process as the subject of a sentence."""
    with suppress(OSError):
        name = Path(f"/proc/{pid}/comm").read_bytes().decode("utf-8", "replace").strip()
        # A process chooses its name itself.
        return f"process {''.join(c if c.isprintable() else '?' for c in name)} (pid {pid})"
    return f"process {pid}"
