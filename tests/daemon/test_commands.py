"""Actions that are commands, of a real herdd: as whom they run, what comes of their output, that nothing is left."""

from __future__ import annotations

import json
import os
import pwd
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts import python
from support import HERD, HERDD, INTERFACE, PATIENCE, Daemon, Wire, herdd, lives, program, short_directory

SLEEP = "exec sleep infinity"
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")


# No TERM can end it, nor its grandchild, which is in another session and holds both outputs: then it tells the FIFO of
# its first argument both their numbers.
STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
first = os.getpid()
waiting, ready = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    open(sys.argv[1], "w").write(f"{first} {os.getpid()}\\n")
    os.write(ready, b"x")
    time.sleep(1000)
os.read(waiting, 1)
"""
ACTIONS: dict[str, Any] = {
    "say": {"command": python("print(sys.argv[1:])"), "usage": "WORD [OTHER]", "role": "observer"},
    "where": {
        "command": ["sh", "-c", 'echo "$(id -un):$(id -gn) $PWD $(umask) $A $B $HERD_SERVICE $MAINPID"; cat'],
        "documentation": "Say where it runs.",
        "role": "observer",
    },
    "warn": {"command": ["sh", "-c", "echo done; echo careful >&2; echo >&2; echo slowly >&2"]},
    "fail": {"command": ["sh", "-c", "echo begun; echo no room >&2; exit 3"]},
    "fail-silently": {"command": ["false"]},
    "fail-aloud": {"command": ["sh", "-c", "echo begun; kill -9 $$"]},
    "missing": {"command": ["/no/such/program"]},
    "flood": {"command": python("while True: print('x' * 10000)")},
    "much": {"command": python("print('x' * (1024 * 1024 - 1))")},
    "bytes": {"command": python("os.write(1, bytes(range(256)) * 4096)")},
    "complain": {"command": python("print('x' * 100000, file=sys.stderr); print('end', file=sys.stderr); sys.exit(1)")},
    "late": {"command": python(STUBBORN + "time.sleep(1000)"), "usage": "FIFO", "timeout": 0.5},
    "wait": {"command": python(STUBBORN + "time.sleep(1000)"), "usage": "FIFO"},
    "ring": {"command": python("open(sys.argv[1], 'w').write('rung\\n')"), "usage": "FIFO"},
    "restart-itself": {"command": [*HERD, "restart", "web"]},
    "leave": {"command": python(STUBBORN + "print('gone')"), "usage": "FIFO"},
}


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with short_directory() as directory:
        socket = {"HERD_SOCKET": f"{directory}/run/socket"}
        config = program("web", SLEEP, environment=socket, action=ACTIONS)
        config += '[access]\nobserver = ["nobody"]\n'
        config += program("idle", SLEEP, auto_start=False, action={"say": {"command": ["true"]}})
        with herdd(config, directory=directory) as daemon:
            daemon.until_status("web", "running")
            yield daemon


@pytest.fixture
def fifo() -> Iterator[Path]:
    with short_directory() as directory:
        os.mkfifo(directory / "fifo")
        yield directory / "fifo"


def perform(daemon: Daemon, action: str, *arguments: str) -> dict[str, Any]:
    return daemon.call("Perform", action=action, service="web", arguments=arguments)


def message(reply: dict[str, Any]) -> str:
    assert reply["error"] == f"{INTERFACE}.CannotDo"
    return str(reply["parameters"]["message"])


# What it prints, and how it ends.


def test_what_it_prints_is_the_text(daemon: Daemon) -> None:
    done = daemon.herd("say", "web", "hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, "['hello']\n", "")
    assert json.loads(daemon.herd("--json", "say", "web", "a", "b").stdout) == {"output": "['a', 'b']\n"}


def test_what_it_says_beside_is_a_warning_when_it_succeeds(daemon: Daemon) -> None:
    done = daemon.herd("warn", "web")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr == "herd: warning: careful\nherd: warning: slowly\n"


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("fail", ["exited with 3", "its last output:", "  no room"]),
        ("fail-silently", ["exited with 1"]),
        ("fail-aloud", ["was ended by SIGKILL (9)", "its last output:", "  begun"]),
    ],
)
def test_what_it_says_is_the_reason_when_it_fails(daemon: Daemon, action: str, text: list[str]) -> None:
    done = daemon.herd(action, "web")
    reason, *lines = text
    first = f"herd: cannot {action} web: its program {reason}; see: herd doc web {action}"
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (1, "", [first, *lines])


def test_a_program_that_is_not_there(daemon: Daemon) -> None:
    text = "cannot missing web: there is no program /no/such/program; see: herd doc web missing"
    assert message(perform(daemon, "missing")) == text


def test_a_long_complaint_is_told_from_its_end(daemon: Daemon) -> None:
    text = message(perform(daemon, "complain"))
    assert text.endswith("\n  end")
    assert len(text) < 20_000


def test_a_flood_is_ended(daemon: Daemon) -> None:
    text = message(perform(daemon, "flood"))
    assert text.startswith("cannot flood web: its program printed more than 1.0 MiB and was ended")
    assert "missing" not in text


def test_as_much_as_may_be_is_whole(daemon: Daemon) -> None:
    assert perform(daemon, "much")["parameters"]["text"] == "x" * (1024 * 1024 - 1) + "\n"


def test_bytes_that_are_no_text_fit_into_a_reply(daemon: Daemon) -> None:
    text = perform(daemon, "bytes")["parameters"]["text"]
    assert (len(text), text[:3], text[254:258]) == (1024 * 1024, "�\x01\x02", "���\x01")


# The caller's words.


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["-f", "--json"],
        ["a b", "$(id)"],
        ["", "`id`; id"],
        ["\n", "\r\n'\""],
        ["é\x1b[31m"],
        ["x" * 100_000],
    ],
)
def test_words_arrive_as_they_are(daemon: Daemon, words: list[str]) -> None:
    assert perform(daemon, "say", *words)["parameters"]["text"] == f"{words}\n"


def test_words_that_look_like_options_of_herd(daemon: Daemon) -> None:
    assert daemon.herd("say", "web", "--", "--json", "-f").stdout == "['--json', '-f']\n"


def test_a_word_that_no_program_can_be_given(daemon: Daemon) -> None:
    assert message(perform(daemon, "say", "x" * 200_000)).startswith(
        f"cannot say web: {sys.executable}: Argument list too long; "
    )


def test_words_that_the_usage_does_not_have(daemon: Daemon) -> None:
    for words, why in (((), "an argument is missing"), (("a", "b", "c"), "'c' is one too many")):
        done = daemon.herd("say", "web", *words)
        said = f"herd: cannot say: {why}; it is used as: herd say web WORD [OTHER]\n"
        assert (done.returncode, done.stderr) == (2, said)


# Who may, and what is told of it.


def test_it_is_told_like_any_other_action(daemon: Daemon) -> None:
    assert daemon.herd("doc", "web", "list-actions").stdout.startswith("(say\n where\n warn\n")
    assert daemon.herd("doc", "web", "where").stdout == "where: Say where it runs.\nIt needs the role observer.\n"
    assert (
        daemon.herd("doc", "web", "say").stdout == "say WORD [OTHER]: [No description].\nIt needs the role observer.\n"
    )
    assert "  Actions: say where warn " in daemon.herd("status", "web").stdout
    assert daemon.status("web")["actions"] == list(ACTIONS)


def test_a_service_that_does_not_run_has_none(daemon: Daemon) -> None:
    done = daemon.herd("say", "idle")
    assert (done.returncode, done.stderr) == (1, "herd: cannot say: service idle is stopped; see: herd status idle\n")


@is_root
def test_others_need_the_role(daemon: Daemon) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    assert daemon.herd("say", "web", "x", user=nobody).stdout == "['x']\n"
    refused = daemon.herd("warn", "web", user=nobody)
    assert (refused.returncode, refused.stdout) == (6, "")
    assert refused.stderr.startswith("herd: cannot warn web: ")


# As whom.


@is_root
def test_it_runs_as_the_service_does() -> None:
    with short_directory() as directory:
        (directory / "environment").write_text("B=b\nA=overridden\n")
        keys = {"user": "nobody", "group": "daemon", "directory": "/usr", "umask": "027", "environment": {"A": "a"}}
        config = program(
            "web",
            SLEEP,
            environment_file=f"{directory}/environment",
            action=ACTIONS,
            **keys,
            resource_limits={"core": "0"},
        )
        with herdd(config) as daemon:
            pid = daemon.until_status("web", "running")["mainPid"]
            done = daemon.herd("where", "web")
            assert (done.stdout, done.stderr) == (f"nobody:daemon /usr 0027 a b web {pid}\n", "")
            (directory / "environment").unlink()
            assert message(perform(daemon, "where")).startswith(
                f"cannot where web: {directory}/environment: No such file or directory; "
            )


def test_a_service_without_a_process_has_no_main_pid() -> None:
    actions = {"main": {"command": ["sh", "-c", "echo ${MAINPID-none}"]}}
    with herdd(program("job", "true", every="1h", action=actions)) as daemon:
        daemon.until_status("job", "running")
        assert daemon.herd("main", "job").stdout == "none\n"


# Nothing is left.


def line(fifo: Path) -> str:
    """What is written there, once it is."""
    # For both, lest it wait for a writer for ever.
    descriptor = os.open(fifo, os.O_RDWR)
    try:
        assert select.select([descriptor], [], [], PATIENCE)[0]
        return os.read(descriptor, 1000).decode()
    finally:
        os.close(descriptor)


def told(fifo: Path) -> list[int]:
    """The numbers of the processes that have said there that they are ready."""
    return [int(word) for word in line(fifo).split()]


def asking(daemon: Daemon, action: str, fifo: Path) -> Wire:
    wire = daemon.wire()
    wire.send("Perform", action=action, service="web", arguments=[str(fifo)])
    return wire


def test_one_that_takes_too_long_is_ended_with_all_below(daemon: Daemon, fifo: Path) -> None:
    with asking(daemon, "late", fifo) as wire:
        pids = told(fifo)
        reply = wire.receive()
        assert reply is not None
        assert message(reply).startswith("cannot late web: its program took more than 0.5 seconds and was ended")
        assert not list(filter(lives, pids))


def test_what_it_leaves_behind_is_ended(daemon: Daemon, fifo: Path) -> None:
    with asking(daemon, "leave", fifo) as wire:
        pids = told(fifo)
        reply = wire.receive()
        assert reply is not None
        assert reply["parameters"]["text"] == "gone\n"
        assert not list(filter(lives, pids))


def test_one_whose_caller_leaves_is_ended_with_all_below(daemon: Daemon, fifo: Path) -> None:
    with asking(daemon, "wait", fifo) as wire:
        pids = told(fifo)
        wire.socket.close()
    wait_for_ends(pids)


def wait_for_ends(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                assert select.select([descriptor], [], [], PATIENCE)[0]
            finally:
                os.close(descriptor)


def test_a_caller_that_is_interrupted_leaves(daemon: Daemon, fifo: Path) -> None:
    with subprocess.Popen([*HERD, "wait", "web", str(fifo)], env=daemon.environment) as herd:
        pids = told(fifo)
        herd.send_signal(signal.SIGINT)
        assert herd.wait(PATIENCE) == 130
    wait_for_ends(pids)


def test_a_caller_that_wants_no_answer_need_not_stay(daemon: Daemon, fifo: Path) -> None:
    with daemon.wire() as wire:
        wire.send("Perform", action="ring", service="web", arguments=[str(fifo)], oneway=True)
    # Nobody writes there before it is opened: by then the caller has left.
    assert line(fifo) == "rung\n"


@pytest.mark.parametrize("how", ["stop", "upgrade"])
def test_herdd_leaves_none_when_it_ends(fifo: Path, how: str) -> None:
    with herdd(program("web", SLEEP, action=ACTIONS)) as daemon:
        daemon.until_status("web", "running")
        with asking(daemon, "wait", fifo):
            pids = told(fifo)
            assert daemon.herd(how, "root").returncode == 0
            wait_for_ends(pids)
        if how == "upgrade":
            daemon.said(" listens on ", 2)
        else:
            assert daemon.wait() == 0


@pytest.mark.parametrize("is_swept", [False, True])
def test_what_a_killed_herdd_had_under_way_is_ended(fifo: Path, *, is_swept: bool) -> None:
    config = program("web", SLEEP, action=ACTIONS)
    with short_directory() as directory:
        with herdd(config, directory=directory, ends=False) as daemon:
            service = daemon.until_status("web", "running")["mainPid"]
            with asking(daemon, "wait", fifo):
                pids = told(fifo)
                daemon.process.kill()
                daemon.wait()
        assert all(map(lives, pids))
        if is_swept:
            assert subprocess.run([*HERDD, *daemon.arguments, "--sweep"], check=False).returncode == 0
        else:
            with herdd(config, directory=directory) as after:
                assert after.until_status("web", "running")["mainPid"] == service
                assert not any(map(lives, pids))
        assert not any(map(lives, [*pids, service]))


def test_one_goes_on_while_its_service_is_stopped(daemon: Daemon) -> None:
    done = daemon.herd("restart-itself", "web")
    assert (done.returncode, done.stdout) == (0, "Service web has been started.\n")
    daemon.until_status("web", "running")


def test_those_of_one_service_take_turns(daemon: Daemon, fifo: Path) -> None:
    places = [fifo.with_name(str(number)) for number in range(8)]
    with ExitStack() as stack:
        for place in places:
            os.mkfifo(place)
        wires = [stack.enter_context(asking(daemon, "wait", place)) for place in places]
        pids = [pid for place in places for pid in told(place)]
        assert all(map(lives, pids))
        before = psutil.Process(daemon.process.pid).children()
        ninth = stack.enter_context(asking(daemon, "say", fifo))
        for _ in range(20):
            # A turn for herdd, in which it would begin.
            daemon.call("Status")
        assert psutil.Process(daemon.process.pid).children() == before
        wires[0].socket.close()
        reply = ninth.receive()
        assert reply is not None
        assert reply["parameters"]["text"] == f"{[str(fifo)]}\n"
    wait_for_ends(pids)
