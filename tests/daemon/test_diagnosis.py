"""What the daemon finds by looking, piece by piece; all together is in test_why.py."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from herd.core.diagnosis import Denied, Missing, Part
from herd.core.endpoint import Endpoint
from herd.core.preparation import MakeDirectory, WriteFile
from herd.core.readiness import TcpPort, UnixSocket
from herd.core.service import Program, Service
from herd.daemon.diagnosis import diagnosed
from herd.daemon.holders import holders
from herd.daemon.permission import denied, missing
from snapshots import snapshot
from support import PATIENCE, short_directory

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may ask for another user")


@pytest.fixture
def place() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


# What is not there.


def test_what_is_missing_is_named_in_the_order_of_an_execution(place: Path) -> None:
    def found(**keys: Path) -> Missing | None:
        return missing(Program((str(place / "tool"),), **{"directory": place, **keys}))  # type: ignore[arg-type]

    away = place / "away"
    assert found(directory=away, environment_file=away) == Missing(Part.DIRECTORY, str(away))
    assert found(environment_file=away) == Missing(Part.ENVIRONMENT, str(away))
    assert found() == Missing(Part.PROGRAM, str(place / "tool"))
    (place / "tool").write_bytes(b"#! " + os.fsencode(away) + b" -x\nrest")
    assert found() == Missing(Part.INTERPRETER, str(away))
    away.touch()
    assert found() is None


def test_a_bare_word_is_looked_for_where_the_program_would(place: Path) -> None:
    assert missing(Program(("sh",))) is None
    assert missing(Program(("sh",), environment={"PATH": str(place)})) == Missing(Part.PROGRAM, "sh")
    assert missing(Program(("./sh",), directory=Path("/bin"))) is None
    (place / "web").touch(0o600)
    assert missing(Program(("web",), environment={"PATH": str(place)})) is None


def test_a_fifo_in_place_of_a_program_keeps_nobody_waiting(place: Path) -> None:
    os.mkfifo(place / "tool", 0o755)
    found: list[Missing | None] = []
    looking = threading.Thread(target=lambda: found.append(missing(Program((str(place / "tool"),)))), daemon=True)
    looking.start()
    looking.join(PATIENCE)
    assert found == [None]


def test_what_is_behind_a_file_is_not_there(place: Path) -> None:
    (place / "file").touch()
    assert missing(Program((str(place / "file" / "tool"),))) == Missing(Part.PROGRAM, str(place / "file" / "tool"))


# What is refused.


def refused(program: Program, *preparation: MakeDirectory | WriteFile) -> Denied | None:
    return denied(Service(("web",), program, preparation=preparation))


@AS_ROOT
@pytest.mark.parametrize(
    ("mode", "owner", "group", "may"),
    [
        (0o755, 0, 0, True), (0o754, 0, 0, False), (0o710, 0, 65534, True), (0o701, 0, 65534, False),
        (0o100, 65534, 0, True), (0o077, 65534, 65534, False),
    ],
)  # fmt: skip
def test_who_may_execute_a_file(place: Path, mode: int, owner: int, group: int, may: bool) -> None:
    tool = place / "tool"
    tool.touch()
    os.chown(tool, owner, group)
    tool.chmod(mode)
    assert refused(Program((str(tool),), user="nobody")) == (None if may else Denied("nobody", "execute", str(tool)))


@AS_ROOT
def test_root_needs_one_right_at_least(place: Path) -> None:
    (place / "tool").touch(0o600)
    assert refused(Program((str(place / "tool"),))) == Denied("root", "execute", str(place / "tool"))
    (place / "tool").chmod(0o601)
    assert refused(Program((str(place / "tool"),))) is None


@AS_ROOT
def test_every_directory_on_the_way_has_to_be_open_through_links_too(place: Path) -> None:
    shut = place / "shut"
    (shut / "deep").mkdir(parents=True)
    (shut / "deep" / "tool").touch(0o755)
    (place / "tool").symlink_to(shut / "deep" / "tool")
    shut.chmod(0o700)
    assert refused(Program((str(place / "tool"),), user="nobody")) == Denied("nobody", "enter", str(shut))
    assert refused(Program(("sh",), user="nobody", directory=shut)) == Denied("nobody", "enter", str(shut))
    assert refused(Program((str(place / "tool"),))) is None


def test_of_an_unknown_user_nothing_is_said() -> None:
    assert refused(Program(("/etc/passwd",), user="no-such-user")) is None


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """As herdd of a user without rights."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.usefixtures("as_nobody")
def test_where_herdd_may_not_write() -> None:
    steps = (MakeDirectory(Path("/herd-test/deep")), WriteFile(Path("/herd-test"), b""))
    found = [refused(Program(("sh",)), step) for step in steps]
    assert [(each.deed, each.path) for each in found if each] == [("write in", "/")] * 2
    assert refused(Program(("sh",)), MakeDirectory(Path("/usr")), WriteFile(Path("/tmp/file"), b"")) is None


