"""Files where another user may have laid links: nothing behind such a link is read, written or removed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from herd.daemon import files
from support import as_peer, short_directory

NOBODY = 65534
ME = os.geteuid(), os.getegid()
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can play another user")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A directory of another user."""
    directory = tmp_path / "theirs"
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    return directory


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """What a link points to."""
    directory = tmp_path / "precious"
    (directory / "below").mkdir(parents=True)
    (directory / "file").write_text("precious")
    return directory


def link(path: Path, target: Path, owner: int = NOBODY) -> None:
    path.symlink_to(target)
    os.lchown(path, owner, owner)


def write(path: Path) -> None:
    files.write_file(path, b"new", 0o600, *ME)


def make(path: Path) -> None:
    files.make_directory(path, 0o700, *ME)


@as_root
@pytest.mark.parametrize("act", [write, make, files.remove_file])
def test_another_users_link_on_the_way_is_refused(theirs: Path, precious: Path, act: Callable[[Path], None]) -> None:
    link(theirs / "link", precious)
    with pytest.raises(OSError, match="a symbolic link that is not followed") as caught:
        act(theirs / "link/file")
    assert caught.value.errno == errno.ELOOP
    assert (precious / "file").read_text() == "precious"


@as_root
def test_a_link_of_ours_in_a_directory_of_theirs_is_refused_too(theirs: Path, precious: Path) -> None:
    # They can rename it and lay another.
    link(theirs / "link", precious, owner=0)
    with pytest.raises(OSError, match="not followed"):
        write(theirs / "link/file")


@as_root
@pytest.mark.parametrize(("mode", "followed"), [(0o755, True), (0o1777, True), (0o777, False), (0o775, False)])
def test_our_own_link_is_followed_where_nobody_else_could_lay_it(
    tmp_path: Path, precious: Path, mode: int, followed: bool
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    place.chmod(mode)
    link(place / "link", precious, owner=0)
    if followed:
        write(place / "link/file")
    else:
        with pytest.raises(OSError, match="not followed"):
            write(place / "link/file")
    assert (precious / "file").read_text() == ("new" if followed else "precious")


def test_a_link_may_be_relative_and_lead_on(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "first").symlink_to("here/../second")
    (tmp_path / "here").mkdir()
    (tmp_path / "second").symlink_to(precious)
    write(tmp_path / "first/below/file")
    assert (precious / "below/file").read_text() == "new"


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="not followed"):
        write(tmp_path / "a/file")


