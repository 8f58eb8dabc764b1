"""jamid's D-Bus methods for what runs now: calls and conferences.

Source: cx.ring.Ring.CallManager.xml of Debian's jami-daemon 20230206. Conferences are changed by methods that return
nothing, whether they did it or not: whoever asks has to look afterwards, and is woken by `changes`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from herd.core.bus import Bus, BusCall, BusSignal
from herd_services.jami import calls

INTERFACE = f"{calls.NAME}.CallManager"
_PATH = "/cx/ring/Ring/CallManager"

# Of a call's details.
PEER = "PEER_NUMBER"
PEER_NAME = "DISPLAY_NAME"
# Of the conference infos, which have a row for each stream.
URI = "uri"
DEVICE = "device"
STREAM = "sinkId"
MODERATOR = "isModerator"
MUTED = "audioModeratorMuted"
MUTED_BY_ITSELF = "audioLocalMuted"
HAND_RAISED = "handRaised"
RECORDING = "recording"


class CallManager:
    """jamid at the other end of a bus, told its own ids. Every method raises HerdError when the bus or jamid fails."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def _call(self, member: str, signature: str, *body: Any) -> tuple[Any, ...]:
        return await self.bus.call(BusCall(calls.NAME, _PATH, INTERFACE, member, signature, body))

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[BusSignal]]:
        """A signal after whatever happens to a call, and after every change of the infos."""
        return self.bus.signals(INTERFACE, "callStateChanged", "onConferenceInfosUpdated")

    async def call_ids(self, account: str) -> list[str]:
        """All calls of an account, those that ring among them."""
        return list((await self._call("getCallList", "s", account))[0])

    async def call_details(self, account: str, call: str) -> dict[str, str]:
        """A call's details; none where it is over."""
        return dict((await self._call("getCallDetails", "ss", account, call))[0])

    async def hang_up(self, account: str, call: str) -> None:
        """Begin to end a call; one that is over is none."""
        await self._call("hangUp", "ss", account, call)

    async def conference_ids(self, account: str) -> list[str]:
        """The conferences that an account hosts."""
        return list((await self._call("getConferenceList", "s", account))[0])

    async def participants(self, account: str, conference: str) -> list[str]:
        """The calls in a conference."""
        return list((await self._call("getParticipantList", "ss", account, conference))[0])

    async def infos(self, account: str, conference: str) -> list[dict[str, str]]:
        """The rows that participants are shown; they outlast whoever left."""
        return list((await self._call("getConferenceInfos", "ss", account, conference))[0])

    async def mute(self, account: str, conference: str, row: Mapping[str, str], *, state: bool) -> None:
        """Mute or unmute the participant of a row, as a moderator does."""
        who = (row.get(URI, "").partition("@")[0], row.get(DEVICE, ""), row.get(STREAM, ""))
        await self._call("muteStream", "sssssb", account, conference, *who, state)

    async def set_moderator(self, account: str, conference: str, peer: str, *, state: bool) -> None:
        """Let a participant, by its fingerprint, moderate this conference, or no more."""
        await self._call("setModerator", "sssb", account, conference, peer, state)
