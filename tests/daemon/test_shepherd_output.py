"""What a program writes and into what it is born: its log, its umask, its descriptors.

| Shepherd's test | here, or where it is shown already |
| --- | --- |
| logging.sh | the first two below; the same bit by bit: test_log.py |
| logging.sh: its descriptor is closed | test_shepherd_processes.py, `test_fifty_restarts_in_a_row_…` |
| file-creation-mask.sh | `test_the_umask_is_the_programs_and_the_log_is_0640_all_the_same` |
| close-on-exec.sh | `test_a_program_has_descriptors_0_1_and_2_and_no_other_…` |
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import Daemon, herdd, program

STAMPED = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (.*)")
WRITTEN = [b"to stdout", b"to stderr", "grüße 羊".encode(), b"caf\351 \377", b"", b"x" * 2000, b"end"]
WRITER = r"""
echo to stdout; echo to stderr >&2; printf 'gr\303\274\303\237e \347\276\212\n'; printf 'caf\351 \377\n'; echo
head -c 2000 /dev/zero | tr '\0' x; echo; echo end; exec sleep infinity
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with herdd(program("web", WRITER, ready={"line": "end"})) as daemon:
        daemon.until_status("web", "running")
        yield daemon


def test_each_line_of_both_outputs_is_in_the_log_once_with_a_stamp_and_byte_for_byte(daemon: Daemon) -> None:
    # Whoever asks for the log has it written.
    assert len(daemon.written("web")) == len(WRITTEN)
    found = [STAMPED.fullmatch(line) for line in (daemon.log_dir / "web.log").read_bytes().split(b"\n")[:-1]]
    assert [match and match[1] for match in found] == WRITTEN


def test_herd_log_shows_what_is_no_utf8_as_escapes(daemon: Daemon) -> None:
    shown = [line.decode("utf-8", "backslashreplace") for line in WRITTEN]
    assert shown[3] == r"caf\xe9 \xff"
    assert [line.split(" ", 1)[1] for line in daemon.herd("log", "web").stdout.splitlines()] == shown
    lines = [json.loads(line)["line"] for line in daemon.herd("--json", "log", "web").stdout.splitlines()]
    assert [line.split(" ", 1)[1] for line in lines] == shown
    assert daemon.herd("status", "web").stdout.endswith(" end\n")


def mode(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_the_umask_is_the_programs_and_the_log_is_0640_all_the_same(tmp_path: Path) -> None:
    masks = {"open": "000", "group": "027", "usual": None}
    tables = [
        program(name, f": > {tmp_path}/{name}; echo made; exec sleep infinity", ready={"line": "made"}, **keys)
        for name, keys in ((name, {} if mask is None else {"umask": mask}) for name, mask in masks.items())
    ]
    before = os.umask(0o022)
    try:
        with herdd("".join(tables)) as daemon:
            for name in masks:
                daemon.until_status(name, "running")
                assert daemon.written(name) == ["made"]
            made = {name: mode(tmp_path / name) for name in masks}
            assert made == {"open": 0o666, "group": 0o640, "usual": 0o600}
            assert {mode(daemon.log_dir / f"{name}.log") for name in masks} == {0o640}
    finally:
        os.umask(before)


def descriptors(daemon: Daemon, name: str) -> dict[str, str]:
    """The open descriptors of a service's process and what they lead to."""
    directory = Path(f"/proc/{daemon.until_status(name, 'running')['mainPid']}/fd")
    return {each.name: os.readlink(each) for each in directory.iterdir()}


@pytest.mark.parametrize("upgraded", [False, True], ids=["", "after an upgrade"])
def test_a_program_has_descriptors_0_1_and_2_and_no_other_whatever_herdd_has_open(*, upgraded: bool) -> None:
    # Itself, not what it executes: that would have its libraries open for a moment.
    script = "echo ready; while :; do sleep 1000 & wait $!; done"
    config = [program(name, script, ready={"line": "ready"}, auto_start=name == "first") for name in ("first", "web")]
    with herdd("".join(config)) as daemon:
        daemon.until_status("first", "running")
        if upgraded:
            daemon.call("Perform", action="upgrade")
            daemon.said(" listens on ", 2)
        with daemon.wire() as watching, daemon.wire() as following:
            for wire, method in ((watching, "Watch"), (following, "Log")):
                wire.send(method, more=True, **({"follow": True} if method == "Log" else {}))
                assert wire.receive()
            daemon.call("Perform", action="start", service="web")
            found = descriptors(daemon, "web")
        assert sorted(found) == ["0", "1", "2"]
        assert found["0"] == "/dev/null"
        assert found["1"] == found["2"]
        assert found["1"].startswith("pipe:[")
        assert found["1"] != descriptors(daemon, "first")["1"]
