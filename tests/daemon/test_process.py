"""Real children on a real clock: what a program is given, and that nothing of it is left.

The test's own process is the subreaper here, as herdd is.
"""

from __future__ import annotations

import errno
import os
import pwd
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import SIGKILL, SIGRTMIN, SIGTERM, Signals
from typing import Any

import psutil
import pytest
import trio
import trio.lowlevel
from trio.testing import wait_all_tasks_blocked

from herd.core.service import Program
from herd.daemon import census
from herd.daemon.census import MARK, Census, mark_of
from herd.daemon.cgroups import Group
from herd.daemon.children import become_subreaper, reap_orphans
from herd.daemon.command import run_command
from herd.daemon.identity import Identity, NoIdentity, identity
from herd.daemon.process import Process, spawn

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")


@pytest.fixture(autouse=True, scope="module")
def subreaper() -> None:
    become_subreaper()


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    before = {child.pid for child in psutil.Process().children()}
    yield
    reap_orphans()
    assert [child for child in psutil.Process().children() if child.pid not in before] == []


def program(script: str, **keys: Any) -> Program:
    return Program(command=("/bin/sh", "-c", script), **keys)


@asynccontextmanager
async def running(what: Program) -> AsyncIterator[Process]:
    """The program; ended at once if the test has not seen to it."""
    process = await trio.to_thread.run_sync(spawn, "web", what, identity(what))
    async with attended(process):
        yield process


@asynccontextmanager
async def attended(process: Process) -> AsyncIterator[Process]:
    try:
        with trio.fail_after(20):
            yield process
    finally:
        process.signal(SIGKILL)
        if not process.collected:
            await process.wait()
        await process.wait_cleared()
        process.close()


async def read(process: Process) -> str:
    """All that the program prints, until every copy of its output is closed."""
    parts: list[bytes] = []
    while True:
        await trio.lowlevel.wait_readable(process.output)
        if not (part := os.read(process.output, 4096)):
            return b"".join(parts).decode()
        parts.append(part)


async def line(process: Process) -> str:
    """The next line it prints."""
    text = ""
    while not text.endswith("\n"):
        await trio.lowlevel.wait_readable(process.output)
        text += os.read(process.output, 1).decode()
    return text.rstrip("\n")


async def output(script: str, **keys: Any) -> list[str]:
    async with running(program(script, **keys)) as process:
        lines = (await read(process)).splitlines()
        assert (await process.wait()).code == 0
        return lines


async def test_a_session_of_its_own() -> None:
    # Field 4 of /proc/PID/stat is the parent, then process group and session.
    (words,) = await output("cat /proc/$$/stat")
    pid, _, _, parent, group, session, terminal = words.split()[:7]
    assert (parent, group, session, terminal) == (str(os.getpid()), pid, pid, "0")


async def test_a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of whoever started herdd")
    lines = await output("exec /usr/bin/env", environment={"PORT": "80", "LANG": "de_DE.UTF-8"})
    found = dict(each.split("=", 1) for each in lines)
    who = pwd.getpwuid(os.geteuid())
    assert len(found.pop(MARK)) == 32
    assert found.pop("PATH").endswith("/usr/bin:/sbin:/bin")
    assert found.pop("PWD", "/") == "/"
    assert found == {
        "PORT": "80", "LANG": "de_DE.UTF-8", "HERD_SERVICE": "web",
        "HOME": who.pw_dir, "USER": who.pw_name, "LOGNAME": who.pw_name,
    }  # fmt: skip


async def test_three_descriptors_and_no_more() -> None:
    # Of herdd's: an inheritable one, as a careless library leaves it.
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        listing = await output("exec ls -l /proc/self/fd")
    finally:
        os.close(reading)
        os.close(writing)
    found = dict(each.split()[-3::2] for each in listing if " -> " in each)
    # The one more is the directory that ls itself reads.
    assert found.pop("3").startswith("/proc/")
    assert found == {"0": "/dev/null", "1": found["2"], "2": found["1"]}
    assert found["1"].startswith("pipe:")


async def test_umask_and_directory(tmp_path: Path) -> None:
    assert await output("umask; pwd") == ["0077", "/"]
    assert await output("umask; pwd", umask=0o027, directory=tmp_path) == ["0027", str(tmp_path)]


@is_root
async def test_what_a_command_reads_is_its_users_alone() -> None:
    what = program("", user="nobody")
    command = ("/bin/sh", "-c", "stat -Lc '%a %U' /proc/self/fd/0; cat /dev/stdin")
    done = await run_command("web", what, identity(what), command, content=b"secret", limit=100)
    assert done.output == b"600 nobody\nsecret"