def test_an_opened_directory_stays_the_one_it_was(tmp_path: Path, precious: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with files.opened_directory(place) as descriptor:
        # What another user does in between.
        place.rename(tmp_path / "away")
        place.symlink_to(precious)
        os.close(os.open("made", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    assert (tmp_path / "away/made").exists()
    assert not (precious / "made").exists()


@as_root
def test_a_directory_on_the_way_may_be_one_to_pass_through_alone() -> None:
    with short_directory() as place:
        (place / "homes/theirs").mkdir(parents=True)
        (place / "homes").chmod(0o711)
        os.chown(place / "homes/theirs", NOBODY, NOBODY)
        with as_peer(NOBODY):
            files.write_file(place / "homes/theirs/file", b"new", 0o600, NOBODY, NOBODY)
        assert (place / "homes/theirs/file").read_text() == "new"


@as_root
def test_a_guarded_directory_is_one_that_nobody_else_can_say_anything_in(theirs: Path, tmp_path: Path) -> None:
    (theirs / "roots").mkdir()
    with files.opened_guarded(tmp_path):
        pass
    for place in (theirs, theirs / "roots"):
        with pytest.raises(PermissionError, match="others than root can change"), files.opened_guarded(place):
            pass


def test_write_file_replaces_a_link_and_not_its_target(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "file").symlink_to(precious / "file")
    files.write_file(tmp_path / "file", b"new", 0o640, *ME)
    assert (tmp_path / "file").read_text() == "new"
    assert not (tmp_path / "file").is_symlink()
    assert (precious / "file").read_text() == "precious"


@as_root
def test_write_file_has_that_owner_and_mode_whatever_the_umask(tmp_path: Path) -> None:
    files.write_file(tmp_path / "file", b"new", 0o666, NOBODY, NOBODY)
    found = (tmp_path / "file").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (NOBODY, NOBODY, 0o666)


def test_a_file_that_cannot_be_replaced_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "file/full").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write(tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]


@as_root
def test_make_directory_has_that_owner_and_mode_and_its_parents_are_ours(tmp_path: Path) -> None:
    files.make_directory(tmp_path / "a/b/c", 0o2770, NOBODY, NOBODY)
    found = [(each.stat().st_uid, each.stat().st_mode & 0o7777) for each in (tmp_path / "a/b", tmp_path / "a/b/c")]
    assert found == [(0, 0o755), (NOBODY, 0o2770)]
    # Once more, with another mode.
    files.make_directory(tmp_path / "a/b/c", 0o700, NOBODY, NOBODY)
    assert (tmp_path / "a/b/c").stat().st_mode & 0o7777 == 0o700


@as_root
def test_make_directory_takes_nobody_elses(theirs: Path, tmp_path: Path, precious: Path) -> None:
    with pytest.raises(PermissionError, match=f"it belongs to uid {NOBODY}"):
        files.make_directory(theirs, 0o700, 1, 1)
    link(theirs / "link", precious)
    with pytest.raises(OSError, match=r"link|directory"):
        files.make_directory(theirs / "link", 0o700, NOBODY, NOBODY)
    assert precious.stat().st_uid == 0


@as_root
def test_names_are_read_through_no_link_of_another_user(theirs: Path, precious: Path) -> None:
    assert sorted(files.names(precious)) == ["below", "file"]
    assert files.names(precious / "missing") == []
    link(theirs / "link", precious)
    with pytest.raises(OSError, match="a symbolic link that is not followed"):
        files.names(theirs / "link")


def test_clear_removes_what_is_named_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a/b/c/deep", "a/b/keep", "a/keep", "other/keep"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    files.clear(tmp_path, ("a/b/c", "missing", "a/missing/too"))
    left = sorted(str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*"))
    assert left == ["a", "a/b", "a/b/keep", "a/keep", "other", "other/keep"]
    files.clear(tmp_path / "missing", ("a",))


@pytest.mark.parametrize("name", ["link", "link/below", "real/link", "real/link/below"])
def test_clear_removes_links_and_nothing_behind_them(tmp_path: Path, precious: Path, name: str) -> None:
    (tmp_path / "top/real").mkdir(parents=True)
    (tmp_path / "top/link").symlink_to(precious)
    (tmp_path / "top/real/link").symlink_to(precious)
    files.clear(tmp_path / "top", (name,))
    assert sorted(os.listdir(precious)) == ["below", "file"]
    assert not (tmp_path / "top" / name.removesuffix("/below")).is_symlink()


def test_clear_removes_a_tree_with_links_in_it(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "tree/below").mkdir(parents=True)
    (tmp_path / "tree/below/link").symlink_to(precious)
    files.clear(tmp_path, ("tree",))
    assert not (tmp_path / "tree").exists()
    assert (precious / "file").exists()


def test_read_file_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert files.read_file(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match=str(tmp_path)) as caught:
        files.read_file(tmp_path / "file", 4)
    assert caught.value.errno == errno.EFBIG


def test_read_file_reads_regular_files_alone(tmp_path: Path) -> None:
    # Nobody writes to it: a plain open would wait for ever.
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a regular file"):
        files.read_file(tmp_path / "fifo", 5)
    with pytest.raises(IsADirectoryError):
        files.read_file(tmp_path, 5)
    with pytest.raises(FileNotFoundError):
        files.read_file(tmp_path / "missing", 5)


def test_a_guarded_read_follows_only_links_that_nobody_else_laid(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/real").write_text("content")
    (tmp_path / "etc/link").symlink_to("real")
    (tmp_path / "link").symlink_to(tmp_path / "etc/../etc/link")
    assert files.read_guarded(tmp_path / "link", 7) == b"content"
    with pytest.raises(OSError, match="too large"):
        files.read_guarded(tmp_path / "link", 6)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        files.read_guarded(tmp_path / "loop", 7)
    with pytest.raises(FileNotFoundError):
        files.read_guarded(tmp_path / "none", 7)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a regular file"):
        files.read_guarded(tmp_path / "fifo", 7)


@as_root
def test_a_guarded_read_follows_no_link_of_another_user(theirs: Path, precious: Path, tmp_path: Path) -> None:
    link(theirs / "theirs", precious / "file")
    link(theirs / "roots", precious / "file", owner=0)
    link(theirs / "directory", precious)
    # In a directory of theirs they can give any link any name.
    for name in ("theirs", "roots", "directory/file"):
        with pytest.raises(OSError, match="a symbolic link that is not followed"):
            files.read_guarded(theirs / name, 100)


@as_root
def test_what_is_guarded(theirs: Path, tmp_path: Path) -> None:
    (theirs / "roots").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o775)
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky").chmod(0o1777)
    (tmp_path / "sticky/roots").mkdir()
    (tmp_path / "sticky/theirs").mkdir()
    os.chown(tmp_path / "sticky/theirs", NOBODY, NOBODY)
    (tmp_path / "link").symlink_to(theirs)
    (tmp_path / "far link").symlink_to("sticky/roots")
    (tmp_path / "sticky/roots/farther").symlink_to(tmp_path / "sticky/../theirs")
    for name, guarded in [
        (".", True), ("theirs", False), ("theirs/roots", False), ("shared", False), ("sticky", False),
        ("sticky/roots", True), ("sticky/theirs", False), ("link", False),
        ("far link", True), ("far link/farther", False),
    ]:  # fmt: skip
        assert (name, files.is_guarded(tmp_path / name)) == (name, guarded)
