"""herdd under systemd: the units as systemd reads them, and what is said over real sockets.

That all of it works with a systemd that runs, tools/boot_test.py shows (`make boot-test`).
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from herd.core.events import Status
from herd.core.service import Program, Service
from herd.core.state import State
from herd.daemon.accesslist import USUAL_GROUPS
from herd.daemon.supervisor import Supervisor
from herd.daemon.systemd import Manager, still_ending
from herdctl.setup import File, _has_members, _write, plan
from support import HERDD, PATIENCE, Daemon, herdd, program, short_directory

SLEEP = "exec sleep infinity"
# As the herdd.service has it, by systemd 252: HACKING.md names what is left, and why.
EXPOSURE = 50
# Before the words of a command: the socket that systemd listens on becomes the descriptor 3 of that command.
_ACTIVATING = """
import os, socket, sys
given = socket.socket(socket.AF_UNIX)
given.bind(sys.argv[1])
given.listen()
os.dup2(given.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=sys.argv[2] or str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="herdd.socket")
os.execv(sys.argv[3], sys.argv[3:])
"""
_JOURNALING = """
import os, sys
found = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
os.execv(sys.argv[1], sys.argv[1:])
"""


def activating(path: Path, pid: str = "") -> tuple[str, ...]:
    return (sys.executable, "-c", _ACTIVATING, str(path), pid)


class Systemd:
    """The end of the notification socket that is systemd's."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(os.fspath(self.path))
        self.messages: list[list[str]] = []

    def close(self) -> None:
        self._socket.close()

    def wait_for(self, assignment: str) -> list[str]:
        """The next message with that assignment, or a value of that variable; those before it are kept."""
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            message = self._socket.recv(4096).decode().split("\n")
            self.messages.append(message)
            if any(each == assignment or each.startswith(f"{assignment}=") for each in message):
                return message
        raise AssertionError(f"herdd did not say {assignment}, but {self.messages}")

    def waiting(self) -> list[list[str]]:
        """What has come meanwhile."""
        self._socket.setblocking(False)
        found = []
        with suppress(BlockingIOError):
            while True:
                found.append(self._socket.recv(4096).decode().split("\n"))
        return found


@contextmanager
def managed(config: str, seconds: float | None = None, *inside: str) -> Iterator[tuple[Daemon, Systemd]]:
    """A herdd that is told of a systemd, and perhaps of its watchdog."""
    with short_directory() as directory:
        systemd = Systemd(directory)
        variables = [f"NOTIFY_SOCKET={systemd.path}"]
        if seconds is not None:
            variables.append(f"WATCHDOG_USEC={seconds * 1e6:.0f}")
        try:
            with herdd(config, directory=directory, inside=("env", *variables, *inside)) as daemon:
                yield daemon, systemd
        finally:
            systemd.close()


# The units.


def installed(directory: Path, names: tuple[str, ...] = ("herdd.service", "herdd.socket")) -> list[str]:
    """The files as they would be installed, for commands that are there."""
    for command in ("herd", "herdd"):
        (directory / command).symlink_to("/bin/true")
    for name in names:
        text = (files("herd") / "system" / name).read_text()
        (directory / name).write_text(text.replace("@bindir@", str(directory)))
    return [f"{directory}/{name}" for name in names]


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *installed(tmp_path)], capture_output=True, text=True
    )
    # An unknown key is a warning to it, and no failure.
    assert (done.returncode, done.stderr) == (0, "")


def test_the_service_is_as_little_exposed_as_it_is_said_to_be(tmp_path: Path) -> None:
    unit = installed(tmp_path, ("herdd.service",))
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", *unit],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make users")
def test_the_groups_that_have_roles_are_made_and_everybody_reaches_the_socket(tmp_path: Path) -> None:
    for tool in ("sysusers", "tmpfiles"):
        place = tmp_path / f"usr/lib/{tool}.d"
        place.mkdir(parents=True)
        (place / "herdctl.conf").write_text((files("herd") / "system" / f"{tool}.conf").read_text())
    (tmp_path / "etc").mkdir()
    for command in (["systemd-sysusers"], ["systemd-tmpfiles", "--create"]):
        subprocess.run([*command, f"--root={tmp_path}", "herdctl.conf"], check=True, capture_output=True)
    groups = re.findall(r"^(herd[a-z-]*):x:", (tmp_path / "etc/group").read_text(), re.MULTILINE)
    assert set(groups) == set(USUAL_GROUPS)
    assert "jami:x:" in (tmp_path / "etc/passwd").read_text()
    found = (tmp_path / "run/herd").stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o755, 0, 0)


