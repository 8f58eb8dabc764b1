"""Why services are as they are: each reason, its remedy, and the chain down to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from herd.core.diagnosis import Denied, Diagnosis, Holder, Missing, Part
from herd.core.events import Ending, Failure, Stage, Status
from herd.core.limits import Limits
from herd.core.readiness import CommandSuccess, HttpStatus, Notification, OutputLine, PidFile, TcpPort, UnixSocket
from herd.core.schedule import Every
from herd.core.service import Program
from herd.core.standing import is_well
from herd.core.status import Snapshot
from herd.core.why import all_causes, causes, result, text
from herd.core.words import clock
from snapshots import NOW, snapshot

SINCE = f"since {clock(NOW - 60)} (1 minute ago)"
AGO = f"at {clock(NOW - 5)} (5 seconds ago)"
RESPAWN = Failure(Stage.RESPAWN, "it ended more than 5 times in 7 seconds; it is disabled")
NEED = Failure(Stage.REQUIREMENT, "it requires base, and: cannot start base: no")
LOG = "see: herd log web, then: herd start web"


def said(*services: Snapshot, **diagnoses: Diagnosis) -> str:
    """What is said of the first."""
    return text(causes(services[0].service.name, {each.service.name: each for each in services}, diagnoses, NOW))


def ended(code: int | None = None, signal: int | None = None) -> dict[str, Any]:
    """It ran and ended by itself so."""
    ending = Ending(code, signal, NOW - 5)
    return {"ending": ending, "cause": f"its program {ending.words}"}


def failing(stage: Stage, reason: str) -> dict[str, Any]:
    """Its start failed."""
    return {"failure": Failure(stage, reason)}


@pytest.mark.parametrize(
    ("status", "keys", "lines"),
    [
        (Status.RUNNING, {}, [f"web is running {SINCE}, and nothing is known to be wrong."]),
        (Status.RUNNING, {"health": "it did not answer", "warnings": ("one is corrupt",)},
         ["web is running, but not well: it did not answer.", "  one is corrupt", "  see: herd log web"]),
        (Status.RUNNING, {"warnings": ("one is corrupt",)},
         ["web is running, but not all of it.", "  one is corrupt", "  see: herd log web"]),
        (Status.RUNNING, {"schedule": Every(60), "ending": Ending(1, None, NOW)},
         ["web waits for its next run, but in its last its program exited with 1.", "  see: herd log web"]),
        (Status.STARTING, {"stage": Stage.EXECUTION},
         [f"web is being started {SINCE}: its program is being executed.",
          f"  It is given up at {clock(NOW + 30)} (in 30.0 seconds)."]),
        (Status.STOPPING, {"grace_period": 90},
         [f"web is being stopped {SINCE}.",
          f"  What has not ended by then is killed at {clock(NOW + 30)} (in 30.0 seconds)."]),
        (Status.STOPPED, {"auto_start": False},
         ["web is stopped: nobody has asked for it yet, and it does not start with herdd (auto-start = false).",
          "  herd start web"]),
        (Status.STOPPED, {"auto_start": False, "ending": Ending(None, 15, NOW)},
         ["web is stopped: somebody asked for that.", "  herd start web"]),
        (Status.STOPPED, {}, ["web is stopped: somebody asked for that.", "  herd start web"]),
        (Status.STOPPED, {"enabled": False},
         ["web is disabled: somebody asked for that.", "  herd enable web && herd start web"]),
        (Status.STOPPED, {"enabled": False, "failure": RESPAWN, "ending": Ending(3, None, NOW - 5)},
         ["web is disabled: it ended more than 5 times in 7 seconds.", f"  Its program exited with 3 {AGO}.",
          "  see: herd log web, then: herd enable web && herd start web"]),
        (Status.STOPPED, {"enabled": False, "failure": RESPAWN, "cause": "it did not answer"},
         ["web is disabled: it ended more than 5 times in 7 seconds.", "  The last time it did not answer.",
          "  see: herd log web, then: herd enable web && herd start web"]),
        (Status.STOPPED, {"respawn_in": 2.5, **ended(1)},
         ["web waits to be respawned: its program exited with 1.",
          f"  It comes back at {clock(NOW + 2.5)} (in 2.5 seconds).",
          "  see: herd log web; to start it at once: herd start web"]),
        (Status.STOPPED, {"one_shot": True, "done": True},
         ["web is done: it is a one-shot, and its last run ended well."]),
        (Status.STOPPED, {"one_shot": True, **failing(Stage.READINESS, "its program exited with 1"), **ended(1)},
         ["web has failed: its program exited with 1.", "  The last time its program exited with 1.", f"  {LOG}"]),
        (Status.STOPPED, failing(Stage.READINESS, "it was not ready after 90 seconds")
         | {"readiness": OutputLine("up"), "ending": Ending(None, 15, NOW)},
         ["web could not be started: it was not ready after 90 seconds.",
          '  It is ready once its output has a line with "up".', f"  {LOG}"]),
        (Status.STOPPED, failing(Stage.SETUP, "cannot reach its bus; see: herd status web"),
         ["web could not be started: cannot reach its bus.", f"  {LOG}"]),
        (Status.STOPPED, failing(Stage.PREPARATION, "there is no user web; create it with: useradd web"),
         ["web could not be started: there is no user web.",
          "  create it with: useradd web, then: herd start web"]),
        (Status.STOPPED, ended(0), ["web is stopped: its program exited with 0.", f"  {LOG}"]),
    ],
)  # fmt: skip
def test_each_way_to_be(status: Status, keys: dict[str, Any], lines: list[str]) -> None:
    assert said(snapshot("web", status, **keys)).splitlines() == lines


@pytest.mark.parametrize(
    ("readiness", "clause"),
    [
        (OutputLine("up"), 'its output has a line with "up"'),
        (Notification(), "it says READY=1 to $NOTIFY_SOCKET"),
        (PidFile(Path("/run/web.pid")), "it writes /run/web.pid"),
        (TcpPort("localhost", 80), "it listens on localhost:80"),
        (UnixSocket(Path("/run/web")), "it takes connections at /run/web"),
        (HttpStatus("http://localhost/", 204), "http://localhost/ answers with 204"),
        (CommandSuccess(("test", "-e", "/run/up")), "test -e /run/up ends with 0"),
    ],
)
def test_what_a_start_waits_for(readiness: Any, clause: str) -> None:
    waiting = snapshot("web", Status.STARTING, stage=Stage.READINESS, readiness=readiness)
    assert f": it waits until {clause}.\n" in said(waiting)


@pytest.mark.parametrize(
    ("keys", "note"),
    [
        (ended(126), "With 126 a shell says that it found no right to execute a command."),
        (ended(127), "With 127 a shell says that it did not find a command."),
        (ended(signal=11), "That is a fault in the program itself: its makers will want to know."),
        (ended(signal=24), "It came to its resource limit of CPU time (cpu)."),
        (ended(signal=15), "Somebody else than herdd sent the signal."),
        (ended(signal=9), "Somebody sent it, or the kernel for want of memory, as it did 2 times since the machine "
                          "started."),
    ],
)  # fmt: skip
def test_endings_that_are_known_to_mean_something(keys: dict[str, Any], note: str) -> None:
    assert f"  {note}\n" in said(snapshot("web", **keys), web=Diagnosis(out_of_memory=2))


def test_memory_that_was_not_to_be_had_is_told_with_its_limit() -> None:
    ending = Ending(None, 9, NOW - 5, took_too_much=True)
    program = Program(("/bin/web",), limits=Limits(memory_max=64 * 2**20))
    told = said(snapshot("web", program=program, ending=ending, cause=f"its program {ending.words}"))
    assert told.splitlines()[:2] == [
        "web is stopped: its program was ended by SIGKILL (9), for it took more memory than it may.",
        "  It may have memory 64.0 MiB: [limits.web].",
    ]


def test_want_of_memory_is_a_guess_where_nobody_knows_how_it_ended() -> None:
    words = "ended, nobody knows how, maybe for it took more memory than it may"
    assert Ending(None, None, NOW, took_too_much=True).words == words


@pytest.mark.parametrize("signal", [9, 15])
def test_a_signal_that_herdd_sent_means_nothing(signal: int) -> None:
    late = failing(Stage.READINESS, "it was not ready after 90 seconds")
    assert "omebody" not in said(snapshot("web", ending=Ending(None, signal, NOW), **late))


PROGRAM = Program(("/bin/web",), package="webd")


@pytest.mark.parametrize(
    ("diagnosis", "reason", "remedy"),
    [
        (Diagnosis(missing=Missing(Part.PROGRAM, "/bin/web")), "there is no program /bin/web",
         "install the package webd"),
        (Diagnosis(missing=Missing(Part.INTERPRETER, "/bin/perl")), "there is no interpreter /bin/perl",
         "make it, or correct the definition"),
        (Diagnosis(missing=Missing(Part.DIRECTORY, "/srv")), "there is no working directory /srv",
         "make it, or correct the definition"),
        (Diagnosis(denied=Denied("web", "execute", "/bin/web")), "user web may not execute /bin/web",
         "let web execute it (see: namei -l /bin/web)"),
        (Diagnosis(), "/bin/web: it cannot be", "mend it"),
    ],
)  # fmt: skip
def test_what_was_found_comes_before_what_the_stage_said(diagnosis: Diagnosis, reason: str, remedy: str) -> None:
    broken = snapshot("web", program=PROGRAM, **failing(Stage.EXECUTION, "/bin/web: it cannot be; mend it"))
    assert said(broken, web=diagnosis) == f"web could not be started: {reason}.\n  {remedy}, then: herd start web\n"


def test_what_was_found_of_other_files_is_not_the_reason() -> None:
    broken = snapshot("web", **failing(Stage.PREPARATION, "/srv: no space left on device"))
    found = Diagnosis(missing=Missing(Part.PROGRAM, "/bin/web"))
    assert said(broken, web=found).startswith("web could not be started: /srv: no space left on device.\n")


@pytest.mark.parametrize(
    ("holder", "who", "remedy"),
    [
        (Holder("0.0.0.0:80", "www", 4711, "nginx"), "nginx (pid 4711, user www)", "end that process"),
        (Holder("0.0.0.0:80", "www", 4711, "nginx", "proxy"), "the service proxy (pid 4711)", "herd stop proxy"),
        (Holder("0.0.0.0:80", "www"), "a process of user www", "end that process"),
    ],
)
def test_who_has_its_port(holder: Holder, who: str, remedy: str) -> None:
    broken = snapshot("web", **ended(1))
    assert said(broken, web=Diagnosis(holders=(holder,), output=tuple("abcdefg"))).splitlines() == [
        "web is stopped: its program exited with 1.",
        f"  0.0.0.0:80 is taken by {who}.",
        "  Its last output:", *(f"    {line}" for line in "cdefg"),
        f"  {remedy}, or give web another port, then: herd start web",
    ]  # fmt: skip


def test_what_is_left_of_one_that_stops() -> None:
    assert "\n  Still there: 7 web, 8 cat.\n" in said(
        snapshot("web", Status.STOPPING), web=Diagnosis(left=("7 web", "8 cat"))
    )


# Chains.

BROKEN = failing(Stage.EXECUTION, "no such file")
GONE = Diagnosis(missing=Missing(Part.PROGRAM, "/bin/base"))


def test_a_chain_goes_down_to_what_can_be_mended() -> None:
    chain = [
        snapshot("top", requirement=("middle",), failure=NEED),
        snapshot("mid", requirement=("base",), failure=NEED, provision=("mid", "middle")),
        snapshot("base", **BROKEN),
        snapshot("other", Status.RUNNING),
    ]
    assert said(*chain, base=GONE) == (
        "top is stopped: it requires mid, which is stopped.\n"
        "  mid is stopped: it requires base, which could not be started.\n"
        "    base could not be started: there is no program /bin/base.\n"
        "      correct its command, then: herd start top\n"
    )


def test_one_that_two_require_is_explained_once() -> None:
    services = [
        snapshot("top", requirement=("left", "right"), failure=NEED),
        snapshot("left", requirement=("base",), failure=NEED),
        snapshot("right", requirement=("base",), failure=NEED),
        snapshot("base", enabled=False),
    ]
    found = said(*services)
    assert found.startswith("top is stopped: it requires left, which is stopped and right, which is stopped.\n")
    assert found.count("base is disabled: ") == 1
    assert found.count("it requires base, which is disabled.\n") == 2


def test_a_start_that_waits_names_what_it_waits_for() -> None:
    waiting = snapshot("top", Status.STARTING, stage=Stage.REQUIREMENT, requirement=("base", "done"))
    slow = snapshot("base", Status.STARTING, stage=Stage.SETUP)
    first, second, *_ = said(waiting, slow, snapshot("done", one_shot=True, done=True)).splitlines()
    assert first == "top is being started: it waits for base, which is being started."
    assert second == f"  base is being started {SINCE}: it is being set up."


def test_one_that_lost_its_requirement_hangs_on_it_until_that_is_back() -> None:
    lost = snapshot("top", requirement=("mid",), cause="base, which it requires, ended")
    mid = snapshot("mid", requirement=("base",), cause="base, which it requires, ended")
    down, up = snapshot("base", **ended(1)), snapshot("base", Status.RUNNING)
    assert said(lost, mid, down).startswith(
        "top is stopped: it requires mid, which is stopped.\n  mid is stopped: it requires base, which is stopped.\n"
    )
    assert said(lost, snapshot("mid", Status.RUNNING), up).startswith(
        "top is stopped: base, which it requires, ended.\n"
    )


@pytest.mark.parametrize(
    "keys",
    [ended(3), {"enabled": False, "failure": NEED}, {}, BROKEN],
)
def test_its_own_trouble_is_not_blamed_on_what_it_requires(keys: dict[str, Any]) -> None:
    assert "requires" not in said(snapshot("top", requirement=("base",), **keys), snapshot("base")).splitlines()[0]


def test_root_is_told_of_every_service_that_is_not_well_and_each_chain_once() -> None:
    services = {
        each.service.name: each
        for each in (
            snapshot("base", **BROKEN),
            snapshot("top", requirement=("base",), failure=NEED),
            snapshot("fine", Status.RUNNING),
            snapshot("idle", auto_start=False),
            snapshot("ill", Status.RUNNING, health="it did not answer"),
        )
    }
    found = all_causes(services, {"base": GONE}, NOW)
    assert [(each.service, each.depth) for each in found] == [("top", 0), ("base", 1), ("ill", 0)]
    assert result(found)["causes"][1] == {
        "service": "base", "what": "base could not be started: there is no program /bin/base.", "notes": [],
        "remedy": "correct its command, then: herd start top", "depth": 1,
    }  # fmt: skip


def test_nothing_is_wrong() -> None:
    assert text(all_causes({"web": snapshot("web", Status.RUNNING)}, {}, NOW)) == "Every service is as it should be.\n"


@pytest.mark.parametrize(
    ("status", "keys", "well"),
    [
        (Status.RUNNING, {}, True),
        (Status.RUNNING, {"warnings": ("one is corrupt",)}, False),
        (Status.RUNNING, {"health": "it did not answer"}, False),
        (Status.RUNNING, {"schedule": Every(60), "ending": Ending(0, None, NOW)}, True),
        (Status.RUNNING, {"schedule": Every(60), "ending": Ending(None, None, NOW)}, True),
        (Status.RUNNING, {"schedule": Every(60), "ending": Ending(None, 11, NOW)}, False),
        (Status.RUNNING, {"ending": Ending(1, None, NOW)}, True),
        (Status.STARTING, {}, False),
        (Status.STOPPING, {}, False),
        (Status.STOPPED, {}, True),
        (Status.STOPPED, {"done": True, "one_shot": True}, True),
        (Status.STOPPED, {"enabled": False}, False),
        (Status.STOPPED, {"respawn_in": 1.0}, False),
        (Status.STOPPED, ended(0), False),
        (Status.STOPPED, BROKEN, False),
    ],
)
def test_who_is_well(status: Status, keys: dict[str, Any], well: bool) -> None:
    assert is_well(snapshot("web", status, **keys)) is well