@is_root
async def test_the_user_and_no_group_but_its_own() -> None:
    nobody = pwd.getpwnam("nobody")
    lines = await output("id -u; id -g; sed -n 's/^Groups:\\s*//p' /proc/self/status; echo $HOME", user="nobody")
    assert lines == [str(nobody.pw_uid), str(nobody.pw_gid), "", nobody.pw_dir]


@is_root
async def test_named_groups() -> None:
    lines = await output("id -gn; id -Gn", user="nobody", group="daemon", supplementary_groups=("audio", "video"))
    assert (lines[0], sorted(lines[1].split())) == ("daemon", ["audio", "daemon", "video"])


@pytest.mark.parametrize(
    ("keys", "remedy"), [({"user": "no-one"}, "useradd"), ({"group": "no-group"}, "groupadd --system no-group")]
)
def test_a_missing_user_or_group_says_how_to_make_it(keys: dict[str, Any], remedy: str) -> None:
    with pytest.raises(NoIdentity, match=remedy):
        identity(program("true", **keys))


@pytest.mark.parametrize(
    ("what", "error"),
    [
        (Program(command=("/no/such/program",)), FileNotFoundError),
        (Program(command=("no-such-program",)), FileNotFoundError),
        (Program(command=("/etc/passwd",)), PermissionError),
        (program("true", directory=Path("/no/such/directory")), FileNotFoundError),
        (Program(command=("/bin/echo", "a\0b")), OSError),
        (program("true", environment={"A=B": "c"}), OSError),
    ],
)
def test_what_cannot_be_executed(what: Program, error: type[OSError]) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(error) as caught:
        spawn("web", what, Identity("me", os.geteuid(), os.getegid(), (), "/"))
    assert caught.value.strerror
    assert set(os.listdir("/proc/self/fd")) <= before


async def test_endings() -> None:
    async with running(program("exit 7")) as process:
        ending = await process.wait()
        assert (ending.code, ending.signal) == (7, None)
    async with running(program("kill -9 $$")) as process:
        ending = await process.wait()
        assert (ending.code, ending.signal) == (None, SIGKILL)


async def test_each_process_gets_a_signal_once(tmp_path: Path) -> None:
    # Real-time signals, unlike TERM, queue: none that came twice is taken for one. The least comes first.
    child = tmp_path / "child"
    child.write_text("import signal\n"
        "wanted = {signal.SIGRTMIN, signal.SIGRTMIN + 1}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, wanted)\n"
        "print('ready', flush=True)\n"
        "while (number := signal.sigwait(wanted)) == signal.SIGRTMIN:\n"
        "    print('told', flush=True)\n")  # fmt: skip
    told = f"trap '' {SIGRTMIN:d} {SIGRTMIN + 1:d}; {sys.executable} {child}"
    for script in (f"{told} & wait; wait", f"{told.replace(';', '; setsid')} & wait; wait"):
        async with running(program(script)) as process:
            assert await line(process) == "ready"
            (below,) = psutil.Process(process.pid).children()
            process.signal(SIGRTMIN)
            below.send_signal(SIGRTMIN + 1)
            assert await read(process) == "told\n"


async def test_descendants_that_left_the_session_end_too() -> None:
    # setsid --fork forks and its parent exits: the sleeper is an orphan in a session of its own.
    async with running(program("setsid sleep 1000 & setsid --fork sleep 1001; echo ready; wait")) as process:
        assert await line(process) == "ready"
        process.signal(SIGTERM)
        assert (await process.wait()).signal == SIGTERM
        await process.wait_cleared()
        assert await read(process) == ""


async def test_what_a_main_process_leaves_is_found_and_waited_for() -> None:
    async with running(program("setsid --fork sh -c 'trap \"\" TERM; echo here; exec sleep 1000'; exit 0")) as process:
        assert await line(process) == "here"
        assert (await process.wait()).code == 0
        process.signal(SIGTERM)
        with trio.CancelScope() as waiting:
            waiting.cancel()
            await process.wait_cleared()
        assert waiting.cancelled_caught
        process.signal(SIGKILL)
        await process.wait_cleared()
        assert await read(process) == ""


def marked(process: Process) -> int:
    """How many living processes bear the mark of a service's."""
    found = 0
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            found += each.environ().get(MARK) == process.mark
    return found


