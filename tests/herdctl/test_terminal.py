"""What `herd` prints where a person looks, and where a program reads: real pseudo-terminals and pipes."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Iterator

import pytest

from support import HERD, PATIENCE, Daemon, herdd, program

ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    config = [
        program(
            "web",
            "printf 'a \\033[31mred\\033[0m line\\n'; echo ready; exec sleep infinity",
            ready={"line": "ready"},
            action={
                "fail": {"command": ["sh", "-c", "printf '\\033[2J' >&2; exit 1"]},
                "warn": {"command": ["sh", "-c", "printf '\\033[2J' >&2"]},
            },
        ),
        program("broken", "printf '\\033[2J\\n'; exit 3", auto_start=False, ready={"line": "ready"}),
        program("noisy", "seq 20000; exec sleep infinity", ready={"line": "20000"}),
    ]
    with herdd("".join(config)) as daemon:
        daemon.until_status("web", "running")
        daemon.until_status("noisy", "running")
        daemon.herd("start", "broken")
        yield daemon


def on_terminal(daemon: Daemon, *words: str, **environment: str) -> str:
    """All that `herd` writes to a terminal that is its standard output and error."""
    mine, its = pty.openpty()
    process = subprocess.Popen(
        [*HERD, *words],
        env=daemon.environment | {"TERM": "xterm"} | environment,
        stdin=subprocess.DEVNULL, stdout=its, stderr=its,
    )  # fmt: skip
    os.close(its)
    parts = []
    try:
        # A terminal whose other side is closed gives EIO.
        while select.select([mine], [], [], PATIENCE)[0] and (part := os.read(mine, 65536)):
            parts.append(part)
    except OSError:
        pass
    os.close(mine)
    process.wait(PATIENCE)
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_a_terminal_gets_headings_in_colour(daemon: Daemon) -> None:
    text = on_terminal(daemon, "status")
    assert text == "\x1b[1mStarted:\x1b[0m\n + noisy\n + root\n + web\n\x1b[1;31mFailed to start:\x1b[0m\n ! broken\n"


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_is_taken_back(daemon: Daemon, environment: dict[str, str]) -> None:
    assert on_terminal(daemon, "status", **environment) == daemon.herd("status").stdout
    assert ESCAPE not in on_terminal(daemon, "restart", "web", **environment)


def test_an_empty_no_color_says_nothing(daemon: Daemon) -> None:
    # https://no-color.org: when present and not an empty string.
    assert ESCAPE in on_terminal(daemon, "status", NO_COLOR="")


def test_progress_is_shown_and_leaves_no_trace(daemon: Daemon) -> None:
    text = on_terminal(daemon, "restart", "web")
    assert "web is being stopped" in text
    assert "web is being started" in text
    assert text.split("\x1b[K")[-1] == "Service web has been started.\n"


def test_json_is_plain_on_a_terminal_too(daemon: Daemon) -> None:
    assert ESCAPE not in on_terminal(daemon, "--json", "restart", "web")


def test_a_pipe_gets_a_line_for_each_step_and_no_colour(daemon: Daemon) -> None:
    found = daemon.herd("restart", "web", TERM="xterm")
    assert (found.stdout, found.stderr) == ("Service web has been started.\n", "")
    assert daemon.steps == [
        "web is being stopped",
        "web has been stopped",
        "web is being started",
        "web is not ready yet",
        "web is running",
    ]
    daemon.herd("--json", "restart", "web")
    assert daemon.steps == []


def test_what_a_program_printed_does_not_steer_a_terminal(daemon: Daemon) -> None:
    assert ESCAPE not in on_terminal(daemon, "log", "web")
    assert ESCAPE not in on_terminal(daemon, "status", "web").replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b[31m" in daemon.herd("log", "web").stdout
    for words in (("fail", "web"), ("warn", "web"), ("start", "broken")):
        assert "\\x1b[2J" in on_terminal(daemon, *words)
        assert "\x1b[2J" in daemon.herd(*words).stderr


def test_a_reader_that_has_read_enough(daemon: Daemon) -> None:
    command = [*HERD, "log", "-n", "20000", "noisy"]
    with subprocess.Popen(
        command, env=daemon.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as herd:
        assert herd.stdout is not None
        assert herd.stderr is not None
        assert herd.stdout.readline().endswith(" 1\n")
        herd.stdout.close()
        assert herd.stderr.read() == ""
        assert herd.wait(PATIENCE) == 0


@pytest.mark.parametrize("words", [("status",), ("--json", "status"), ("log", "web")])
def test_a_full_disk_is_said(daemon: Daemon, words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        found = subprocess.run(
            [*HERD, *words], env=daemon.environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (found.returncode, found.stderr) == (
        1,
        "herd: cannot write: No space left on device; make room, or print elsewhere\n",
    )


def test_closed_outputs_are_no_reason_to_fail(daemon: Daemon) -> None:
    words = " ".join(f"'{word}'" for word in HERD)
    for redirection in (">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
        found = subprocess.run(["/bin/sh", "-c", f"{words} status {redirection}"], env=daemon.environment, check=False)
        assert found.returncode == 0, redirection
