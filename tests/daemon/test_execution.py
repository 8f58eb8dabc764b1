"""What is done between fork and exec: sockets numbered, limits set, the output a pipe of the program's own."""

from __future__ import annotations

import errno
import os
import pwd
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from herd.core.service import Program
from herd.daemon.execution import environment_of, execute, output_pipe
from herd.daemon.identity import Identity, identity

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
SOCKETS = {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    before = _open_descriptors()
    yield
    # What another test left may be collected meanwhile.
    assert _open_descriptors() <= before


def _open_descriptors() -> set[str]:
    # Without the one that listed them.
    return {each for each in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{each}")}


@pytest.fixture
def two() -> Iterator[list[socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        yield [one, other]


def shell(script: str, **keys: Any) -> Program:
    return Program(("/bin/sh", "-c", script), **keys)


def run(program: Program, extra: dict[str, str] | None = None, sockets: tuple[int, ...] = ()) -> list[str]:
    """The lines it prints to the end; it ends with 0."""
    who = identity(program)
    reading, writing = output_pipe(who)
    os.set_blocking(reading, True)
    with open(reading) as output:
        try:
            pid = execute(program, who, {**environment_of(program, who), **(extra or {})}, writing, sockets)
        finally:
            os.close(writing)
        lines = output.read().splitlines()
    assert os.waitpid(pid, 0) == (pid, 0)
    return lines


def inode(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")


def test_sockets_come_from_three_on_in_their_order(two: list[socket.socket]) -> None:
    script = "echo $LISTEN_PID $$ $LISTEN_FDS $LISTEN_FDNAMES; readlink /proc/$$/fd/*; ls /proc/$$/fd"
    words, *rest = run(shell(script), SOCKETS, (two[1].fileno(), two[0].fileno()))
    pid, own_pid, *counts = words.split()
    assert (pid, counts) == (own_pid, ["2", "a:b"])
    links, numbers = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    assert numbers == ["0", "1", "2", "3", "4"]
    assert links == ["/dev/null", links[1], links[1], inode(two[1].fileno()), inode(two[0].fileno())]


# Where the sockets are to go, the gate and the output are.
LOW_NUMBERS = """
import os, socket
from herd.core.service import Program
from herd.daemon.execution import execute
from herd.daemon.identity import identity
program = Program(("/bin/sh", "-c", "for n in 3 4 5 6 7 8; do readlink /proc/$$/fd/$n; done"))
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]
high = [os.dup2(each.detach(), 50 + at, inheritable=False) for at, each in enumerate(sockets)]
os.closerange(3, 50)
print(*(os.readlink(f"/proc/self/fd/{each}") for each in high), sep="\\n", flush=True)
pid = execute(program, identity(program), {"PATH": "/bin:/usr/bin"}, os.dup(1), high)
assert os.waitpid(pid, 0) == (pid, 0)
"""


def test_whatever_numbers_herdd_itself_uses_just_then() -> None:
    done = subprocess.run((sys.executable, "-c", LOW_NUMBERS), stdout=subprocess.PIPE, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(set(lines)) == 6
    assert lines[:6] == lines[6:]


def test_the_program_accepts_on_its_socket(two: list[socket.socket]) -> None:
    code = "import socket; s = socket.socket(fileno=3); s.accept()[0].sendall(b'hello')"
    with socket.create_connection(two[0].getsockname()) as connection:
        assert run(Program((sys.executable, "-c", code)), SOCKETS, (two[0].fileno(),)) == []
        assert connection.recv(10) == b"hello"


def test_without_sockets_there_is_no_word_of_them() -> None:
    assert run(shell("env | grep ^LISTEN_ || true", resource_limits={"nofile": (64, 64)})) == []


def test_limits_hold_from_the_first_instruction() -> None:
    limits = {"nofile": (100, 200), "core": (0, None), "nproc": (5000, 5000)}
    lines = run(Program(("/bin/cat", "/proc/self/limits"), resource_limits=limits))
    found = {each[:25].strip(): each[26:].split()[:2] for each in lines}
    assert found["Max open files"] == ["100", "200"]
    assert found["Max core file size"] == ["0", "unlimited"]
    assert found["Max processes"] == ["5000", "5000"]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] != 100


@is_root
def test_limits_of_another_user() -> None:
    limits = {"core": (512, None), "nofile": (50, 60)}
    lines = run(shell("id -un; ulimit -c; ulimit -Hc; ulimit -n; ulimit -Hn", user="nobody", resource_limits=limits))
    # Cores in blocks of 512 bytes.
    assert lines == ["nobody", "1", "unlimited", "50", "60"]


@is_root
def test_a_limit_that_herdd_may_not_set_is_set_by_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "as without CAP_SYS_RESOURCE")

    monkeypatch.setattr(resource, "prlimit", refused)
    lines = run(shell("id -un; ulimit -n; ulimit -Hn", user="nobody", resource_limits={"nofile": (50, 60)}))
    assert lines == ["nobody", "50", "60"]


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (Program(("/no/such/program",), resource_limits={"core": (0, 0)}), FileNotFoundError),
        (Program(("no-such-program",), resource_limits={"core": (0, 0)}), FileNotFoundError),
        (Program(("/etc/passwd",), resource_limits={"core": (0, 0)}), PermissionError),
        (Program(("true",), resource_limits={"nofile": (20, 10)}), OSError),
        (Program(("true",), resource_limits={"courage": (1, 1)}), OSError),
        (Program(("true",), resource_limits={"nofile": (2**70, 2**70)}), OSError),
    ],
)
def test_what_cannot_be_executed_leaves_no_process(program: Program, error: type[OSError]) -> None:
    before = psutil.Process().children()
    with pytest.raises(error) as caught:
        run(program)
    assert caught.value.strerror
    assert caught.value.filename in (program.command[0], "courage", "resource limit nofile")
    assert psutil.Process().children() == before


def test_a_relative_program_is_that_of_its_directory(tmp_path: Path) -> None:
    (tmp_path / "program").symlink_to("/bin/echo")
    assert run(Program(("./program", "a  b", "$c"), directory=tmp_path, resource_limits={"core": (0, 0)})) == [
        "a  b $c"
    ]


def test_the_environments_file_comes_after_the_table(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("A=file\nB=file\nPATH=/bin\n")
    program = shell("echo $A $B $PATH", environment={"A": "table"}, environment_file=path)
    assert run(program) == ["table file /bin"]
    with pytest.raises(FileNotFoundError):
        environment_of(shell("", environment_file=tmp_path / "none"), identity(program))


@pytest.mark.parametrize("odd", [{}, {"server.port": "8080", "a b": "c=d"}])
def test_the_gate_changes_nothing_of_what_the_program_is_given(odd: dict[str, str]) -> None:
    # Behind the gate, for its limits.
    keys: dict[str, Any] = {"environment": {"A": "1", **odd}, "resource_limits": {"core": (0, 0)}}
    program = Program(("/usr/bin/env", "-0"), **keys)
    wanted = environment_of(program, identity(program))
    (line,) = run(program)
    assert dict(each.split("=", 1) for each in line.rstrip("\0").split("\0")) == wanted
    ignored = run(Program(("grep", "SigIgn", "/proc/self/status"), **keys))
    assert ignored == run(Program(("grep", "SigIgn", "/proc/self/status")))
    assert run(Program(("readlink", "/proc/self/fd/0"), **keys)) == ["/dev/null"]


def test_odd_names_and_sockets_go_together(two: list[socket.socket]) -> None:
    keys: dict[str, Any] = {"environment": {"server.port": "1"}}
    words, *_ = run(shell("echo $LISTEN_PID $$ $LISTEN_FDS; ls /proc/$$/fd", **keys), SOCKETS, (two[0].fileno(),))
    pid, own_pid, count = words.split()
    assert (pid, count) == (own_pid, "2")


@is_root
def test_any_user_can_open_its_standard_output() -> None:
    assert run(shell("id -un >/dev/stdout; echo error >/dev/stderr", user="nobody")) == ["nobody", "error"]


def test_the_output_outlives_its_reader() -> None:
    me = Identity(pwd.getpwuid(os.geteuid()).pw_name, os.geteuid(), os.getegid(), (), "/")
    reading, writing = output_pipe(me)
    script = "read -r _; echo after; (echo written >&2); read -r _"
    pipe = subprocess.PIPE
    with subprocess.Popen(("sh", "-c", script), stdin=pipe, stdout=writing, stderr=pipe, text=True) as child:
        os.close(writing)
        os.close(reading)
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stderr.readline() == "written\n"
        # The next herdd.
        with open(f"/proc/{child.pid}/fd/1") as output:
            assert output.readline() == "after\n"
            child.stdin.close()
            assert child.wait() == 1
            assert output.read() == ""