# Who has its place.


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("bind to 127.0.0.1:PORT: Address already in use", True),
        ("Address in use: port=PORT", True),
        ("listen EADDRINUSE: address already in use :::PORT", True),
        ("PORT address is already in use.", True),
        ("address already in use, port PORT.", True),
        ("127.0.0.1:PORT is refused", False),
        ("1.PORT.3: address already in use", False),
        ("10:22:PORT address already in use", False),
        ("PORT-11-21 address already in use", False),
        ("address already in use 1PORT", False),
    ],
)
def test_ports_that_output_names(line: str, is_found: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = holders(Service(("web",), Program(("web",))), ["listening", line.replace("PORT", str(port))], {})
    assert [(each.address, each.pid) for each in found] == ([(f"127.0.0.1:{port}", os.getpid())] if is_found else [])


def test_places_that_a_definition_names(place: Path) -> None:
    path = place / "socket"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen()
        port = server.getsockname()[1]
        both: list[dict[str, Any]] = [
            {"readiness": TcpPort("localhost", port)},
            {"endpoints": (Endpoint(("", port)),)},
        ]
        for keys in both:
            (holder,) = holders(Service(("web",), Program(("web",)), **keys), [], {})
            assert (holder.address, holder.pid) == (f"127.0.0.1:{port}", os.getpid())
        (holder,) = holders(Service(("web",), Program(("web",)), readiness=UnixSocket(path)), [], {})
        assert (holder.address, holder.pid) == (str(path), os.getpid())


def test_its_own_process_and_another_service_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        web = Service(("web",), Program(("web",)), readiness=TcpPort("localhost", server.getsockname()[1]))
        assert holders(web, [], {os.getpid(): "web"}) == []
        # A process below its main process.
        (holder,) = holders(web, [], {os.getppid(): "proxy"})
        assert holder.service == "proxy"


# All together.


async def test_what_is_found_bears_the_services_name() -> None:
    found = await diagnosed([snapshot("web")], {"web": ["oops"]}, {})
    assert found["web"].missing == Missing(Part.PROGRAM, "/bin/web")
    assert found["web"].output == ("oops",)


async def test_the_threads_of_others_are_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def look(program: Program) -> None:
        taken.append(trio.from_thread.run_sync(lambda: trio.to_thread.current_default_thread_limiter().borrowed_tokens))

    monkeypatch.setattr("herd.daemon.diagnosis.missing", look)
    await diagnosed([snapshot("web"), snapshot("mail")], {"web": [], "mail": []}, {})
    assert taken == [0, 0]


async def test_one_that_takes_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr("herd.daemon.diagnosis.missing", lambda program: released.wait(PATIENCE))
    monkeypatch.setattr("herd.daemon.diagnosis.LIMIT", 0.01)
    try:
        assert await diagnosed([snapshot("web")], {"web": []}, {}) == {}
    finally:
        released.set()
