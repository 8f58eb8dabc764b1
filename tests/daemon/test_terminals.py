"""Terminals where files were expected: none becomes herdd's own, for whoever hangs that one up would end herdd."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support import PATIENCE, herdd, program, short_directory

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can play another user")
_NOBODY = 65534
# As systemd starts herdd: the first process of its session, which has no terminal.
_BEGIN = """
import os, sys
from contextlib import suppress
from pathlib import Path
from herd.core.errors import HerdError

terminal = Path(sys.argv[1])
"""
_END = """
print(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[4])
"""
_READ_FILE = """
from herd.daemon.files import read_file
with suppress(OSError):
    read_file(terminal, 5)
"""
_READ_GUARDED = """
from herd.daemon.files import read_guarded
with suppress(OSError):
    read_guarded(terminal, 5)
"""
_LOOK_AT_PROGRAM = """
from herd.core.service import Program
from herd.daemon.permission import missing
missing(Program((str(terminal),)))
"""
_READ_FOR_CALLER = """
import trio
from herd.daemon import caller
from herd.daemon.access import Peer
caller._PATIENCE = 0
who = Peer(os.getpid(), os.geteuid(), os.getegid())
with suppress(HerdError):
    trio.run(caller.PeerCaller(who, "me").read_file, str(terminal), 5)
"""
_RECLAIM = """
from herd.daemon.process import reclaim
writer = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
pid = os.fork()
if not pid:
    os.dup2(writer, 1)
    os.kill(os.getpid(), 19)
os.waitpid(pid, os.WUNTRACED)
try:
    with suppress(OSError):
        reclaim(pid, os.pidfd_open(pid), "mark", None)
finally:
    os.kill(pid, 9)
"""
_WRITE_LOG = """
from herd.daemon.lines import Block
from herd.daemon.logfile import LogFile
from herd.daemon.logpolicy import LogPolicy
LogFile(terminal, LogPolicy()).append([Block(b"", b"line\\n")])
"""
_READ_LOG = """
from herd.daemon.logfile import LogFile
from herd.daemon.logpolicy import LogPolicy
LogFile(terminal, LogPolicy()).open_all()
"""


@pytest.fixture
def terminal() -> Iterator[Path]:
    """A terminal that is nobody's yet."""
    master, slave = os.openpty()
    yield Path(os.ttyname(slave))
    for descriptor in (slave, master):
        with suppress(OSError):
            os.close(descriptor)


def _terminal_of(code: str, terminal: Path) -> int:
    """The number of the terminal that a session has got by running the code."""
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN + code + _END, terminal],
        start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=PATIENCE, check=True,
    )  # fmt: skip
    return int(done.stdout)


def _terminal(pid: int) -> int:
    """The number of the terminal that a process can be hung up by (proc(5), tty_nr)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4])


def test_a_session_gets_a_terminal_by_opening_one(terminal: Path) -> None:
    assert _terminal_of("open(terminal)", terminal) == os.stat(terminal).st_rdev


@pytest.mark.parametrize(
    "code",
    [_READ_FILE, _READ_GUARDED, _LOOK_AT_PROGRAM, _READ_FOR_CALLER, _RECLAIM, _WRITE_LOG, _READ_LOG],
    ids=["file", "guarded file", "program", "caller's file", "output", "log", "past of a log"],
)
def test_no_look_at_a_file_gets_one(code: str, terminal: Path) -> None:
    assert _terminal_of(code, terminal) == 0


@as_root
def test_a_terminal_in_place_of_a_program_does_not_become_herdds() -> None:
    with short_directory() as home:
        master, slave = os.openpty()
        os.fchown(slave, _NOBODY, -1)
        os.fchmod(slave, 0o700)
        (home / "tool").symlink_to(os.ttyname(slave))
        config = program("web", [str(home / "tool")], user="nobody", respawn=False) + program(
            "other", "exec sleep 1000"
        )
        with herdd(config, inside=("setsid",)) as daemon:
            daemon.until("web", lambda facts: facts["failing"])
            assert daemon.herd("why", "web").returncode == 0
            assert _terminal(daemon.process.pid) == 0
        os.close(slave)
        os.close(master)
