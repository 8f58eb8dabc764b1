"""The actions about rooms: which there are, who is in one, and out with somebody."""

from __future__ import annotations

from attrs import frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.role import Role
from herd.core.words import count
from herd_services.jitsi import lua
from herd_services.jitsi.console import Console
from herd_services.jitsi.deployment import Deployment
from herd_services.method import Method

_MAX_NAME = 1023
_MUC = "local muc = require('core.modulemanager').get_module({}, 'muc')"


@frozen
class Rooms:
    """Those of both places, where people meet and where services do."""

    console: Console
    deployment: Deployment

    async def list_rooms(self, host: Host, call: Invocation) -> Reply:
        """Every room, and how many are in it."""
        counted = "local n = 0; for _ in room:each_occupant() do n = n + 1 end; say(room.jid, n)"
        each = f"for room in muc.each_room() do {counted} end"
        found: list[list[str]] = []
        for place in (self.deployment.conference_muc, self.deployment.internal_muc):
            found += await self.console.told(host, f"{_MUC.format(lua.text(place))}; {each}")
        rooms = {room: int(number) for room, number in sorted(found)}
        text = "".join(f"  - {room}: {count(number, 'occupant')}\n" for room, number in rooms.items())
        told = [{"room": room, "occupants": number} for room, number in rooms.items()]
        return Reply({"rooms": told}, text or "There is no room.\n")

    async def list_occupants(self, host: Host, call: Invocation) -> Reply:
        """[ROOM]: who is in it; without one, in the room where Jicofo finds the bridges."""
        room = self._room(call.arguments.optional(0))
        each = "for nick, who in room:each_occupant() do say(nick, who.bare_jid, who.role) end"
        found = await self._in(host, room, each)
        there = sorted(
            ({"nickname": nick.partition("/")[2], "address": who, "role": role} for nick, who, role in found),
            key=lambda one: one["nickname"],
        )
        lines = "".join(f"  - {_shown(one['nickname'])} ({one['address']}, {one['role']})\n" for one in there)
        return Reply({"room": room, "occupants": there}, f"In {room}:\n{lines}" if there else f"Nobody is in {room}.\n")

    async def kick(self, host: Host, call: Invocation) -> Reply:
        """NICKNAME ROOM [--reason TEXT]: out of the room; whoever it is may come back. A service stays where it is."""
        nickname, room = call.arguments[0], self._room(call.arguments[1])
        reason = call.arguments.options.get("--reason", "")
        address = lua.text(f"{room}/{nickname}")
        order = (
            f"local who = room:get_occupant_by_nick({address}); if not who then say('absent') return end;"
            f" if require('util.jid').host(who.bare_jid) == {lua.text(self.deployment.auth_domain)} then"
            " say('service', who.bare_jid) return end;"
            f" local done, _, problem = room:set_role(true, {address}, nil, {lua.text(reason)});"
            " if not done then say('refused', problem) end"
        )
        found = await self._in(host, room, order)
        if found:
            raise HerdError(f"cannot kick {nickname}: {_why_not(room, *found[0])}")
        return Reply({"room": room, "nickname": nickname}, f"{_shown(nickname)} is out of {room}.\n")

    def _room(self, name: str | None) -> str:
        """A room's address: one without a host is a conference."""
        if name is None:
            return self.deployment.room
        room = name.lower() if "@" in name else f"{name.lower()}@{self.deployment.conference_muc}"
        places = (self.deployment.conference_muc, self.deployment.internal_muc)
        if len(room) > _MAX_NAME or room.partition("@")[2] not in places or room.startswith("@"):
            raise HerdError(
                f"cannot find the room {name[:80]}: it is none of {places[0]}; see: herd list-rooms prosody"
            )
        return room

    async def _in(self, host: Host, room: str, order: str) -> list[list[str]]:
        place = lua.text(room.partition("@")[2])
        get = f"local room = muc.get_room_from_jid({lua.text(room)}); if not room then say('no room') return end"
        found = await self.console.told(host, f"{_MUC.format(place)}; {get}; {order}")
        if found == [["no room"]]:
            if room == self.deployment.room:
                return []
            raise HerdError(f"cannot find the room {room}: nobody is there; see: herd list-rooms prosody")
        return found


def _why_not(room: str, word: str, said: str = "") -> str:
    """Why somebody is not put out of a room, as the end of a sentence."""
    if word == "absent":
        return f"it is not there; see: herd list-occupants prosody {room}"
    if word == "service":
        return f"it is {said}, an account of a service; an admin can stop or restart that, see: herd status"
    return said


def _shown(name: str) -> str:
    """A nickname, which its owner chose, must neither break a listing nor steer a terminal."""
    return "".join(each if each.isprintable() else " " for each in name)[:60]


def room_actions(console: Console, deployment: Deployment) -> tuple[Action, ...]:
    """Those of the service."""
    rooms = Rooms(console, deployment)
    return (
        Action("list-rooms", "List the rooms that there are.", Method(rooms, Rooms.list_rooms), role=Role.MODERATOR),
        Action(
            "list-occupants",
            "List who is in a room: the one where Jicofo finds the bridges, or another.",
            Method(rooms, Rooms.list_occupants),
            "[ROOM]",
            role=Role.MODERATOR,
        ),
        Action(
            "kick",
            "Put somebody, no service, out of a room; whoever it is may come back.",
            Method(rooms, Rooms.kick),
            "NICKNAME ROOM [--reason TEXT]",
            role=Role.MODERATOR,
        ),
    )