async def test_another_services_orphans_are_left_alone() -> None:
    script = "setsid --fork sh -c 'echo ready; exec sleep 1000'; exec sleep 1000"
    async with running(program(script)) as mine, running(program(script)) as other:
        assert [await line(mine), await line(other)] == ["ready", "ready"]
        mine.signal(SIGTERM)
        await mine.wait()
        await mine.wait_cleared()
        assert (marked(mine), marked(other) >= 2) == (0, True)


async def test_ended_orphans_are_collected_but_not_what_is_awaited() -> None:
    async with running(program("setsid --fork true; exec sleep 1000")) as process:
        with trio.fail_after(10):
            while not (orphans := [each for each in psutil.Process().children() if each.pid != process.pid]):
                await trio.lowlevel.checkpoint()
        os.waitid(os.P_PID, orphans[0].pid, os.WEXITED | os.WNOWAIT)
        reap_orphans()
        assert [each.pid for each in psutil.Process().children()] == [process.pid]


async def test_one_that_ends_at_once_is_not_taken_for_an_orphan() -> None:
    # As herdd does at every SIGCHLD, while programs are executed in threads.
    ended: list[int | None] = []

    async def run_one() -> None:
        async with running(program("exit 3")) as process:
            ended.append((await process.wait()).code)

    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as programs:
            nursery.start_soon(reap_all_the_time)
            for _ in range(30):
                programs.start_soon(run_one)
        nursery.cancel_scope.cancel()
    assert ended == [3] * 30


async def reap_all_the_time() -> None:
    while True:
        reap_orphans()
        await trio.lowlevel.checkpoint()


async def test_which_processes_are_the_services() -> None:
    script = "sleep 1000 & setsid --fork sh -c 'sleep 1001 & echo $!; wait' & wait"
    async with running(program(script)) as process, running(program("echo here; exec sleep 1000")) as other:
        assert await line(other) == "here"
        below_orphan = int(await line(process))
        while not {process.pid, below_orphan} < (found := process.pids()):
            # It may be told from a look a moment ago.
            await trio.lowlevel.checkpoint()
        assert all(process.has(pid) for pid in found)
        assert not any(process.has(pid) for pid in (other.pid, os.getpid(), os.getppid(), 1, 0, 2**22 + 1))
        assert not any(other.has(pid) for pid in found)
        process.signal(SIGKILL)
        await process.wait()
        await process.wait_cleared()
        assert process.pids() == set()
        assert not process.has(process.pid)


async def test_one_whose_parent_ended_during_the_look_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = 2**22 + 1
    read = census.living_parent
    async with running(program("sleep 1000 & echo $!; wait")) as process:
        below = int(await line(process))
        # It had another parent when it was looked at, and that one was gone when its turn came.
        answers = {below: gone}
        monkeypatch.setattr(census, "living_parent", lambda pid: answers.pop(pid, None) or read(pid))
        assert below in Census().children(time.monotonic())[process.pid]


