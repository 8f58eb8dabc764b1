"""Whether each service's log has a file of its own: two that moved the same one aside would lose each other's lines.

And whether it is nobody else's to replace: herdd writes, renames and removes as root what bears its name.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from herd.core.service import Service
from herd.daemon.audit import ASKED, DONE
from herd.daemon.files import opened_guarded

# What is made of a log beside it (rotation.py).
_OLDER = re.compile(r"(.+)\.(?:[1-9]\d*(?:\.gz)?|gz\.new)")


def problems(services: Iterable[Service], log_dir: Path) -> list[str]:
    """A sentence for each service whose log is another's, where another's older lines go, or unguarded. Blocks."""
    found = [*_unguarded(services, log_dir)]
    owners = {_real(log_dir / f"{name}.log"): name for name in _OWN}
    places = [(service.name, _place(service, log_dir)) for service in services]
    for name, place in places:
        if place is not None and (owner := owners.setdefault(place, name)) != name:
            found.append(f"cannot keep the log of {name} in {place}: there is {_whose(owner)}; {_REMEDY}")
    for name, place in places:
        if place is None or not (older := _OLDER.fullmatch(place.name)):
            continue
        if former := owners.get(place.with_name(older[1])):
            where = f"cannot keep the log of {name} in {place}"
            found.append(f"{where}: there go older lines of {_whose(former)}; {_REMEDY}")
    return found


def _unguarded(services: Iterable[Service], log_dir: Path) -> Iterator[str]:
    """What is not there yet is judged when it is opened (logfile.py), and so is what changes."""
    for service in services:
        if service.log and (directory := Path(os.path.abspath(service.log)).parent) != log_dir:
            try:
                with opened_guarded(directory):
                    pass
            except OSError as error:
                if error.errno in (errno.EPERM, errno.ELOOP):
                    remedy = f"put it into a directory of root's alone, or leave it in {log_dir}"
                    yield f"cannot keep the log of {service.name} in {service.log}: {error.strerror}; {remedy}"


# herdd's own.
_OWN = {"root": "herdd's own log, root", **dict.fromkeys((DONE, ASKED), "herdd's own log of who did what")}
_REMEDY = "choose another log-file"


def _whose(owner: str) -> str:
    return _OWN.get(owner, f"the log of {owner}")


def _place(service: Service, log_dir: Path) -> Path | None:
    return None if service.log is False else _real(service.log or log_dir / f"{service.name}.log")


def _real(path: Path) -> Path:
    """The same file has the same path, whatever leads to its directory; no log is a link itself."""
    return Path(os.path.realpath(os.path.dirname(os.path.abspath(path)))) / path.name
