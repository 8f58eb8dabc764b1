"""The caller's files: by its names, with its rights."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from herd.core.errors import HerdError
from herd.core.role import Access
from herd.daemon.access import Client, Peer
from herd.daemon.caller import PeerCaller
from support import short_directory

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the rights of others")
_NOBODY = 65534


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that everybody may pass through."""
    with short_directory() as directory:
        yield directory


@pytest.fixture
def herd(open_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """In place of the command: nobody's process, in a directory of its own, with a pipe for its input."""
    home = open_path / "home"
    home.mkdir()
    os.chown(home, _NOBODY, _NOBODY)
    with subprocess.Popen(
        ["sleep", "60"], cwd=home, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, user=_NOBODY, group=_NOBODY
    ) as process:
        yield process
        process.kill()


def _caller(herd: subprocess.Popen[bytes]) -> PeerCaller:
    return PeerCaller(Peer(herd.pid, _NOBODY, _NOBODY), "nobody")


async def test_a_name_counts_from_the_callers_directory(herd: subprocess.Popen[bytes], open_path: Path) -> None:
    (open_path / "home/bans").write_text("hers")
    assert await _caller(herd).read_file("bans", 100) == b"hers"
    assert await _caller(herd).read_file(str(open_path / "home/bans"), 4) == b"hers"


async def test_for_somebody_elsewhere_there_are_descriptors_and_no_files(
    herd: subprocess.Popen[bytes], open_path: Path
) -> None:
    (open_path / "home/bans").write_text("the host's")
    caller = PeerCaller(Peer(herd.pid, _NOBODY, _NOBODY), "nobody", is_remote=True)
    for name in ("bans", str(open_path / "home/bans"), f"/proc/{herd.pid}/fd/../cwd/bans", "/dev/fd/../fd/0"):
        with pytest.raises(HerdError, match="from elsewhere only /dev/stdin can be read"):
            await caller.read_file(name, 100)
        with pytest.raises(HerdError, match="from elsewhere only /dev/stdin can be read"):
            await caller.write_new_files({name: b"content"})
    assert herd.stdin is not None
    os.fchown(herd.stdin.fileno(), _NOBODY, _NOBODY)
    herd.stdin.write(b"sent")
    herd.stdin.close()
    assert await caller.read_file("/dev/stdin", 100) == b"sent"


async def test_what_the_caller_may_not_read_is_not_read(herd: subprocess.Popen[bytes], open_path: Path) -> None:
    secret = open_path / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    (open_path / "home/link").symlink_to(secret)
    for name in (str(secret), "link"):
        with pytest.raises(HerdError, match=f"cannot read {name}: Permission denied; name a file that nobody may read"):
            await _caller(herd).read_file(name, 100)


async def test_what_root_has_open_is_not_read(herd: subprocess.Popen[bytes], open_path: Path) -> None:
    inner = open_path / "secret/inner"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    (inner / "file").write_text("root's")
    with subprocess.Popen(["sleep", "60"], cwd=inner) as process:
        try:
            for name in (f"/proc/{process.pid}/cwd/file", f"/proc/{process.pid}/root/etc/passwd"):
                with pytest.raises(HerdError, match=f"cannot read {name}: Permission denied"):
                    await _caller(herd).read_file(name, 1_000_000)
        finally:
            process.kill()


async def test_what_proc_says_of_herdd_itself_is_not_read(herd: subprocess.Popen[bytes], open_path: Path) -> None:
    (open_path / "home/link").symlink_to("/proc/self/maps")
    for name in ("/proc/self/maps", "/proc/thread-self/smaps", "link"):
        with pytest.raises(HerdError, match=f"cannot read {name}: Permission denied"):
            await _caller(herd).read_file(name, 1_000_000)


async def test_one_whose_proc_is_roots_reads_its_own_files(herd: subprocess.Popen[bytes], open_path: Path) -> None:
    """A process that changed its user without executing anything since, or one with capabilities."""
    (open_path / "home/bans").write_text("hers")
    code = f"import os; os.setgid({_NOBODY}); os.setuid({_NOBODY}); print(flush=True); os.read(0, 1)"
    with subprocess.Popen(
        [sys.executable, "-Ic", code], cwd=open_path / "home", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        assert os.stat(f"/proc/{process.pid}/cwd", follow_symlinks=False).st_uid == 0
        assert await _caller(process).read_file("bans", 100) == b"hers"
        await _caller(process).write_new_files({"archive": b"content"})
        process.kill()


async def test_too_much_is_refused(herd: subprocess.Popen[bytes], open_path: Path) -> None:
    (open_path / "home/bans").write_bytes(b"x" * 101)
    with pytest.raises(HerdError, match="more than 100 bytes"):
        await _caller(herd).read_file("bans", 100)
    # It has no end.
    with pytest.raises(HerdError, match="cannot read /dev/zero"):
        await _caller(herd).read_file("/dev/zero", 100)


async def test_a_descriptor_is_the_callers(open_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"secret\n")
    os.close(writing)
    with subprocess.Popen(["sleep", "60"], pass_fds=[reading], user=_NOBODY, group=_NOBODY) as process:
        os.fchown(reading, _NOBODY, _NOBODY)
        os.close(reading)
        try:
            assert await _caller(process).read_file(f"/dev/fd/{reading}", 100) == b"secret\n"
        finally:
            process.kill()


async def test_standard_input_is_the_callers(herd: subprocess.Popen[bytes]) -> None:
    assert herd.stdin is not None
    os.fchown(herd.stdin.fileno(), _NOBODY, _NOBODY)
    herd.stdin.write(b"secret")
    herd.stdin.close()
    assert await _caller(herd).read_file("/dev/stdin", 100) == b"secret"


async def test_a_new_file_is_the_callers_alone(herd: subprocess.Popen[bytes], open_path: Path) -> None:
    await _caller(herd).write_new_files({"archive": b"content"})
    made = open_path / "home/archive"
    assert (made.read_bytes(), made.stat().st_uid, stat.S_IMODE(made.stat().st_mode)) == (b"content", _NOBODY, 0o600)
    with pytest.raises(HerdError, match="cannot write archive: File exists; name a file that is not there yet"):
        await _caller(herd).write_new_files({"archive": b"other"})
    assert made.read_bytes() == b"content"


async def test_of_several_files_all_are_written_or_none(herd: subprocess.Popen[bytes], open_path: Path) -> None:
    (open_path / "home/third").write_text("mine")
    with pytest.raises(HerdError, match="cannot write third: File exists"):
        await _caller(herd).write_new_files({"first": b"1", "second": b"2", "third": b"3"})
    assert sorted(path.name for path in (open_path / "home").iterdir()) == ["third"]
    assert (open_path / "home/third").read_text() == "mine"


async def test_where_the_caller_may_not_write_nothing_is_written(
    herd: subprocess.Popen[bytes], open_path: Path
) -> None:
    (open_path / "home/link").symlink_to(open_path / "elsewhere")
    for name in (str(open_path / "archive"), "link"):
        with pytest.raises(HerdError, match=f"cannot write {name}"):
            await _caller(herd).write_new_files({name: b"content"})
    assert sorted(path.name for path in open_path.iterdir()) == ["home"]


async def test_a_user_without_a_name_is_called_by_its_number() -> None:
    assert (await PeerCaller.of(Client(Peer(1, 0, 0), Access))).name == "root"
    assert (await PeerCaller.of(Client(Peer(1, 4294967, 0), Access))).name == "uid 4294967"
