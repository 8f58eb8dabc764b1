"""Logs in directories where others have a say: root opens, renames and removes nothing that they would have it do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from herd.daemon.lines import Block
from herd.daemon.logfile import LogFile
from herd.daemon.logpolicy import LogPolicy
from support import herdd, program, short_directory

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can play another user")
_NOBODY = 65534
_LINE = Block(b"", b"0123456789\n")
_LOSS = "others than root can change what is in its directory, or on the way"


@pytest.fixture
def home() -> Iterator[Path]:
    """A user's directory with one of root's for logs in it, and beside it one of root's alone, called secret."""
    with short_directory() as place:
        (place / "app/log").mkdir(parents=True)
        os.chown(place / "app", _NOBODY, _NOBODY)
        (place / "secret").mkdir(0o700)
        yield place


def lay_link(home: Path) -> None:
    """What the user does: another directory in place of that of the logs."""
    (home / "app/log").rename(home / "app/old")
    (home / "app/log").symlink_to(home / "secret")
    os.lchown(home / "app/log", _NOBODY, _NOBODY)


@pytest.mark.parametrize("is_elsewhere", [True, False])
def test_nothing_is_opened_behind_a_link_that_is_laid_on_the_way(home: Path, is_elsewhere: bool) -> None:
    file = LogFile(home / "app/log/web", LogPolicy(size=20), is_elsewhere=is_elsewhere)
    if not is_elsewhere:
        file.append([_LINE])
    lay_link(home)
    (home / "secret/web.1").write_text("precious")
    (home / "secret/web.gz.new").write_text("precious")
    file.append([_LINE, _LINE])
    assert file.open_all() == []
    assert not file.compress_one(lambda: None)
    assert file.lost == 2
    assert {path.name: path.read_text() for path in (home / "secret").iterdir()} == {
        "web.1": "precious", "web.gz.new": "precious"
    }  # fmt: skip


def test_what_is_compressed_goes_where_it_was_begun(home: Path) -> None:
    file = LogFile(home / "app/log/web", LogPolicy(size=20))
    file.append([_LINE, _LINE])
    (home / "secret/web.1").write_text("precious")

    def check() -> None:
        if not (home / "app/old").exists():
            lay_link(home)

    assert file.compress_one(check)
    assert sorted(os.listdir(home / "app/old")) == ["web", "web.1.gz"]
    assert os.listdir(home / "secret") == ["web.1"]


def test_a_file_of_anothers_is_not_written_by_its_other_name(home: Path) -> None:
    (home / "secret/shadow").write_text("precious")
    os.chown(home / "app/log", _NOBODY, _NOBODY)
    os.link(home / "secret/shadow", home / "app/log/web")
    file = LogFile(home / "app/log/web", LogPolicy(), is_elsewhere=True)
    file.append([_LINE])
    assert (file.lost, file.open_all()) == (1, [])
    assert (home / "secret/shadow").read_text() == "precious"


def test_a_directory_that_becomes_anothers_gets_no_more_lines_and_what_is_missing_is_said(home: Path) -> None:
    os.chown(home / "app", 0, 0)
    file = LogFile(home / "app/log/web", LogPolicy(), is_elsewhere=True)
    file.append([_LINE])
    file.close()
    os.chown(home / "app", _NOBODY, _NOBODY)
    file.append([_LINE])
    os.chown(home / "app", 0, 0)
    file.append([_LINE])
    lines = (home / "app/log/web").read_text().splitlines()
    assert lines == ["0123456789", f"herdd: 1 line is missing here: {_LOSS}", "0123456789"]


def test_a_log_where_others_have_a_say_is_refused_by_a_reload_and_where_they_have_none_is_written(home: Path) -> None:

    def speaker(place: Path) -> str:
        return program("web", "echo said; exec sleep 1000", log_file=str(place), ready={"line": "said"})

    with herdd(program("other", "exec sleep 1000")) as daemon:
        for place in (home / "app/log/web", home / "link/web", Path("/tmp/web")):
            daemon.config.write_text(speaker(place))
            if place.parent.name == "link":
                lay_link(home)
                (home / "link").symlink_to("app/log")
            refused = daemon.herd("reload", "root")
            assert refused.returncode == 1
            assert f"cannot keep the log of web in {place}: " in refused.stderr
            assert f"directory of root's alone, or leave it in {daemon.log_dir}" in refused.stderr
        daemon.config.write_text(speaker(home / "secret/web"))
        assert daemon.herd("reload", "root").returncode == 0
        daemon.until_status("web", "running")
    assert (home / "secret/web").read_text().endswith(" said\n")
    assert not Path("/tmp/web").exists()
