"""Where GNU Shepherd was found weak by probing it, and what herdd does there.

| Shepherd 0.10 | here, or where it is shown already |
| --- | --- |
| a requirement that nobody provides: start hangs for ever; a circle: all memory is eaten | `test_a_requirement_…` |
| 20 MB of output at once: clients wait until it is written | `test_a_flood_of_output_…` |
| a line of 2,000 characters is cut | test_shepherd_output.py |
| a grandchild that did setsid survives | test_supervision.py, `test_a_stop_waits_until_nothing_is_left` |
| command not found: "has been started", then disabled | `test_a_program_that_is_not_there_…` |
| a process that exits without respawn is disabled | test_kinds.py |
| start of a disabled service does not say why | `test_a_start_of_a_disabled_service_…` |
| a second daemon takes the socket away | test_server.py, `test_a_second_daemon_is_refused` |
| a killed daemon's services are lost | test_succession.py |
| protocol: no reply, no error | test_server.py, `test_protocol_errors`, `test_a_bad_message_…` |
| stop prints nothing | `test_a_stop_says_…` |
| the first start says more than those after it | `test_the_first_start_says_…` |
| no exit code, no signal, no count of respawns | `test_the_status_tells_…` |
| a directory of the socket that others may write to | `test_a_directory_that_others_may_write_to_is_refused` |
"""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support import HERDD, PATIENCE, herdd, program, short_directory

SLEEP = "exec sleep infinity"


