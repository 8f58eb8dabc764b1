"""What Jami's programs are given, and who else can reach them: their user, groups, environment, descriptors, files."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jami import STRANGER, bus, fingerprints, needs_root, table
from support import Daemon, herdd, short_directory

_PROGRAMS = ("jami", "jami-dbus-session")
_ENVIRONMENT = {"PATH", "LANG", "HOME", "USER", "LOGNAME", "HERD_SERVICE", "HERD_INVOCATION"}


def _process(daemon: Daemon, name: str) -> Path:
    return Path("/proc", str(daemon.status(name)["mainPid"]))


def _status(process: Path) -> dict[str, list[str]]:
    lines = (process / "status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


def _descriptors(process: Path) -> dict[int, str]:
    found = {}
    for each in (process / "fd").iterdir():
        try:
            found[int(each.name)] = os.readlink(each)
        except FileNotFoundError:
            # Closed since the directory was read.
            continue
    return found


@needs_root
@pytest.mark.parametrize("name", _PROGRAMS)
def test_it_runs_as_jami_with_no_other_group(provisioned: Daemon, name: str) -> None:
    jami, status = pwd.getpwnam("jami"), _status(_process(provisioned, name))
    assert status["Uid"] == [str(jami.pw_uid)] * 4
    assert status["Gid"] == [str(jami.pw_gid)] * 4
    assert status["Groups"] == []
    assert status["CapEff"] == ["0" * 16]


@pytest.mark.parametrize("name", _PROGRAMS)
def test_its_environment_is_what_it_is_due(provisioned: Daemon, name: str) -> None:
    text = (_process(provisioned, name) / "environ").read_text().rstrip("\0")
    environment = dict(entry.split("=", 1) for entry in text.split("\0"))
    own = {"DBUS_SESSION_BUS_ADDRESS"} if name == "jami" else set()
    assert environment.keys() == _ENVIRONMENT | own
    if name == "jami":
        assert environment["HOME"] == str(provisioned.state_dir / "jami")
        assert environment["DBUS_SESSION_BUS_ADDRESS"] == f"unix:path={bus(provisioned)}"


@pytest.mark.parametrize("name", _PROGRAMS)
def test_it_inherits_no_descriptor(provisioned: Daemon, name: str) -> None:
    own, herds = _descriptors(_process(provisioned, name)), _descriptors(Path("/proc", str(provisioned.process.pid)))
    assert own[0] == "/dev/null"
    assert own[1] == own[2]
    assert own[1].startswith("pipe:")
    # anon_inode:[eventpoll] and the like bear no number; /dev/null is everybody's.
    shared = {link for number, link in own.items() if number > 2} & set(herds.values())
    assert {link for link in shared if not link.startswith(("anon_inode:", "/dev/"))} == set()


@pytest.mark.parametrize("name", _PROGRAMS)
def test_it_leads_a_session_of_its_own(provisioned: Daemon, name: str) -> None:
    pid = provisioned.status(name)["mainPid"]
    assert os.getsid(pid) == pid


def test_nobody_else_reads_what_is_jamis(provisioned: Daemon) -> None:
    run = provisioned.services_dir / "jami"
    for place in (run, run / "archives", provisioned.state_dir / "jami"):
        assert place.stat().st_mode & 0o077 == 0, place
    assert (run / "bus.conf").stat().st_mode & 0o077 == 0


def _asked_by_nobody(socket: Path) -> subprocess.CompletedProcess[str]:
    words = ["dbus-send", f"--bus=unix:path={socket}", "--dest=org.freedesktop.DBus", "--print-reply", "/"]
    return subprocess.run(
        [*words, "org.freedesktop.DBus.ListNames"],
        user="nobody", group="nogroup", extra_groups=[], capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@needs_root
@pytest.mark.skipif(shutil.which("dbus-send") is None, reason="dbus-send is not installed")
def test_the_bus_refuses_everybody_else(provisioned: Daemon) -> None:
    socket = bus(provisioned)
    assert "Permission denied" in _asked_by_nobody(socket).stderr
    modes = {path: path.stat().st_mode & 0o777 for path in (socket.parent, socket)}
    try:
        # Were the directory open, its own policy would still refuse.
        socket.parent.chmod(0o755)
        socket.chmod(0o777)
        refused = _asked_by_nobody(socket)
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert refused.returncode != 0
    assert refused.stdout == ""
    assert "Permission denied" not in refused.stderr
    assert provisioned.herd("list-accounts", "jami").returncode == 0


@pytest.fixture
def victim() -> Iterator[Path]:
    """A directory of another service, with files that have the names of Jami's."""
    with short_directory() as directory:
        for name in ("share/jami", "jami", "accounts"):
            (directory / name).mkdir(parents=True)
            (directory / name / "precious").write_text("precious")
        yield directory


@pytest.mark.parametrize(
    ("link", "target"),
    [
        (".local", "."),
        (".local/share", "share"),
        (".local/share/jami", "share/jami"),
        (".config", "."),
        (".config/jami", "jami"),
        (".cache/jami", "jami"),
        ("accounts", "accounts"),
    ],
)
def test_links_in_jamis_home_are_not_followed(victim: Path, link: str, target: str) -> None:
    with short_directory() as directory:
        home = directory / "state" / "jami"
        home.mkdir(parents=True)
        (home / link).parent.mkdir(parents=True, exist_ok=True)
        (home / link).symlink_to(victim / target)
        if os.geteuid() == 0:
            for path in (home, *home.rglob("*")):
                os.lchown(path, pwd.getpwnam("jami").pw_uid, -1)
        before = sorted(victim.rglob("*"))
        with herdd(table(account=[], fresh=True), directory=directory) as daemon:
            daemon.until_status("jami", "running")
            assert not (home / link).is_symlink()
        assert sorted(victim.rglob("*")) == before
        assert [each.read_text() for each in before if each.is_file()] == ["precious"] * 3


def test_a_home_that_is_a_link_is_refused(victim: Path) -> None:
    with short_directory() as directory:
        (directory / "state").mkdir()
        (directory / "state" / "jami").symlink_to(victim)
        with herdd(table(account=[], auto_start=False), directory=directory) as daemon:
            done = daemon.herd("start", "jami")
            assert done.returncode == 1
            assert done.stderr.startswith("herd: cannot start jami: ")
        assert (victim / "accounts" / "precious").read_text() == "precious"


def test_no_secret_stands_in_a_log_or_a_command_line(provisioned: Daemon) -> None:
    logs = "".join(path.read_text(errors="replace") for path in provisioned.log_dir.iterdir())
    assert "BEGIN PRIVATE KEY" not in logs
    for name in _PROGRAMS:
        words = (_process(provisioned, name) / "cmdline").read_text()
        assert "archive" not in words
        assert STRANGER not in words


@pytest.mark.skipif(os.geteuid() == 0, reason="root runs it as jami")
def test_without_root_everything_runs_as_who_started_it(provisioned: Daemon) -> None:
    for name in _PROGRAMS:
        assert _status(_process(provisioned, name))["Uid"][0] == str(os.geteuid())
    assert fingerprints(provisioned)
