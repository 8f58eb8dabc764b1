"""What status says of services: groups, lines for people, facts for programs."""

from __future__ import annotations

from typing import Any

import pytest

from herd.core.details import details
from herd.core.endpoint import Endpoint
from herd.core.events import Ending, Failure, Stage, Status
from herd.core.host import Note
from herd.core.readiness import TcpPort
from herd.core.service import Health
from herd.core.status import Usage, facts, overview
from herd.core.words import clock
from snapshots import NOW, snapshot

FAILURE = Failure(Stage.EXECUTION, "there is no program /bin/web")
KILLED = Ending(None, 9, NOW - 5)


def lines(*arguments: Any, **keys: Any) -> list[str]:
    """The lines about a service `web`."""
    return [line.strip() for line in details(snapshot("web", *arguments, **keys), NOW, sees_people=True).splitlines()]


def test_the_overview_has_shepherds_groups_and_signs_in_their_order() -> None:
    services = [
        snapshot("bad", failure=FAILURE),
        snapshot("setup", one_shot=True, done=True),
        snapshot("going", Status.STOPPING),
        snapshot("idle"),
        snapshot("slow", Status.STARTING),
        snapshot("web", Status.RUNNING),
        snapshot("redone", one_shot=True, done=True, failure=FAILURE),
        snapshot("again", Status.STARTING, one_shot=True),
    ]
    assert overview(services) == (
        "Started:\n + root\n + web\nStarting:\n ^ again\n ^ slow\nStopped:\n - idle\nStopping:\n v going\n"
        "One-shot:\n * setup\nFailed to start:\n ! bad\n ! redone\n"
    )


@pytest.mark.parametrize(
    ("status", "keys", "beginning"),
    [
        (Status.RUNNING, {}, "It is running since "),
        (Status.RUNNING, {"transient": True}, "It is transient, running since "),
        (Status.STARTING, {"stage": Stage.READINESS}, "It is starting since "),
        (Status.STOPPING, {}, "It is being stopped since "),
        (Status.STOPPED, {}, "It is stopped since "),
        (Status.STOPPED, {"done": True, "one_shot": True}, "It is stopped (one-shot) since "),
        (Status.STOPPED, {"failure": FAILURE}, "It is stopped (failing) since "),
    ],
)
def test_the_first_line_says_how_it_is(status: Status, keys: dict[str, Any], beginning: str) -> None:
    line = lines(status, **keys)[1]
    assert line.startswith(f"{beginning}{clock(NOW - 60)} (1 minute ago)")
    assert line.endswith(", at the stage of readiness." if "stage" in keys else ").")


@pytest.mark.parametrize(
    ("status", "keys", "line"),
    [
        (Status.RUNNING, {"pid": 257}, "Main PID: 257"),
        (Status.STOPPED, {}, "Command: /bin/web"),
        (Status.STOPPED, {"failure": FAILURE}, "Reason: there is no program /bin/web."),
        (Status.STOPPED, {"enabled": False}, "It is disabled; enable it with: herd enable web"),
        (Status.RUNNING, {"usage": Usage(3 << 20, 75.5, 1)}, "Memory: 3.0 MiB, CPU: 1 minute, 1 process"),
        (Status.RUNNING, {"usage": Usage(3 << 30, 0.5, 2)}, "Memory: 3.0 GiB, CPU: 0 seconds, 2 processes"),
        (Status.RUNNING, {"listening": ("0.0.0.0:80", "/run/web")}, "Listening on: 0.0.0.0:80 /run/web"),
        (Status.RUNNING, {"health": "it did not answer"}, "Health: it did not answer."),
        (Status.RUNNING, {"health": Health(TcpPort("localhost", 80))}, "Health: well, asked every 30 seconds."),
        (Status.STOPPED, {"ending": KILLED},
         f"Its program was ended by SIGKILL (9) at {clock(NOW - 5)} (5 seconds ago)."),
        (Status.RUNNING, {"respawned": 3}, "Respawned 3 times since it was last stopped."),
        (Status.STOPPED, {"respawn_in": 2.5}, f"It will be respawned at {clock(NOW + 2.5)} (in 2.5 seconds)."),
        (Status.RUNNING, {"next_run": NOW + 3600}, f"It runs its program next at {clock(NOW + 3600)} (in 1 hour)."),
        (Status.RUNNING, {"has_replacement": True}, "A new definition waits for the next start."),
        (Status.RUNNING, {"is_adopted": True}, "Its process was taken over from an earlier herdd."),
        (Status.RUNNING, {"lost_lines": 1}, "1 line of output could not be kept."),
        (Status.RUNNING, {"warnings": ("one archive is corrupt",)}, "Warning: one archive is corrupt"),
        (Status.STOPPED, {"requirement": ("base", "net")}, "Requires: base net"),
        (Status.STOPPED, {"dependents": ("top",)}, "Required by: top"),
        (Status.STOPPED, {"respawn": None}, "Will not be respawned."),
    ],
)  # fmt: skip
def test_what_applies_has_a_line_and_what_does_not_has_none(status: Status, keys: dict[str, Any], line: str) -> None:
    assert line in lines(status, **keys)
    assert (line in lines(status)) == (line == "Command: /bin/web")


def test_facts_of_a_full_life() -> None:
    found = facts(
        snapshot(
            "web",
            failure=FAILURE,
            ending=KILLED,
            respawn_in=2.5,
            next_run=NOW,
            usage=Usage(1000, 1.5, 2),
            listening=("0.0.0.0:80",),
            lost_lines=3,
            one_shot=True,
            transient=True,
            endpoints=(Endpoint(("", 80)),),
        ),
        sees_people=True,
    )
    wanted = {
        "failedStage": "execution", "exitSignal": 9, "exitCode": None, "exitUSec": int((NOW - 5) * 1e6),
        "respawnInUSec": 2_500_000, "nextRunUSec": int(NOW * 1e6), "memoryBytes": 1000, "cpuUSec": 1_500_000,
        "processes": 2, "listening": ["0.0.0.0:80"], "lostLines": 3, "oneShot": True, "done": False,
        "transient": True, "autoStart": True, "hasReplacement": False, "adopted": False,
    }  # fmt: skip
    assert {key: found[key] for key in wanted} == wanted


def test_what_nobody_measured_is_null() -> None:
    found = facts(snapshot("web", Status.RUNNING), sees_people=False)
    assert [found[key] for key in ("memoryBytes", "cpuUSec", "processes", "respawnInUSec", "health")] == [None] * 5


@pytest.mark.parametrize(("sees_people", "shown"), [(True, ["load", "ann"]), (False, ["load"])])
def test_a_note_about_people_is_for_those_who_may_be_told_of_them(sees_people: bool, shown: list[str]) -> None:
    notes = (Note("load", "5", "The load is 5."), Note("ann", "banned", "Ann was banned.", is_about_people=True))
    known = snapshot("web", Status.RUNNING, notes=notes)
    assert list(facts(known, sees_people=sees_people)["notes"]) == shown
    text = details(known, NOW, sees_people=sees_people)
    assert [note.name for note in notes if f"  {note.text}\n" in text] == shown
