"""The doubles of Jicofo and of a bridge behave to a real Prosody, and over HTTP, as the real ones are known to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jitsi_doubles import write_doubles
from jitsi_meeting import Meeting, fetch
from support import short_directory


@pytest.fixture(scope="module")
def meeting() -> Iterator[Meeting]:
    with short_directory() as directory:
        place = directory / "xmpp"
        place.mkdir()
        one = Meeting(place)
        yield one
        one.end()


@pytest.fixture(scope="module")
def doubles() -> Iterator[tuple[Path, Path]]:
    with short_directory() as directory:
        yield write_doubles(directory)


@pytest.fixture(scope="module")
def jicofo(doubles: tuple[Path, Path]) -> Path:
    return doubles[0]


@pytest.fixture(scope="module")
def jvb(doubles: tuple[Path, Path]) -> Path:
    return doubles[1]


def test_a_bridge_is_found(meeting: Meeting, jicofo: Path, jvb: Path) -> None:
    focus, bridge = meeting.jicofo(), meeting.jvb()
    focus_port = focus["jicofo"]["rest"]["port"]
    bridge_port = bridge["videobridge"]["http-servers"]["private"]["port"]
    with meeting.running(jicofo, focus) as one, meeting.running(jvb, bridge) as two:
        one.said("Joined the room.")
        two.said("Joined MUC: ")
        one.said("Added new videobridge: Bridge[jid=jvbbrewery@internal.auth.meet.example/jvb1")
        selector = json.loads(fetch(focus_port, "/stats")[1])["bridge_selector"]
        assert selector == {"bridge_count": 1, "operational_bridge_count": 1, "lost_bridges": 0}
        metrics = fetch(bridge_port, "/metrics", headers={"Accept": "application/json"})
        assert json.loads(metrics[1])["mucs_joined"] == 1
