"""What real processes use and where they listen."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import psutil
import pytest

from herd.daemon import sockdiag
from herd.daemon.cgroups import Group
from herd.daemon.listeners import listeners, listening, owners, taking
from herd.daemon.sockdiag import ipv6_only
from herd.daemon.usage import usage
from support import herdd, program, short_directory

MIB = 1 << 20


@contextmanager
def script(text: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program that said a line, and says no more until its input is closed."""
    command = [sys.executable, "-c", f"import os, socket, sys\n{text}\nprint('ready', flush=True)\nsys.stdin.read()"]
    with subprocess.Popen([*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
        assert child.stdin is not None
        child.stdin.close()


@pytest.fixture
def ended() -> int:
    """The number of a process that is no more."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_memory_that_processes_share_counts_once(ended: int) -> None:
    fork = f"data = b'x' * {64 * MIB}\nif os.fork() == 0:\n    sys.stdin.read()\n    os._exit(0)"
    with script(fork) as child:
        (worker,) = psutil.Process(child.pid).children()
        both = usage([child.pid, worker.pid, ended])
        assert both.processes == 2
        assert 64 * MIB <= both.memory < 120 * MIB
        assert usage([worker.pid]).memory < 60 * MIB


def test_what_ended_children_used_is_their_parents() -> None:
    burn = "import time\nif os.fork() == 0:\n    while time.process_time() < 0.3: pass\n    os._exit(0)\nos.wait()"
    with script(burn) as child:
        # The kernel counts in ticks, of a hundredth of a second each.
        assert usage([child.pid]).cpu >= 0.25


def test_of_nothing_nothing_is_used(ended: int) -> None:
    assert usage([ended]) == usage([])
    assert listening([ended]) == ()


LISTEN = """
held = []
for family, kind, address in (
    (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("0.0.0.0", 0)),
    (socket.AF_UNIX, socket.SOCK_STREAM, sys.argv[1] + "/s t"),
    (socket.AF_UNIX, socket.SOCK_DGRAM, sys.argv[1] + "/d"),
    (socket.AF_UNIX, socket.SOCK_STREAM, "\\0herd-" + sys.argv[1]),
):
    held.append(socket.socket(family, kind))
    held[-1].bind(address)
    if kind == socket.SOCK_STREAM:
        held[-1].listen()
# None of these waits for others.
held += [socket.create_connection(held[0].getsockname()), held[0].accept()[0], socket.socket(socket.AF_UNIX)]
held[-1].bind(sys.argv[1] + "/bound")
held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
held[-1].connect(("127.0.0.1", 9))
print(held[0].getsockname()[1], held[1].getsockname()[1], file=open(sys.argv[1] + "/ports", "w"), flush=True)
"""


def test_where_processes_listen(ended: int) -> None:
    with short_directory() as directory, script(LISTEN, str(directory)) as child:
        tcp, udp = (Path(directory) / "ports").read_text().split()
        found = listening([ended, child.pid, child.pid])
        internet = sorted([(int(tcp), f"127.0.0.1:{tcp}"), (int(udp), f"0.0.0.0:{udp}/udp")])
        unix = sorted([f"{directory}/d", f"{directory}/s t", f"@herd-{directory}"])
        assert found == (*(address for _, address in internet), *unix)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_ipv6_is_written_in_brackets() -> None:
    text = "held = socket.create_server(('::1', 0), family=socket.AF_INET6)\n"
    with script(text) as child:
        (address,) = listening([child.pid])
        assert address.startswith("[::1]:")


def test_who_holds_a_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (found,) = (each for each in listeners(os.getpid()) if each.port == port)
        assert owners({found.inode}) == {found.inode: os.getpid()}
        assert owners({found.inode}, [os.getppid()]) == {}
        assert found.uid == os.geteuid()
    assert owners({found.inode}) == {}


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(("style", "kind"), [("stream", socket.SOCK_STREAM), ("datagram", socket.SOCK_DGRAM)])
def test_which_sockets_are_for_ipv6_alone(
    monkeypatch: pytest.MonkeyPatch, style: Literal["stream", "datagram"], kind: socket.SocketKind
) -> None:
    with ExitStack() as stack:
        # More than the kernel tells in one message.
        sockets = [stack.enter_context(socket.socket(socket.AF_INET6, kind)) for _ in range(500)]
        for number, each in enumerate(sockets):
            each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, number % 2)
            each.bind(("::", 0))
            if style == "stream":
                each.listen()
        inodes = [os.fstat(each.fileno()).st_ino for each in sockets]
        assert ipv6_only(style) & set(inodes) == set(inodes[1::2])
        both, six = (each.getsockname()[1] for each in sockets[:2])
        assert taking("127.0.0.1", both, style) == {inodes[0]}
        assert taking("127.0.0.1", six, style) == set()
        assert taking("::1", six, style) == taking("", six, style) == {inodes[1]}
        # Where the kernel does not tell, both count.
        monkeypatch.setattr(sockdiag, "_NETLINK_SOCK_DIAG", 31)
        assert taking("127.0.0.1", six, style) == {inodes[1]}


def test_status_says_what_a_service_uses_and_where_it_listens() -> None:
    server = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname(), flush=True); "
    with herdd(program("web", [sys.executable, "-c", server + "time.sleep(1000)"], ready={"line": "127"})) as daemon:
        daemon.until_status("web", "running")
        port = daemon.herd("log", "web").stdout.split()[-1].rstrip(")")
        told = daemon.herd("status", "web").stdout
        assert f"  Listening on: 127.0.0.1:{port}\n" in told
        facts = json.loads(daemon.herd("--json", "status", "web").stdout)
        assert (facts["listening"], facts["processes"]) == ([f"127.0.0.1:{port}"], 1)
        assert facts["memoryBytes"] > 1_000_000


def test_memory_of_before_a_take_over_counts(tmp_path: Path) -> None:
    # The kernel says so little where the controller was taken back and given again.
    (tmp_path / "memory.current").write_text("4096\n")
    assert usage([os.getpid()], Group(tmp_path)).memory > MIB
    (tmp_path / "memory.current").write_text(f"{2**40}\n")
    assert usage([os.getpid()], Group(tmp_path)).memory == 2**40
