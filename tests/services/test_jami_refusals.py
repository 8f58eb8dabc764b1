"""Conferences where jamid does not do what it is asked, which it never says; and names that callers give themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from trio.testing import MockClock

from doubles import DeafBus, bare_host
from herd.core.action import Invocation, Reply
from herd.core.arguments import Arguments
from herd.core.errors import HerdError
from herd.core.host import Host
from herd.daemon.host import ServiceHost
from herd_services.jami.accounts import find
from herd_services.jami.conference_actions import hang_up, list_conferences, mute_participant, unmute_participant
from herd_services.jami.conferences import set_live_moderator
from jami import FRIEND, STRANGER

_DETAILS = {"PEER_NUMBER": f"{FRIEND.upper()}@ring.dht", "DISPLAY_NAME": "friend"}
_ROW = {"uri": f"{FRIEND}@ring.dht", "device": "d", "sinkId": "7_audio_0", "isModerator": "false"}


def _bus(**answers: Any) -> DeafBus:
    """jamid with one account and one conference, in which the friend's call 7 takes part."""
    usual = {
        "getAccountList": ["a"],
        "getAccountDetails": {"Account.username": STRANGER, "Account.enable": "true"},
        "getVolatileAccountDetails": {},
        "getCallList": ["7"],
        "getCallDetails": _DETAILS,
        "getConferenceList": ["c"],
        "getParticipantList": ["7"],
        "getConferenceInfos": [_ROW],
    }
    return DeafBus(usual | answers)


async def _done(bus: DeafBus, handler: Callable[[Host, Invocation], Awaitable[Reply]], *words: str) -> Reply:
    # No action here asks who calls.
    return await handler(_host(bus), Invocation(Arguments(words), None))  # type: ignore[arg-type]


def _host(bus: DeafBus) -> ServiceHost:
    host = bare_host()
    host.join_bus(bus)
    return host


@pytest.mark.parametrize(
    ("handler", "row", "member", "text"),
    [
        (mute_participant, _ROW, "muteStream", f"cannot mute {FRIEND}: jamid did not take it; see: herd list-"),
        (unmute_participant, _ROW | {"audioModeratorMuted": "true"}, "muteStream", f"cannot unmute {FRIEND}: jamid"),
        (hang_up, _ROW, "hangUp", f"cannot hang up {FRIEND} on account {STRANGER}: jamid did not take it; try again"),
    ],
)
async def test_what_jamid_does_not_take_is_an_error(
    autojump_clock: MockClock, handler: Any, row: dict[str, str], member: str, text: str
) -> None:
    bus = _bus(getConferenceInfos=[row])
    with pytest.raises(HerdError, match=text):
        await _done(bus, handler, FRIEND, STRANGER)
    assert bus.asked.count(member) == 1


async def test_a_moderator_that_jamid_does_not_take_is_an_error(autojump_clock: MockClock) -> None:
    host = _host(_bus())
    account = await find(host, STRANGER)
    await set_live_moderator(host, account, FRIEND, False)
    with pytest.raises(HerdError, match=f"cannot make {FRIEND} a moderator now: jamid did not take it"):
        await set_live_moderator(host, account, FRIEND, True)


async def test_somebody_of_whom_the_infos_say_nothing_yet_is_not_muted(autojump_clock: MockClock) -> None:
    bus = _bus(getConferenceInfos=[_ROW | {"sinkId": "6_audio_0"}])
    with pytest.raises(HerdError, match=f"cannot mute {FRIEND}: jamid did not take it"):
        await _done(bus, mute_participant, FRIEND, STRANGER)
    assert "muteStream" not in bus.asked
    assert f"    - {FRIEND} (friend)\n" in (await _done(bus, list_conferences)).text


async def test_a_bus_that_goes_is_no_endless_wait() -> None:
    bus = _bus()
    bus.gone = True
    for handler in (mute_participant, hang_up):
        with pytest.raises(HerdError, match="the bus is gone"):
            await _done(bus, handler, FRIEND, STRANGER)


async def test_a_call_that_ends_meanwhile_is_not_listed() -> None:
    (account,) = (await _done(_bus(getCallDetails={}), list_conferences)).result["accounts"]
    assert account["conferences"] == [{"id": "c", "participants": []}]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("two\nlines", "two lines"),
        ("\x1b[2Jclear\x07", "[2Jclear"),
        ("\u202eturned", "turned"),
        ("Zoë 羊", "Zoë 羊"),
        ("x" * 100, "x" * 60),
    ],
)
async def test_no_name_breaks_the_listing(name: str, told: str) -> None:
    reply = await _done(_bus(getCallDetails=_DETAILS | {"DISPLAY_NAME": name}), list_conferences)
    assert reply.text == f"Conferences of account {STRANGER}:\n  - c\n    - {FRIEND} ({told})\n\n"
    assert reply.result["accounts"][0]["conferences"][0]["participants"][0]["displayName"] == name


async def test_what_is_set_of_somebody_is_listed() -> None:
    flags = ("isModerator", "audioModeratorMuted", "audioLocalMuted", "handRaised", "recording")
    # The row of somebody who left is nobody's.
    rows = [_ROW | dict.fromkeys(flags, "true"), _ROW | {"uri": "", "sinkId": "6_audio_0", "isModerator": "true"}]
    reply = await _done(_bus(getConferenceInfos=rows), list_conferences, STRANGER)
    marks = "[moderator] [muted] [muted by itself] [hand raised] [recording]"
    assert reply.text == f"Conferences of account {STRANGER}:\n  - c\n    - {FRIEND} (friend) {marks}\n\n"
