"""How a program is executed: its environment, its output, and what must be done between fork and exec.

Three things can be done only there, and Python must not run in a forked child of a program with threads: to limit
resources before the program's first instruction, to have it in a control group by then, and to say in $LISTEN_PID which
process the sockets are for. So such a program waits at a gate (gate.py), as the service's user; herdd limits that
process from outside (prlimit(2)), moves it, and lets it go, and it executes the program in its own place.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import gc
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from herd.core.service import Program
from herd.daemon import limits
from herd.daemon.cgroups import Group
from herd.daemon.environment import read_environment
from herd.daemon.gate import gate
from herd.daemon.identity import Identity

T = TypeVar("T")

FIRST_SOCKET = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CLONE_FILES = 0x400
_ONE_TABLE = threading.Lock()


def environment_of(program: Program, who: Identity) -> dict[str, str]:
    """What the program is given and nothing of herdd's. Raises OSError. Blocks."""
    clean = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": who.home, "USER": who.user, "LOGNAME": who.user}
    from_file = read_environment(program.environment_file) if program.environment_file else {}
    return {**clean, **from_file, **program.environment}


def output_pipe(who: Identity) -> tuple[int, int]:
    """A pipe for the program's output: what herdd reads, and what the program writes to.

    The program's user owns it, so that it can open /dev/stdout. Its side is open for reading too: with a reader of its
    own, the program is sent no SIGPIPE when herdd is killed, and the herdd that comes next finds its output whole in
    /proc/PID/fd/1. The end of file still comes with the end of the last process that holds it.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        os.set_blocking(reading, False)
        if os.geteuid() == 0:
            os.fchown(writing, who.uid, who.gid)
        both_ways = os.open(f"/proc/self/fd/{writing}", os.O_RDWR | os.O_CLOEXEC)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return reading, both_ways


def execute(
    program: Program,
    who: Identity,
    environment: dict[str, str],
    output: int,
    sockets: Sequence[int] = (),
    errors: int | None = None,
    group: Group | None = None,
) -> int:
    """Execute the program; the descriptors `sockets` become its 3, 4, … Returns its pid. Raises OSError. Blocks.

    Without `errors` the output takes standard error too. In `group` it is from its first instruction on.
    """
    outputs = (output, output if errors is None else errors)
    limited = {**limits.OPEN_FILES.for_programs(), **program.resource_limits}
    if not sockets and not limited and group is None:
        return _popen(program, who, program.command, environment, subprocess.DEVNULL, outputs)
    _look_for(program, environment["PATH"])
    waiting, release = os.pipe2(os.O_CLOEXEC)
    try:
        pid = _behind_gate(program, who, environment, waiting, outputs, sockets)
    except BaseException:
        os.close(release)
        raise
    finally:
        os.close(waiting)
    try:
        if group is not None:
            group.take_in(pid)
        os.write(release, _wrapper(pid, limited, who).encode() + b"\n")
    except BaseException:
        # The shell reads the end of file and ends; nobody else knows of it.
        os.close(release)
        os.waitpid(pid, 0)
        raise
    os.close(release)
    return pid


def _wrapper(pid: int, limited: limits.Limits, who: Identity) -> str:
    """Limit the waiting process; return the words to set before its command, if it has to do so itself."""
    try:
        limits.apply(pid, limited)
    except PermissionError:
        if who.uid == os.geteuid():
            raise
        # In a container root often has no power over limits. The user itself may at least lower them.
        return " ".join(("prlimit", *limits.options(limited), "--"))
    return ""


def _look_for(program: Program, path: str) -> None:
    """Raise for a missing program what executing it would: behind the gate only an exit status would tell."""
    name = program.command[0]
    place = os.path.join(program.directory, name) if "/" in name else name
    if shutil.which(place, path=path) is None:
        number = errno.EACCES if "/" in name and Path(place).exists() else errno.ENOENT
        raise OSError(number, os.strerror(number), name)


def _behind_gate(
    program: Program,
    who: Identity,
    environment: dict[str, str],
    waiting: int,
    outputs: tuple[int, int],
    sockets: Sequence[int],
) -> int:
    command = gate(program.command, environment)
    passed = range(FIRST_SOCKET, FIRST_SOCKET + len(sockets))

    def begin() -> int:
        # Out of the way of the numbers that the sockets get.
        above = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, passed.stop) for each in (waiting, *outputs, *sockets)]
        for number, socket in zip(passed, above[3:], strict=True):
            os.dup2(socket, number)
        return _popen(program, who, command, environment, above[0], (above[1], above[2]), passed)

    return _with_own_descriptors(begin) if sockets else _popen(program, who, command, environment, waiting, outputs)


def _with_own_descriptors(function: Callable[[], T]) -> T:
    """Call it in a thread that has a copy of herdd's descriptors, to renumber as it likes (unshare(2)).

    Nothing may be collected meanwhile: an object's finalizer would close the copy and not the original.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(_CLONE_FILES) != 0:
                raise OSError(ctypes.get_errno(), "unshare(CLONE_FILES)")
            results.append(function())
        except BaseException as error:
            errors.append(error)

    with _ONE_TABLE:
        collects = gc.isenabled()
        gc.disable()
        try:
            thread = threading.Thread(target=run, name="descriptors")
            thread.start()
            thread.join()
        finally:
            if collects:
                gc.enable()
    if errors:
        raise errors[0]
    return results[0]


def _is_own(who: Identity) -> bool:
    return (who.uid, who.gid, set(who.groups)) == (os.geteuid(), os.getegid(), set(os.getgroups()))


def _popen(
    program: Program,
    who: Identity,
    command: Sequence[str],
    environment: dict[str, str],
    standard_input: int,
    outputs: tuple[int, int],
    passed: Sequence[int] = (),
) -> int:
    # Only where it is another's: to become somebody keeps Python from vfork(2), and fork(2) takes ten times as long.
    changes_user = os.geteuid() == 0 and not _is_own(who)
    try:
        child = subprocess.Popen(
            command,
            stdin=standard_input,
            stdout=outputs[0],
            stderr=outputs[1],
            cwd=program.directory,
            env=environment,
            start_new_session=True,
            umask=program.umask,
            user=who.uid if changes_user else None,
            group=who.gid if changes_user else None,
            extra_groups=who.groups if changes_user else None,
            pass_fds=tuple(passed),
        )
    except ValueError as error:
        # A NUL byte in a word, an = in the name of a variable.
        raise OSError(errno.EINVAL, str(error), program.command[0]) from error
    # The exit is collected by pidfd; Popen shall not try.
    child.returncode = 0
    return child.pid
