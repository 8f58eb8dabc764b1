"""The control socket of a real herdd: the wire's rules, calls in their order, streams, and who may listen where.

Wire rules: https://varlink.org/Method-Call.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import varlink
from trio.testing import wait_all_tasks_blocked
from varlink.scanner import Interface

from herd.core.protocol import MAX_CALL, Call, encode_reply
from herd.daemon.access import Client, peer_of
from herd.daemon.config import Configuration
from herd.daemon.doorkeeper import Doorkeeper, Share
from herd.daemon.factbook import Factbook
from herd.daemon.remembered import DisabledNames
from herd.daemon.server import Connection
from herd.daemon.supervisor import Supervisor
from support import HERDD, INTERFACE, PATIENCE, Daemon, herdd, program, short_directory

SLEEP = "exec sleep infinity"
VARLINK = "org.varlink.service"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with herdd(program("web", SLEEP) + program("idle", SLEEP, auto_start=False, aliases=["lazy"])) as daemon:
        daemon.until_status("web", "running")
        yield daemon


def test_a_varlink_library_can_drive_it(daemon: Daemon) -> None:
    client = varlink.Client.new_with_address(f"unix:{daemon.socket}")
    assert list(client.get_interfaces()) == [VARLINK, INTERFACE]
    with client.open(INTERFACE) as connection:
        assert [each["name"] for each in connection.Status()["services"]] == ["web", "idle"]
        assert connection.Status(service="lazy")["services"][0]["status"] == "stopped"
        reply = connection.Perform(action="status", service="web")
        assert (reply["exitStatus"], reply["result"]["name"]) == (0, "web")
        with pytest.raises(varlink.VarlinkError) as caught:
            connection.Perform(action="fly", service="web", arguments=[])
        assert caught.value.error() == f"{INTERFACE}.NoSuchAction"


@pytest.mark.parametrize("name", [VARLINK, INTERFACE])
def test_interface_texts_are_valid_and_complete(daemon: Daemon, name: str) -> None:
    reply = daemon.call(f"{VARLINK}.GetInterfaceDescription", interface=name)
    described = Interface(reply["parameters"]["description"])
    assert described.name == name
    for method in described.members:
        if method[0].isupper() and method in ("Status", "Perform", "Watch", "Log", "GetInfo"):
            assert daemon.call(f"{name}.{method}").get("error") != f"{VARLINK}.MethodNotFound"


def test_facts_are_what_the_interface_says(daemon: Daemon) -> None:
    described = Interface(
        daemon.call(f"{VARLINK}.GetInterfaceDescription", interface=INTERFACE)["parameters"]["description"]
    )
    assert set(described.members["Service"].type.fields) == set(daemon.status("web"))


@pytest.mark.parametrize(
    ("method", "parameters", "error", "about"),
    [
        (
            f"{VARLINK}.GetInterfaceDescription",
            {"interface": "a.b"},
            f"{VARLINK}.InterfaceNotFound",
            {"interface": "a.b"},
        ),
        (f"{VARLINK}.GetInterfaceDescription", {}, f"{VARLINK}.InvalidParameter", {"parameter": "interface"}),
        ("Fly", {}, f"{VARLINK}.MethodNotFound", {"method": f"{INTERFACE}.Fly"}),
        ("a.b.C", {}, f"{VARLINK}.MethodNotFound", {"method": "a.b.C"}),
        ("Watch", {}, f"{VARLINK}.ExpectedMore", {}),
        ("Log", {"follow": True}, f"{VARLINK}.ExpectedMore", {}),
        ("Log", {"lines": -1}, f"{VARLINK}.InvalidParameter", {"parameter": "lines"}),
        ("Log", {"lines": 100_001}, f"{VARLINK}.InvalidParameter", {"parameter": "lines"}),
        ("Log", {"sinceUSec": -1}, f"{VARLINK}.InvalidParameter", {"parameter": "sinceUSec"}),
        ("Log", {"sinceUSec": 10**400}, f"{VARLINK}.InvalidParameter", {"parameter": "sinceUSec"}),
        ("Log", {"services": "web"}, f"{VARLINK}.InvalidParameter", {"parameter": "services"}),
        ("Log", {"services": [5]}, f"{VARLINK}.InvalidParameter", {"parameter": "services"}),
        ("Log", {"services": ["web"], "service": "web"}, f"{VARLINK}.InvalidParameter", {"parameter": "services"}),
        ("Log", {"all": True, "service": "web"}, f"{VARLINK}.InvalidParameter", {"parameter": "services"}),
        ("Log", {"lines": True}, f"{VARLINK}.InvalidParameter", {"parameter": "lines"}),
        ("Status", {"service": 5}, f"{VARLINK}.InvalidParameter", {"parameter": "service"}),
        ("Perform", {"service": "web"}, f"{VARLINK}.InvalidParameter", {"parameter": "action"}),
        ("Perform", {"action": "doc", "arguments": "x"}, f"{VARLINK}.InvalidParameter", {"parameter": "arguments"}),
        ("Perform", {"action": "doc", "arguments": [1]}, f"{VARLINK}.InvalidParameter", {"parameter": "arguments"}),
    ],
)
def test_protocol_errors(
    daemon: Daemon, method: str, parameters: dict[str, Any], error: str, about: dict[str, str]
) -> None:
    assert daemon.call(method, **parameters) == {"error": error, "parameters": about}


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
@pytest.mark.parametrize(("method", "key"), [("Status", "service"), ("Perform", "arguments")])
def test_texts_that_no_file_and_no_bus_could_have(daemon: Daemon, method: str, key: str, text: str) -> None:
    parameters = {"service": text} if key == "service" else {"action": "doc", "arguments": [text]}
    with daemon.wire() as wire:
        wire.socket.sendall(json.dumps({"method": f"{INTERFACE}.{method}", "parameters": parameters}).encode() + b"\0")
        assert wire.receive() == {"error": f"{VARLINK}.InvalidParameter", "parameters": {"parameter": key}}


@pytest.mark.parametrize(
    ("method", "parameters", "error"),
    [
        ("Status", {"service": "wbe"}, "NoSuchService"),
        ("Perform", {"action": "start", "service": "wbe"}, "NoSuchService"),
        ("Perform", {"action": "fly", "service": "web"}, "NoSuchAction"),
        ("Perform", {"action": "start", "service": "web", "arguments": ["now"]}, "WrongUsage"),
        ("Log", {"service": "wbe"}, "NoSuchService"),
        ("Log", {"services": ["web", "wbe"]}, "NoSuchService"),
    ],
)
def test_errors_of_our_own_have_a_sentence(daemon: Daemon, method: str, parameters: dict[str, Any], error: str) -> None:
    reply = daemon.call(method, **parameters)
    assert reply["error"] == f"{INTERFACE}.{error}"
    assert reply["parameters"]["message"].startswith("cannot ")


@pytest.mark.parametrize(
    "message",
    [
        b"nonsense\0", b"[]\0", b"\0", b'{"method":5}\0', b'{"parameters":{}}\0', b"\xff\xfe\0", b"[" * 100_000 + b"\0",
        b'{"method":"org.herdctl.Supervisor.Status","extra":1}\0', b'{"method":"a.b","more":"yes"}\0',
        b'{"method":"a.b","parameters":[]}\0',
    ],
    ids=range(10),
)  # fmt: skip
def test_a_bad_message_ends_its_own_connection_alone(daemon: Daemon, message: bytes) -> None:
    with daemon.wire() as other, daemon.wire() as wire:
        wire.socket.sendall(message)
        assert wire.receive() is None
        assert "parameters" in other.call("Status")
    assert not [line for line in daemon.lines if "fault" in line]


def test_a_bad_message_lets_what_was_asked_before_it_be_done(daemon: Daemon) -> None:
    before = daemon.status("web")["mainPid"]
    with daemon.wire() as wire:
        wire.send("Perform", action="restart", service="web")
        wire.socket.sendall(b"{\0")
        reply = wire.receive()
    assert reply is not None
    assert reply["parameters"]["result"]["started"] == ["web"]
    assert daemon.status("web")["mainPid"] not in (None, before)


async def test_a_reply_that_is_broken_off_does_not_garble_the_next(tmp_path: Path) -> None:
    ours, theirs = trio.socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
    call, replies = Call("a.b.C", {}), [encode_reply({"text": letter * 100_000}) for letter in "ab"]
    async with trio.SocketStream(ours) as stream, trio.SocketStream(theirs) as client:
        nothing, disabled = Configuration(()), DisabledNames(tmp_path / "disabled.json")
        supervisor = Supervisor(nothing, lambda: nothing, tmp_path, tmp_path, disabled, tmp_path, lambda lines: None)
        caller = Client(peer_of(ours), lambda: supervisor.access)
        connection = Connection(stream, caller, supervisor, Factbook(), Share(Doorkeeper(), caller))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection._send, call, replies[0])
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        received = b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection._send, call, replies[1])
            while len(received) < len(replies[0] + replies[1]):
                received += await client.receive_some()
    assert received == replies[0] + replies[1]


def test_a_message_that_is_too_large_ends_its_connection(daemon: Daemon) -> None:
    with daemon.wire() as wire:
        try:
            wire.socket.sendall(b"x" * (MAX_CALL + 65536))
        except (BrokenPipeError, ConnectionResetError):
            return
        assert wire.receive() is None


def test_a_call_byte_by_byte(daemon: Daemon) -> None:
    with daemon.wire() as wire:
        for byte in Call(f"{INTERFACE}.Status", {"service": "web"}).encode():
            wire.socket.send(bytes([byte]))
        reply = wire.receive()
    assert reply is not None
    assert reply["parameters"]["services"][0]["name"] == "web"


def test_pipelined_calls_are_answered_in_order(daemon: Daemon) -> None:
    names = ["web", "idle", "wbe", "lazy"] * 25
    with daemon.wire() as wire:
        wire.socket.sendall(b"".join(Call(f"{INTERFACE}.Status", {"service": name}).encode() for name in names))
        replies = [wire.receive() for _ in names]
    found = [
        reply["parameters"]["services"][0]["name"] if reply and "error" not in reply else None for reply in replies
    ]
    assert found == ["web", "idle", None, "idle"] * 25


def test_a_oneway_call_has_no_reply_not_even_an_error(daemon: Daemon) -> None:
    with daemon.wire() as wire:
        wire.send("Status", oneway=True)
        wire.send("Fly", oneway=True)
        wire.send("Watch", oneway=True)
        assert wire.call(f"{VARLINK}.GetInfo")["parameters"]["product"] == "herdd"


def test_watch_begins_with_what_is_and_goes_on_with_each_change(daemon: Daemon) -> None:
    with daemon.wire() as wire:
        wire.send("Watch", more=True)
        first = [wire.receive(), wire.receive()]
        assert [reply["parameters"]["service"]["name"] for reply in first if reply] == ["web", "idle"]
        daemon.call("Perform", action="start", service="idle")
        daemon.call("Perform", action="stop", service="idle")
        statuses: list[str] = []
        while "stopped" not in statuses:
            reply = wire.receive()
            assert reply is not None
            assert reply["continues"] is True
            status = reply["parameters"]["service"]["status"]
            statuses += [status] if statuses[-1:] != [status] else []
    assert statuses == ["starting", "running", "stopping", "stopped"]


def test_a_client_that_leaves_ends_its_stream(daemon: Daemon) -> None:
    def descriptors() -> int:
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))

    with daemon.wire() as wire:
        # Each answer gives herdd a turn, in which it closes what earlier clients have left.
        for _ in range(100):
            wire.call(f"{VARLINK}.GetInfo")
        before = descriptors()
        streams = [daemon.wire() for _ in range(20)]
        for stream in streams:
            # Calls sent ahead, more than are read ahead, must not hide that the client has left.
            stream.send("Watch", more=True, service="web")
            stream.socket.sendall(Call(f"{VARLINK}.GetInfo", {}).encode() * 5)
            assert stream.receive()
        assert descriptors() == before + 20
        for stream in streams:
            stream.socket.close()
        for _ in range(1000):
            wire.call(f"{VARLINK}.GetInfo")
            if descriptors() == before:
                return
    raise AssertionError(f"{descriptors() - before} connections are still open")


def test_modes(daemon: Daemon) -> None:
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in daemon.directory.iterdir()}
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o666
    assert found == {"herd.toml": found["herd.toml"], "run": 0o755, "run-services": 0o755, "state": 0o711, "log": 0o750}


def refused(directory: Path, *options: str) -> str:
    """What a herdd that cannot begin says; it ends with 1."""
    (directory / "herd.toml").write_text("")
    places = [f"--{name}-dir={directory / short}" for name, short in (("runtime", "run"), ("state", "s"), ("log", "l"))]
    command = [*HERDD, f"--config={directory}/herd.toml", *places, *options]
    found = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (found.returncode, found.stdout) == (1, "")
    (line,) = found.stderr.splitlines()
    assert line.startswith("herdd: cannot ")
    return line


def test_a_second_daemon_is_refused(daemon: Daemon) -> None:
    found = subprocess.run([*HERDD, *daemon.arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert found.returncode == 1
    assert f"cannot listen on {daemon.socket}: herdd (pid {daemon.process.pid}) answers there already" in found.stderr
    assert daemon.status("web")["status"] == "running"


def test_another_program_on_the_socket_is_named() -> None:
    with short_directory() as directory, socket.socket(socket.AF_UNIX) as other:
        (directory / "run").mkdir()
        other.bind(str(directory / "run/socket"))
        other.listen()
        assert f"the process {os.getpid()} answers there already" in refused(directory)
        assert (directory / "run/socket").is_socket()


def test_a_stale_socket_is_replaced() -> None:
    with short_directory() as directory:
        (directory / "run").mkdir()
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(directory / "run/socket"))
        with herdd("", directory=directory) as daemon:
            assert daemon.call("Status")["parameters"] == {"services": []}
        assert not daemon.socket.exists()


def test_places_that_no_socket_can_have() -> None:
    with short_directory() as directory:
        (directory / "run").mkdir()
        (directory / "run/socket").write_text("a letter")
        assert "there is something that is no socket; move it away" in refused(directory)
        assert (directory / "run/socket").read_text() == "a letter"
        assert "at most 107 bytes" in refused(directory, f"--socket={directory}/{'x' * 100}")
        assert "No such file or directory" in refused(directory, f"--socket={directory}/missing/socket")