async def test_one_that_executes_a_program_keeps_its_mark(tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.write_text(f"exec /bin/sh {again}\n")
    async with running(program(f"exec /bin/sh {again}")) as process:
        assert {mark_of(process.pid) for _ in range(5000)} == {process.mark}


async def test_the_main_process_that_a_daemon_leaves_is_adopted() -> None:
    # The last of a double fork: no leader of its group. It ends with 5 by TERM.
    daemon = (
        "import os, signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(5)); "
        "print(os.getpid(), flush=True); signal.pause()"
    )
    script = f"setsid sh -c '(exec {sys.executable} -c \"$DAEMON\") & exit 0'; exit 0"
    async with running(program(script, environment={"DAEMON": daemon})) as process:
        first, main = process.pid, int(await line(process))
        assert (await process.wait()).code == 0
        await process.adopt(main)
        assert (process.pid, process.collected, process.has(main), process.has(first)) == (main, False, True, False)
        process.signal(SIGTERM)
        ending = await process.wait()
        assert (ending.code, ending.signal) == (5, None)
        await process.wait_cleared()


# As setproctitle(3bsd) does: /proc/PID/environ shows this memory.
OVERWRITE = """
import os, signal, sys
if os.fork():
    os._exit(0)
%s
begin, end = map(int, open("/proc/self/stat").read().rpartition(")")[2].split()[47:49])
with open("/proc/self/mem", "r+b", 0) as memory:
    memory.seek(begin)
    memory.write(b"\\0" * (end - begin))
print(os.getpid(), flush=True)
signal.pause()
"""


async def test_a_daemon_that_overwrites_its_environment_may_be_adopted() -> None:
    what = Program((sys.executable, "-c", OVERWRITE % "os.setsid()"))
    async with running(what) as process, running(program("setsid --fork sleep 1000; echo; exec sleep 1001")) as other:
        main, uid = int(await line(process)), os.geteuid()
        await line(other)
        assert (await process.wait()).code == 0
        assert not process.has(main)
        assert process.may_adopt(main, uid)
        assert not process.may_adopt(main, uid + 1)
        # What is another service's, or nobody's, is not for it.
        for pid in (*other.pids(), os.getpid(), os.getppid(), 2**22 + 1):
            assert not process.may_adopt(pid, uid)
        await process.adopt(main)
        assert process.has(main)
        assert not other.may_adopt(main, uid)


async def test_one_that_overwrites_its_environment_is_known_by_its_session() -> None:
    what = Program((sys.executable, "-c", OVERWRITE % ""))
    async with running(what) as process, running(what) as other:
        left, others = int(await line(process)), int(await line(other))
        assert (await process.wait()).code == 0
        assert (process.has(left), process.has(others), other.has(others)) == (True, False, True)
        process.signal(SIGKILL)
        await process.wait_cleared()
        assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE
        assert psutil.pid_exists(others)


async def test_an_adopted_process_is_no_orphan_any_more() -> None:
    async with running(program("setsid --fork sh -c 'echo $$; exec sleep 1000'; exit 0")) as process:
        main = int(await line(process))
        await process.wait()
        await process.adopt(main)
        os.kill(main, SIGKILL)
        os.waitid(os.P_PID, main, os.WEXITED | os.WNOWAIT)
        reap_orphans()
        assert (await process.wait()).signal == SIGKILL


async def test_what_cannot_be_adopted() -> None:
    script = "setsid --fork sh -c 'sleep 1000 & echo $!; wait'; exit 0"
    async with running(program(script)) as process:
        below = int(await line(process))
        await process.wait()
        before = set(os.listdir("/proc/self/fd"))
        for pid in (os.getppid(), 2**22 + 1):
            with pytest.raises(ProcessLookupError):
                await process.adopt(pid)
        # As long as its parent lives.
        with trio.CancelScope() as waiting:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(process.adopt, below)
                await wait_all_tasks_blocked()
                assert nursery.child_tasks
                waiting.cancel()
        assert process.collected
        assert set(os.listdir("/proc/self/fd")) <= before


async def test_a_main_process_behind_the_gate_is_the_program_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        what = program("echo $$ $LISTEN_PID $A $HERD_SERVICE; exec sleep 1000", resource_limits={"core": (0, 0)})
        extra = {"LISTEN_FDS": "1", "A": "extra", "HERD_SERVICE": "not so"}
        process = await trio.to_thread.run_sync(spawn, "web", what, identity(what), extra, (listening.fileno(),))
        async with attended(process):
            assert (await line(process)).split() == [str(process.pid)] * 2 + ["extra", "web"]
            process.signal(SIGTERM)
            assert (await process.wait()).signal == SIGTERM


async def test_a_program_with_limits_that_ends_at_once_is_not_taken_for_an_orphan() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reap_all_the_time)
        for _ in range(10):
            async with running(program("exit 3", resource_limits={"core": (0, 0)})) as process:
                assert (await process.wait()).code == 3
            with pytest.raises(OSError, match="resource limit"):
                spawn("web", program("exit 3", resource_limits={"core": (1, 0)}), Identity("me", 0, 0, (), "/"))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("number", "is_from_herdd", "limit", "reached", "is_told"),
    [
        (SIGKILL, False, "1048576", 1, True),
        (SIGKILL, False, "1048576", 0, False),
        (SIGKILL, False, "max", 1, False),
        (SIGTERM, False, "1048576", 1, False),
        (SIGKILL, True, "1048576", 1, False),
    ],
)
async def test_only_the_kernels_end_for_the_services_own_limit_is_told_as_such(
    tmp_path: Path, number: Signals, is_from_herdd: bool, limit: str, reached: int, is_told: bool
) -> None:
    # What the kernel writes where it has ended another of the service's processes, too.
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.events.local").write_text(f"low 0\nhigh 0\nmax 9\noom {reached}\noom_kill 1\n")
    async with running(program("exec sleep infinity")) as process:
        process.group = Group(tmp_path)
        if is_from_herdd:
            process.signal(number)
        else:
            os.kill(process.pid, number)
        ending = await process.wait()
        assert (ending.signal, ending.took_too_much) == (number, is_told)


def test_one_that_has_ended_cannot_be_held_whatever_the_kernel_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def said_by_6_1(pid: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "pidfd_open", said_by_6_1)
    with pytest.raises(ProcessLookupError):
        census.hold(1)