# sd_notify.


def test_herdd_is_ready_once_its_socket_answers_and_says_how_its_services_are() -> None:
    with managed(program("web", SLEEP)) as (daemon, systemd):
        systemd.wait_for("READY=1")
        if ["STATUS=1 of 1 services run"] not in systemd.messages:
            systemd.wait_for("STATUS=1 of 1 services run")
        assert daemon.herd("stop", "web").returncode == 0
        systemd.wait_for("STATUS=0 of 1 services run")
        assert daemon.end() == 0
        assert systemd.wait_for("STOPPING=1") == ["STOPPING=1", "STATUS=every service is being stopped"]


def test_a_service_that_failed_is_named() -> None:
    with managed(program("web", ["/nonexistent/web"])) as (_, systemd):
        systemd.wait_for("STATUS=0 of 1 services run; failed: web")


def test_what_is_said_to_herdd_is_for_no_service() -> None:
    with managed(program("web", SLEEP), 60) as (daemon, systemd):
        systemd.wait_for("READY=1")
        environment = Path(f"/proc/{daemon.until_status('web', 'running')['mainPid']}/environ").read_bytes()
        assert b"NOTIFY_SOCKET" not in environment
        assert b"WATCHDOG" not in environment


def test_signs_of_life_end_while_the_socket_is_gone() -> None:
    with managed("", 0.3) as (daemon, systemd):
        systemd.wait_for("READY=1")
        systemd.wait_for("WATCHDOG=1")
        away = daemon.socket.with_name("away")
        daemon.socket.rename(away)
        daemon.said("systemd is not told that herdd lives")
        systemd.waiting()
        daemon.said("systemd is not told that herdd lives", 3)
        assert not any("WATCHDOG=1" in message for message in systemd.waiting())
        away.rename(daemon.socket)
        systemd.wait_for("WATCHDOG=1")


