"""Pid files, late, half written, stale, laid by somebody else. What is written is awaited, never slept for."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from herd.daemon import files, pidfile
from herd.daemon.pidfile import forget, main_pid

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can play another user")
Writer = Callable[[], object]


@pytest.fixture
def child() -> Iterator[int]:
    with subprocess.Popen(("sleep", "1000")) as process:
        yield process.pid
        process.kill()


async def settled() -> None:
    """Until main_pid() waits for the kernel: looking at the file happens in a thread."""
    while trio.to_thread.current_default_thread_limiter().borrowed_tokens:
        await trio.lowlevel.checkpoint()
    await wait_all_tasks_blocked()
    if trio.to_thread.current_default_thread_limiter().borrowed_tokens:
        await settled()


async def found(path: Path, belongs: Callable[[int], bool], *steps: Writer) -> int:
    """What main_pid() returns; before each step it waits."""
    results: list[int] = []

    async def look() -> None:
        results.append(await main_pid(path, belongs))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            for step in steps:
                await settled()
                assert results == []
                step()
    return results[0]


def any_pid(_: int) -> bool:
    return True


async def test_a_file_that_is_there(tmp_path: Path, child: int) -> None:
    path = tmp_path / "pid"
    path.write_text(f"{child}\n")
    assert await found(path, any_pid) == child


async def test_a_file_that_comes_late_and_bit_by_bit(tmp_path: Path, child: int) -> None:
    path = tmp_path / "pid"
    digits = str(child)

    def append(text: str) -> Writer:
        def write() -> None:
            with path.open("a") as file:
                file.write(text)

        return write

    steps = [append(""), append(digits[:1]), append(digits[1:]), append("\n")]
    assert await found(path, {child}.__contains__, *steps[:3]) == child


async def test_a_file_that_gets_its_name_when_it_is_whole(tmp_path: Path, child: int) -> None:
    temporary, path = tmp_path / "new", tmp_path / "pid"
    steps = [lambda: temporary.write_text(str(child)), lambda: temporary.rename(path)]
    assert await found(path, any_pid, *steps) == child


async def test_a_directory_that_the_program_makes(tmp_path: Path, child: int) -> None:
    path = tmp_path / "run/web/pid"
    steps: list[Writer] = [path.parent.parent.mkdir, path.parent.mkdir, lambda: path.write_text(str(child))]
    assert await found(path, any_pid, *steps) == child


async def test_a_directory_that_is_made_anew(tmp_path: Path, child: int) -> None:
    path = tmp_path / "run/pid"
    path.parent.mkdir()
    steps: list[Writer] = [path.parent.rmdir, path.parent.mkdir, lambda: path.write_text(str(child))]
    assert await found(path, any_pid, *steps) == child


async def test_a_directory_that_gets_another_name(tmp_path: Path, child: int) -> None:
    path = tmp_path / "run/pid"
    path.parent.mkdir()
    steps: list[Writer] = [lambda: path.parent.rename(tmp_path / "old"), path.parent.mkdir]
    assert await found(path, any_pid, *steps, lambda: path.write_text(str(child))) == child


async def test_a_directory_that_is_made_while_it_is_looked_for(
    tmp_path: Path, child: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run/pid"

    @contextmanager
    def opened_too_soon(directory: Path) -> Iterator[int]:
        try:
            with files.opened_directory(directory) as opened:
                yield opened
        except FileNotFoundError:
            path.parent.mkdir()
            raise

    monkeypatch.setattr(pidfile, "opened_directory", opened_too_soon)
    assert await found(path, any_pid, lambda: path.write_text(str(child))) == child


async def test_only_a_living_process_of_the_service(tmp_path: Path, child: int) -> None:
    path = tmp_path / "pid"
    with subprocess.Popen("true") as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        words = [str(os.getpid()), str(ended.pid), "0", "-1", "1" * 12, "\u0661", "x", f"{child} {child}"]
        steps: list[Writer] = [lambda word=word: path.write_text(word) for word in words]  # type: ignore[misc]
        steps.append(lambda: path.write_text(str(child)))
        assert await found(path, {child, ended.pid, 0}.__contains__, *steps) == child


async def test_what_cannot_be_a_pid_file(tmp_path: Path) -> None:
    (tmp_path / "long").write_text("1" * 65)
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name in ("long", "directory", "fifo", "long/pid"):
        with pytest.raises(OSError, match=r"."), trio.fail_after(20):
            await main_pid(tmp_path / name, any_pid)


@as_root
async def test_another_users_link_is_not_followed(tmp_path: Path, child: int) -> None:
    (tmp_path / "real").write_text(str(child))
    (tmp_path / "pid").symlink_to(tmp_path / "real")
    os.lchown(tmp_path / "pid", NOBODY, NOBODY)
    with pytest.raises(OSError, match="a symbolic link that is not followed"), trio.fail_after(20):
        await main_pid(tmp_path / "pid", any_pid)


async def test_nothing_stays_open(tmp_path: Path, child: int) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with trio.move_on_after(20) as limit:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(main_pid, tmp_path / "none/pid", any_pid)
            await settled()
            nursery.cancel_scope.cancel()
    assert not limit.cancelled_caught
    # What another test left may be collected meanwhile.
    assert set(os.listdir("/proc/self/fd")) <= before


def test_what_an_earlier_run_left_is_forgotten(tmp_path: Path) -> None:
    path, precious = tmp_path / "pid", tmp_path / "precious"
    forget(path)
    forget(tmp_path / "none/pid")
    path.write_text("1")
    forget(path)
    assert not path.exists()
    precious.write_text("precious")
    path.symlink_to(precious)
    forget(path)
    assert (path.is_symlink(), precious.read_text()) == (False, "precious")
