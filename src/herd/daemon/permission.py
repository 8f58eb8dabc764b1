"""Whether what a program's execution needs is there, and whether its user may have it.

Asked afterwards, by looking: an attempt would be another start. The kernel's rules beyond owner, group and others
(access lists, security modules) are not known here.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from herd.core.diagnosis import Denied, Missing, Part
from herd.core.preparation import MakeDirectory, WriteFile
from herd.core.service import Program, Service
from herd.daemon.execution import PATH
from herd.daemon.files import read_head
from herd.daemon.identity import Identity, NoIdentity, identity
from herd.daemon.users import user_name

# As much of a script's first line as the kernel reads.
_FIRST_LINE = 256


def missing(program: Program) -> Missing | None:
    """The first that is not there, in the order in which an execution needs them."""
    path = _path(program)
    if _is_absent(program.directory):
        return Missing(Part.DIRECTORY, str(program.directory))
    if program.environment_file is not None and _is_absent(program.environment_file):
        return Missing(Part.ENVIRONMENT, str(program.environment_file))
    if path is None or _is_absent(path):
        return Missing(Part.PROGRAM, program.command[0])
    interpreter = _interpreter(path)
    if interpreter is not None and _is_absent(interpreter):
        return Missing(Part.INTERPRETER, str(interpreter))
    return None


def denied(service: Service) -> Denied | None:
    """The first thing that is refused: to herdd while it prepares, or to the service's user at the execution."""
    with suppress(NoIdentity):
        who = identity(service.program)
        return next(_refusals_of_preparation(service), None) or next(_refusals_of_execution(service.program, who), None)
    return None


def _refusals_of_preparation(service: Service) -> Iterator[Denied]:
    for step in service.preparation:
        if isinstance(step, MakeDirectory | WriteFile):
            place = next(each for each in step.path.parents if not _is_absent(each))
            is_made = isinstance(step, MakeDirectory) and not _is_absent(step.path)
            if not is_made and not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
                yield Denied(user_name(os.geteuid()), "write in", str(place))


def _refusals_of_execution(program: Program, who: Identity) -> Iterator[Denied]:
    for path, deed in ((program.directory, "enter"), (_path(program), "execute")):
        if path is not None:
            real = Path(os.path.realpath(path))
            for place in reversed(real.parents):
                if not _may_execute(place, who):
                    yield Denied(who.user, "enter", str(place))
            if not _may_execute(real, who):
                yield Denied(who.user, deed, str(real))


def _may_execute(path: Path, who: Identity) -> bool:
    """By owner, group and others; for a directory that is to enter it. What cannot be seen is not judged."""
    with suppress(OSError):
        found = path.stat()
        if who.uid == 0:
            return bool(found.st_mode & 0o111) or stat.S_ISDIR(found.st_mode)
        if found.st_uid == who.uid:
            return bool(found.st_mode & 0o100)
        return bool(found.st_mode & (0o010 if found.st_gid in _groups(who) else 0o001))
    return True


def _groups(who: Identity) -> set[int]:
    """Only root gives a program other groups than its own."""
    return {who.gid, *who.groups} if os.geteuid() == 0 else {os.getegid(), *os.getgroups()}


def _path(program: Program) -> Path | None:
    word = program.command[0]
    if "/" in word:
        return program.directory / word
    places = program.environment.get("PATH", PATH)
    # One that none but others may execute is there all the same.
    found = shutil.which(word, os.F_OK, places)
    return Path(found) if found else None


def _interpreter(path: Path) -> Path | None:
    """What a script's first line names."""
    with suppress(OSError):
        line = read_head(path, _FIRST_LINE).split(b"\n")[0]
        if line.startswith(b"#!") and (words := line[2:].split()):
            return Path(os.fsdecode(words[0]))
    return None


def _is_absent(path: Path) -> bool:
    """Known not to be there; of what may not be looked at, nothing is known."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False