def said_at_once(directory: Path, *options: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a herdd that ends by itself."""
    places = [f"--{name}-dir={directory / name}" for name in ("runtime", "state", "log")]
    command = [*HERDD, f"--config={directory / 'herd.toml'}", *places, *options]
    found = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return found.returncode, found.stdout, found.stderr


CIRCLE = "cannot order the services: {} require each other in a circle; remove one requirement"
UNSOUND: dict[str, tuple[dict[str, list[str]], str]] = {
    "missing": (
        {"web": ["net"]},
        "cannot start web: it requires net, which no service provides; the services are: alias-of-web, other, web",
    ),
    "misspelled": (
        {"web": ["othre"]},
        "cannot start web: it requires othre, which no service provides; did you mean other?",
    ),
    "itself": ({"web": ["web"]}, CIRCLE.format("web -> web")),
    "circle": ({"web": ["net"], "net": ["disk"], "disk": ["alias-of-web"]}, CIRCLE.format("web -> net -> disk -> web")),
}


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["herdd", "check"])
@pytest.mark.parametrize("kind", UNSOUND)
def test_a_requirement_that_cannot_be_met_is_named_and_nothing_is_started(kind: str, options: tuple[str, ...]) -> None:
    needs, sentence = UNSOUND[kind]
    with short_directory() as directory:
        started = f"touch {directory}/started"
        tables = [
            program(name, started, requirement=need, aliases=[f"alias-of-{name}"] if name == "web" else [])
            for name, need in needs.items()
        ]
        (directory / "herd.toml").write_text("".join(tables) + program("other", started))
        status, output, errors = said_at_once(directory, *options)
        assert (status, output) == (1, "")
        assert errors.startswith("herdd: cannot ")
        assert sentence in errors.splitlines()[0]
        assert [each.name for each in directory.iterdir()] == ["herd.toml"]


def test_a_program_that_is_not_there_fails_the_start_with_the_reason_and_is_not_disabled() -> None:
    with herdd(program("web", ["/no/such/program"], auto_start=False)) as daemon:
        for _ in range(2):
            done = daemon.herd("start", "web")
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr == (
                "herd: cannot start web: there is no program /no/such/program; correct its command; "
                "see: herd status web\n"
            )
        facts = daemon.status("web")
        assert (facts["status"], facts["enabled"], facts["failing"]) == ("stopped", True, True)
        assert (facts["failedStage"], facts["mainPid"], facts["exitCode"]) == ("execution", None, None)
        daemon.said("Service web could not be started: there is no program /no/such/program")


def test_a_start_of_a_disabled_service_says_so_and_its_remedy_is_one() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        daemon.until_status("web", "running")
        assert daemon.herd("disable", "web").returncode == 0
        assert daemon.herd("stop", "web").returncode == 0
        refused = daemon.herd("start", "web")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == "herd: cannot start web: it is disabled; enable it with: herd enable web\n"
        (remedy,) = [line for line in daemon.herd("status", "web").stdout.splitlines() if "disabled" in line]
        assert remedy == "  It is disabled; enable it with: herd enable web"
        assert daemon.herd("enable", "web").returncode == 0
        assert daemon.herd("start", "web").returncode == 0


def test_a_stop_says_what_it_stopped_in_the_order_in_which_it_did() -> None:
    config = [
        program("net", SLEEP),
        program("web", SLEEP, requirement=["net"]),
        program("app", SLEEP, requirement=["web"]),
        program("idle", SLEEP, requirement=["web"], auto_start=False),
        program("other", SLEEP),
    ]
    with herdd("".join(config)) as daemon:
        daemon.until_status("app", "running")
        stopped = daemon.herd("stop", "net")
        assert stopped.stdout == "".join(f"Service {name} has been stopped.\n" for name in ("app", "web", "net"))
        places = [daemon.lines.index(daemon.said(line)) for line in stopped.stdout.splitlines()]
        assert places == sorted(places)
        assert daemon.herd("--json", "stop", "net").stdout == '{"stopped": []}\n'


def test_the_first_start_says_what_every_later_one_says() -> None:
    config = program("net", SLEEP, auto_start=False) + program("web", SLEEP, requirement=["net"], auto_start=False)
    with herdd(config) as daemon:
        said = []
        for _ in range(3):
            said.append(daemon.herd("start", "web").stdout)
            said.append(daemon.herd("stop", "net").stdout)
        started = "Service net has been started.\nService web has been started.\n"
        stopped = "Service web has been stopped.\nService net has been stopped.\n"
        assert said == [started, stopped] * 3


def has_respawned(times: int, facts: dict[str, Any]) -> bool:
    """Whether it runs and came back that often."""
    return (facts["status"], facts["respawns"]) == ("running", times)


def test_the_status_tells_how_the_last_process_ended_and_how_often_it_came_back() -> None:
    with herdd(program("web", SLEEP, respawn_delay=0) + program("once", "exit 3", respawn=False)) as daemon:
        for times in (1, 2):
            pid = daemon.until_status("web", "running")["mainPid"]
            os.kill(pid, signal.SIGKILL)
            daemon.until("web", partial(has_respawned, times))
        lines = daemon.herd("status", "web").stdout.splitlines()
        assert [line for line in lines if line.startswith("  Its program was ended by SIGKILL (9) at ")]
        assert "  Respawned 2 times since it was last stopped." in lines
        daemon.until("once", lambda facts: facts["exitCode"] is not None and facts["status"] == "stopped")
        done = daemon.herd("status", "once")
        assert done.returncode == 3
        assert "  Reason: its program exited with 3.\n" in done.stdout
        assert "  Its program exited with 3 at " in done.stdout


FLOOD = r"""
awk 'BEGIN { for (n = 0; n < 250000; n++) printf "%06d %074d\n", n, 0; print "the last" }'; exec sleep infinity
"""


def log_with_old_files(directory: Path) -> list[str]:
    """The texts of all lines in the log of web and in what was moved aside of it, compressed or not."""
    texts = {}
    for path in sorted(directory.glob("web.log*"), reverse=True):
        # Of a file that is there in both forms, the one that is complete comes last.
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        texts[path.name.removesuffix(".gz")] = content
    whole = b"".join(texts[name] for name in sorted(texts, reverse=True))
    return [line.split(" ", 1)[1] for line in whole.decode().splitlines()]


def test_a_flood_of_output_keeps_nobody_waiting_and_no_line_of_it_is_lost() -> None:
    with herdd(program("web", FLOOD, ready={"line": "the last"}, auto_start=False)) as daemon:
        with daemon.wire() as wire, daemon.wire() as starter:
            with daemon.wire() as follower:
                follower.send("Log", more=True, service="web", lines=0, follow=True)
                starter.send("Perform", action="start", service="web")
                # It has begun.
                assert follower.receive()
            for _ in range(50):
                # All are answered before the last line of the flood was seen.
                assert wire.call("Status")["parameters"]["services"][0]["status"] == "starting"
            assert "the last" not in daemon.written("web")
            done = starter.receive()
        assert done is not None
        assert done["parameters"]["exitStatus"] == 0
        assert daemon.status("web")["lostLines"] == 0
        assert daemon.end() == 0
        assert log_with_old_files(daemon.log_dir) == [*(f"{n:06} {0:074}" for n in range(250_000)), "the last"]


@pytest.mark.parametrize("name", ["runtime", "state", "log"])
def test_a_directory_that_others_may_write_to_is_refused(name: str) -> None:
    with short_directory() as directory:
        (directory / "herd.toml").write_text(program("web", f"touch {directory}/started"))
        (directory / name).mkdir()
        (directory / name).chmod(0o777)
        status, _, errors = said_at_once(directory)
        assert status == 1
        assert f"cannot use the directory {directory / name}: others may write there" in errors
        assert not (directory / "started").exists()
