"""What herdd finds as it begins: directories that it cannot use are refused aloud, and no line is lost unsaid."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from herd.core.errors import HerdError
from herd.daemon.remembered import home
from support import HERDD, PATIENCE, herdd, program, short_directory

_NOBODY = 65534
_NO_LINK = "a symbolic link that is not followed; name the real one with --log-dir"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can play another user, and mount")
# A file system of its own, which is full; the words after it are executed.
_FULL = """
mount -t tmpfs -o size=64k,mode=755 tmpfs "$1"
mkdir -m 700 "$1/processes"
echo 0123456789abcdef > "$1/processes/home"
cat /dev/zero > "$1/zero" 2>/dev/null
shift
exec "$@"
"""


def full(directory: Path) -> tuple[str, ...]:
    """The words before a command that is to find this directory full, and which others do not see so."""
    directory.mkdir(0o700, parents=True)
    return ("unshare", "--mount", "/bin/sh", "-c", _FULL, "sh", str(directory))


def refused(directory: Path, *, log_dir: str = "log", inside: tuple[str, ...] = ()) -> str:
    """What a herdd says that does not begin."""
    (directory / "herd.toml").write_text(program("web", f"touch {directory}/started"))
    places = [f"--{name}-dir={directory / name}" for name in ("runtime", "state")]
    command = [*inside, *HERDD, f"--config={directory / 'herd.toml'}", *places, f"--log-dir={directory / log_dir}"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (found.returncode, found.stdout) == (1, "")
    assert not (directory / "started").exists()
    return found.stderr


@as_root
@pytest.mark.parametrize("whose", ["a group's directory", "another user's link"])
def test_a_log_directory_behind_a_link_of_others_is_refused(whose: str) -> None:
    with short_directory() as directory:
        (directory / "srv").mkdir(0o750)
        (directory / "var").mkdir()
        (directory / "var/log").symlink_to(directory / "srv")
        if whose == "a group's directory":
            (directory / "var").chmod(0o775)
        else:
            os.lchown(directory / "var/log", _NOBODY, _NOBODY)
        for name in ("var/log", "var/log/below"):
            said = refused(directory, log_dir=name)
            assert said == f"herdd: cannot use the directory {directory / name}: {_NO_LINK}\n"
        assert list((directory / "srv").iterdir()) == []


def test_a_log_directory_may_be_written_with_dots() -> None:
    with short_directory() as directory:
        # Others' to write in: herdd's own logs may lie below it, and only those.
        directory.chmod(0o777)
        (directory / "log").mkdir(0o750)
        (directory / "x").mkdir()
        with herdd(
            program("web", "echo hello; exec sleep 1000"), f"--log-dir={directory}/x/../log", directory=directory
        ) as daemon:
            daemon.until_status("web", "running")
            daemon.herd("stop", "web")
            assert daemon.status("web")["lostLines"] == 0
            # Who asks for it gets it written first.
            assert daemon.written("web") == ["hello"]
            assert daemon.log("web").endswith(" hello\n")
            assert "listens on" in daemon.log("root")


def test_it_is_said_once_that_a_log_of_herdds_own_cannot_be_written() -> None:
    with short_directory() as directory:
        for name in ("root", "audit"):
            (directory / f"log/{name}.log").mkdir(parents=True)
        (directory / "log").chmod(0o750)
        with herdd(program("web", "exec sleep 1000"), directory=directory) as daemon:
            daemon.said(f"cannot write {directory}/log/root.log: Is a directory; lines of it are lost")
            for _ in range(2):
                assert daemon.herd("restart", "web").returncode == 0
            daemon.said(f"cannot write {directory}/log/audit.log: Is a directory; lines of it are lost")
        assert len([line for line in daemon.lines if "cannot write " in line]) == 2


@as_root
def test_a_home_that_there_is_no_room_for_is_refused_in_a_sentence() -> None:
    with short_directory() as directory:
        said = refused(directory, inside=full(directory / "runtime/processes"))
        place = directory / "runtime/processes"
        assert said.startswith(f"herdd: cannot use the directory {place}: No space left on device; ")
        assert len(said.splitlines()) == 1


@as_root
def test_a_full_directory_keeps_no_herdd_from_coming_back() -> None:
    with short_directory() as directory, herdd("", directory=directory, inside=full(directory / "run")) as daemon:
        daemon.said(" listens on ")


def test_a_home_that_cannot_be_read_is_refused_in_a_sentence() -> None:
    with short_directory() as directory:
        (directory / "runtime/processes/home").mkdir(parents=True)
        said = refused(directory)
        assert said.startswith(f"herdd: cannot use the directory {directory}/runtime/processes: Is a directory; ")


def test_only_the_sole_daemon_asks_for_its_home() -> None:
    with short_directory() as directory, herdd("", directory=directory) as daemon:
        place = daemon.runtime_dir / "processes/home"
        place.unlink()
        second = subprocess.run([*HERDD, *daemon.arguments], capture_output=True, text=True, timeout=PATIENCE)
        assert "answers there already" in second.stderr
        assert not place.exists()


def test_a_home_that_was_not_written_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(path: Path, text: str) -> None:
        """A double of a disk that takes no more."""
        path.write_bytes(text[:3].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", half)
        with pytest.raises(HerdError, match="cannot use the directory"):
            home(tmp_path)
    first = home(tmp_path)
    assert len(first) == 17
    assert home(tmp_path) == first
