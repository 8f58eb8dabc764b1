"""Which process listens where a service would: on its endpoints, where it is to listen, or where its output says.

An address in use is told by programs in words of their own; the numbers in such a line, or else in the command, count
only if somebody does listen there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from herd.core.diagnosis import Holder
from herd.core.readiness import TcpPort, UnixSocket
from herd.core.service import Service
from herd.daemon.listeners import Listener, listeners, owners
from herd.daemon.users import user_name

_IN_USE = re.compile(r"address (?:is )?(?:already )?in use|EADDRINUSE", re.IGNORECASE)
# A number by itself or after a colon, but no part of a date, a clock time or a version.
_PORT = re.compile(r"(?<!\d:\d\d)(?:[:\s=]|^)([1-9]\d{1,4})(?!\d|[:.\-]\d)")


def holders(service: Service, output: Sequence[str], mains: Mapping[int, str]) -> list[Holder]:
    """Everybody else who listens there. `mains` says whose main process a number is."""
    wanted = _addresses(service) | _named(service, output)
    table = [each for each in listeners(os.getpid()) if {each.port, each.name} & wanted]
    pids = owners({each.inode for each in table}) if table else {}
    found = [_holder(each, pids.get(each.inode), mains) for each in table]
    return [each for each in found if each.service != service.name]


def _addresses(service: Service) -> set[int | str | None]:
    """Ports and paths that its definition says are its own."""
    places = [endpoint.address for endpoint in service.endpoints]
    match service.readiness:
        case TcpPort(host, port):
            places.append((host, port))
        case UnixSocket(path):
            places.append(path)
    return {str(place) if isinstance(place, Path) else place[1] for place in places}


def _named(service: Service, output: Sequence[str]) -> set[int | str | None]:
    """Ports of which its output may say that they are in use."""
    lines = [line for line in output if _IN_USE.search(line)]
    if not lines:
        return set()
    return {int(number) for text in (*lines, *service.program.command) for number in _PORT.findall(text)}


def _holder(listener: Listener, pid: int | None, mains: Mapping[int, str]) -> Holder:
    user = user_name(listener.uid) if listener.uid is not None else "(unknown)"
    with suppress(psutil.Error):
        if pid is not None:
            process = psutil.Process(pid)
            family = [pid, *(parent.pid for parent in process.parents())]
            service = next((mains[each] for each in family if each in mains), None)
            return Holder(listener.name, user, pid, process.name(), service)
    return Holder(listener.name, user)