class SupervisorDouble:
    """What attend() has of the supervisor where nothing else goes on: somebody to warn."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.said_often = trio.Event()

    def warn(self, text: str) -> None:
        self.said.append(text)
        if len(self.said) == 3:
            self.said_often.set()


async def nothing(manager: Manager, supervisor: Supervisor) -> None:
    """There are no services to tell of."""


async def test_herdd_is_not_ready_while_its_server_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with short_directory() as directory, socket.socket(socket.AF_UNIX) as hanging:
        systemd = Systemd(directory)
        # It takes connections, as the kernel does for it, and answers none.
        hanging.bind(f"{directory}/socket")
        hanging.listen()
        double = SupervisorDouble()
        manager = Manager.of({"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "300000"})
        monkeypatch.setattr(Manager, "_show_status", nothing)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(manager.attend, directory / "socket", cast(Supervisor, double))
            with trio.fail_after(PATIENCE):
                await double.said_often.wait()
            nursery.cancel_scope.cancel()
        assert systemd.waiting() == []
        assert double.said[0].endswith("does not answer; systemd is not told that herdd lives.")
        systemd.close()


def test_more_time_is_asked_for_while_services_are_being_stopped() -> None:
    stubborn = "trap '' TERM; echo ready; while :; do sleep 1; done"
    with managed(program("web", stubborn, ready={"line": "ready"}, grace_period=600), 0.3) as (daemon, systemd):
        daemon.until_status("web", "running")
        daemon.process.terminate()
        assert "EXTEND_TIMEOUT_USEC=300000" in systemd.wait_for("EXTEND_TIMEOUT_USEC")
        # At once, then.
        assert daemon.end() == 0


@pytest.mark.parametrize(
    ("status", "seconds", "is_hopeful"),
    [
        (Status.STOPPING, 1, True),
        # Killed a moment ago, and half a minute ago.
        (Status.STOPPING, 39, True),
        (Status.STOPPING, 41, False),
        # It waits for another to be stopped.
        (Status.RUNNING, 1, False),
    ],
)
def test_no_time_is_asked_for_a_process_that_kill_does_not_end(
    status: Status, seconds: float, *, is_hopeful: bool
) -> None:
    service = Service(("web",), Program(("web",)), grace_period=10.0)
    controller: Any = SimpleNamespace(state=State(status), since=1000.0, service=service)
    assert still_ending([controller], 1000.0 + seconds) is is_hopeful


@pytest.mark.parametrize("pid", ["1", "x"])
def test_a_watchdog_that_is_anothers_gets_no_sign_of_life(pid: str) -> None:
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": pid, "PATH": "/bin"}
    assert Manager.of(environment).period == float("inf")
    assert environment == {"PATH": "/bin"}


def test_an_upgrade_is_told_and_the_next_herdd_says_it_is_ready() -> None:
    with managed(program("web", SLEEP), 60) as (daemon, systemd):
        systemd.wait_for("READY=1")
        pid = daemon.until_status("web", "running")["mainPid"]
        assert daemon.herd("upgrade", "root").returncode == 0
        told = systemd.wait_for("RELOADING=1")
        assert any(re.fullmatch(r"MONOTONIC_USEC=\d+", each) for each in told)
        assert "WATCHDOG=1" in systemd.wait_for("READY=1")
        assert daemon.until_status("web", "running")["mainPid"] == pid


# The socket.


def test_herdd_answers_on_the_socket_that_it_is_given_and_leaves_it() -> None:
    with short_directory() as directory:
        (directory / "run").mkdir()
        path = directory / "run/socket"
        with herdd(program("web", SLEEP), directory=directory, inside=activating(path)) as daemon:
            path.chmod(0o600)
            pid = daemon.until_status("web", "running")["mainPid"]
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert b"LISTEN_" not in environment
            assert daemon.herd("upgrade", "root").returncode == 0
            daemon.said(" listens on ", 2)
            assert daemon.until_status("web", "running")["mainPid"] == pid
        # It is not ours: neither its mode nor its end.
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_socket_that_is_anothers_is_not_taken() -> None:
    with short_directory() as directory:
        elsewhere = activating(directory / "other", "1")
        with herdd("", directory=directory, inside=elsewhere) as daemon:
            assert daemon.herd("status").returncode == 0
        assert not daemon.socket.exists()


def test_a_socket_at_another_place_is_refused() -> None:
    with short_directory() as directory:
        (directory / "herd.toml").touch()
        places = [f"--config={directory}/herd.toml", f"--runtime-dir={directory}/run"]
        places += [f"--state-dir={directory}/state", f"--log-dir={directory}/log"]
        done = subprocess.run(
            [*activating(directory / "other"), *HERDD, *places], capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 1
        assert done.stderr == (
            f"herdd: cannot listen on {directory}/run/socket: the socket that was passed is {directory}/other; "
            "let ListenStream= of herdd.socket and --socket be the same\n"
        )


# The journal.


def test_the_journal_gets_priorities_and_no_stamps() -> None:
    config = program("web", ["/nonexistent/web"], respawn=False)
    with short_directory() as directory:
        with herdd(config, directory=directory, inside=(sys.executable, "-c", _JOURNALING)) as daemon:
            assert daemon.said("listens on").startswith("<6>herdd ")
            assert daemon.said("could not be started").startswith("<3>Service web ")
        # The log file has them as ever.
        assert re.match(r"\d{4}-\d\d-\d\dT\S+ herdd \S+ listens on ", daemon.log("root"))


# herd setup.


def commands(directory: Path) -> None:
    """In place of an installation: the two commands."""
    for name in ("herd", "herdd"):
        (directory / name).write_text(f"#!{sys.executable}\nfrom herdctl.cli import main\nmain()\n")
        (directory / name).chmod(0o755)


def test_a_dry_run_says_what_would_be_done_and_does_nothing() -> None:
    with short_directory() as directory:
        commands(directory)
        done = subprocess.run([directory / "herd", "setup", "--dry-run"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "write /etc/systemd/system/herdd.service" in lines
    assert "run systemctl enable herdd.service" in lines
    assert not Path("/etc/systemd/system/herdd.service").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sets up, and can play another user")
@pytest.mark.parametrize("whose", ["directory", "file", "group", "behind a link", "link", "none"])
def test_a_command_that_others_can_replace_is_not_set_up(whose: str) -> None:
    with short_directory() as home:
        place = home / "bin"
        place.mkdir(mode=0o755)
        (home / "links").mkdir(mode=0o755)
        commands(place)
        for name in ("herd", "herdd"):
            (home / "links" / name).symlink_to(f"../bin/{name}")
        if whose == "group":
            os.chown(place, 0, pwd.getpwnam("nobody").pw_gid)
            place.chmod(0o2775)
        elif whose == "link":
            os.lchown(home / "links/herdd", 65534, 65534)
        elif whose != "none":
            os.chown(place / "herdd" if whose == "file" else place, 65534, 65534)
        used = home / "links" if "link" in whose or whose == "none" else place
        done = subprocess.run([used / "herd", "setup", "--dry-run"], capture_output=True, text=True)
    if whose == "none":
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert "cannot set up herdd: others than root can change" in done.stderr
        # What root has is root's to close; to install it anew may lead to the same place.
        remedy = f"keep them from it: chmod g-w {place}\n" if whose == "group" else "install it with pipx as root"
        assert remedy in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sets up")
def test_a_group_that_has_no_members_can_replace_no_command() -> None:
    primary = {user.pw_gid for user in pwd.getpwall()}
    empty = next(group for group in grp.getgrall() if not group.gr_mem and group.gr_gid not in primary)
    with short_directory() as place:
        commands(place)
        os.chown(place, 0, empty.gr_gid)
        place.chmod(0o2775)
        done = subprocess.run([place / "herd", "setup", "--dry-run"], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        place.chmod(0o2777)
        done = subprocess.run([place / "herd", "setup", "--dry-run"], capture_output=True, text=True)
        assert f"chmod go-w {place}\n" in done.stderr


def test_who_is_in_a_group_and_who_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _has_members(pwd.getpwnam("nobody").pw_gid)
    gone = next(gid for gid in range(50_000, 60_000) if gid not in {group.gr_gid for group in grp.getgrall()})
    assert _has_members(gone)
    for members, has_others in ([], False), (["root"], False), (["root", "nobody"], True):
        double = grp.struct_group(("double", "x", gone, members))
        monkeypatch.setattr(grp, "getgrgid", lambda gid, double=double: double)
        assert _has_members(gone) is has_others


def test_the_configuration_is_roots_and_the_rest_everybodys(tmp_path: Path) -> None:
    for file in plan(Path("/x/bin"), tmp_path)[0]:
        _write(file)
    private = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_mode & 0o777 != 0o644]
    assert private == [tmp_path / "etc/herd/herd.toml"]
    assert private[0].stat().st_mode & 0o777 == 0o640


def test_what_is_there_is_kept_or_not_said_again(tmp_path: Path) -> None:
    places = {str(file.place.relative_to(tmp_path)): file for file in plan(Path("/x/bin"), tmp_path)[0]}
    assert "ExecStart=/x/bin/herdd\n" in places["etc/systemd/system/herdd.service"].content
    assert not any("@bindir@" in file.content for file in places.values())
    for file in places.values():
        file.place.parent.mkdir(parents=True, exist_ok=True)
        file.place.write_text(file.content)
    assert plan(Path("/x/bin"), tmp_path)[0] == []
    for file in places.values():
        file.place.write_text("# mine\n")
    again = {str(file.place.relative_to(tmp_path)) for file in plan(Path("/x/bin"), tmp_path)[0]}
    assert again == set(places) - {"etc/herd/herd.toml"}


def test_the_manual_pages_of_the_installation_go_where_man_looks(tmp_path: Path) -> None:
    # As pipx has it: the command is linked, and the pages are beside what it is linked to.
    own, linked = tmp_path / "venv", tmp_path / "bin"
    pages = sorted((Path(__file__).parents[2] / "man").iterdir())
    for page in pages:
        place = own / f"share/man/man{page.suffix[1]}" / page.name
        place.parent.mkdir(parents=True)
        place.write_bytes(page.read_bytes())
    for directory in (own / "bin", linked):
        directory.mkdir()
    (own / "bin/herdd").touch()
    (linked / "herdd").symlink_to(own / "bin/herdd")
    written = {file.place: file.content for file in plan(linked, tmp_path / "root")[0]}
    share = tmp_path / "root/usr/local/share/man"
    wanted = {share / f"man{page.suffix[1]}" / page.name: page.read_text() for page in pages}
    assert {place: content for place, content in written.items() if share in place.parents} == wanted


@pytest.mark.parametrize("is_dangling", [False, True])
def test_nothing_is_written_through_a_link(tmp_path: Path, is_dangling: bool) -> None:
    elsewhere, place = tmp_path / "elsewhere", tmp_path / "place"
    if not is_dangling:
        elsewhere.write_text("theirs")
    place.symlink_to(elsewhere)
    _write(File(place, "ours"))
    assert (place.is_symlink(), place.read_text(), place.stat().st_mode & 0o777) == (False, "ours", 0o644)
    assert not elsewhere.exists() if is_dangling else elsewhere.read_text() == "theirs"
