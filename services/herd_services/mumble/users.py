"""What moderators do about those who are connected: see them, put them out, silence them, move them, write to them.

Over the protocol that clients speak, as SuperUser; every change is read back before it is told.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen

from herd.core import recutils
from herd.core.action import Action, Invocation, Reply
from herd.core.errors import HerdError, WrongUsage
from herd.core.host import Host
from herd.core.role import Role
from herd_services.method import Method
from herd_services.mumble.listening import Place
from herd_services.mumble.messages import Type
from herd_services.mumble.people import channel, connected, path, people, remember_registered
from herd_services.mumble.session import Session, User, session

_MAX_TEXT = 5000


@frozen
class Users:
    """Those of one server."""

    place: Place

    async def list_users(self, host: Host, call: Invocation) -> Reply:
        """Everybody who is connected, and where."""
        async with session(host, self.place, "list the users") as at:
            await remember_registered(host, at)
            found = [_facts(at, each) for each in people(at)]
        if "--records" in call.arguments.options:
            return Reply({"users": found}, recutils.records(map(_fields, found)))
        return Reply({"users": found}, "".join(map(_line, found)) or "Nobody is connected.\n")

    async def list_channels(self, host: Host, call: Invocation) -> Reply:
        """Every room, by its path."""
        async with session(host, self.place, "list the rooms") as at:
            rooms = sorted((path(at, each), each.number) for each in at.channels.values())
            counts = {number: sum(each.channel == number for each in people(at)) for _, number in rooms}
        found = [{"path": name, "number": number, "users": counts[number]} for name, number in rooms]
        return Reply({"channels": found}, "".join(f"  - {each['path']} ({each['users']} in it)\n" for each in found))

    async def kick(self, host: Host, call: Invocation) -> Reply:
        """USER: out, and free to come back."""
        name = call.arguments[0]
        async with session(host, self.place, f"kick {name}") as at:
            user = connected(at, name, "kick")
            await at.ask(Type.USER_REMOVE, {1: user.session, 3: call.arguments.options.get("--reason") or ""})
            if user.session in at.users:
                raise HerdError(f"cannot kick {name}: the server does not do it; see: herd log mumble-server")
        return Reply({"user": name}, f"{name} was put out.\n")

    async def mute(self, host: Host, call: Invocation) -> Reply:
        """USER: heard no more, until it is unmuted or connects anew."""
        return await self._set_muted(host, call.arguments[0], state=True)

    async def unmute(self, host: Host, call: Invocation) -> Reply:
        """USER: heard again."""
        return await self._set_muted(host, call.arguments[0], state=False)

    async def _set_muted(self, host: Host, name: str, *, state: bool) -> Reply:
        attempt = "mute" if state else "unmute"
        async with session(host, self.place, f"{attempt} {name}") as at:
            user = connected(at, name, attempt)
            await at.ask(Type.USER_STATE, {1: user.session, 6: int(state)})
            after = at.users.get(user.session)
            if after is None or after.is_muted is not state:
                raise HerdError(f"cannot {attempt} {name}: the server does not do it; see: herd log mumble-server")
        return Reply({"user": name, "muted": state}, f"{name} is {'muted' if state else 'no longer muted'}.\n")

    async def move(self, host: Host, call: Invocation) -> Reply:
        """USER CHANNEL: into another room."""
        name, room = call.arguments[0], call.arguments[1]
        async with session(host, self.place, f"move {name}") as at:
            user, goal = connected(at, name, "move"), channel(at, room, f"move {name}")
            await at.ask(Type.USER_STATE, {1: user.session, 5: goal.number})
            after = at.users.get(user.session)
            if after is None or after.channel != goal.number:
                raise HerdError(f"cannot move {name} to {room}: the server does not do it; is the room full?")
            place = path(at, goal)
        return Reply({"user": name, "channel": place}, f"{name} is in {place} now.\n")

    async def register(self, host: Host, call: Invocation) -> Reply:
        """USER: the name is that certificate's from now on."""
        name = call.arguments[0]
        async with session(host, self.place, f"register {name}") as at:
            user = connected(at, name, "register")
            if not user.certificate:
                raise HerdError(f"cannot register {name}: it has no certificate; have it make one in its client")
            await at.ask(Type.USER_STATE, {1: user.session, 4: 0})
            after = at.users.get(user.session)
            if after is None or after.registration is None:
                raise HerdError(f"cannot register {name}: the server does not do it; see: herd log mumble-server")
            await remember_registered(host, at)
        return Reply({"user": name, "number": after.registration}, f"{name} is registered.\n")

    async def list_registered(self, host: Host, call: Invocation) -> Reply:
        """Every registered user."""
        async with session(host, self.place, "list the registered users") as at:
            await remember_registered(host, at)
            answer = await at.ask(Type.USER_LIST, {}, Type.USER_LIST)
        parts = [] if answer is None else answer.parts(1)
        found = [{"number": each.number(1), "name": each.text(2)} for each in parts]
        return Reply({"users": found}, "".join(f"  - {each['name']}\n" for each in found) or "Nobody is registered.\n")

    async def send_message(self, host: Host, call: Invocation) -> Reply:
        """TEXT [--user USER] [--channel CHANNEL]: to everybody, to somebody, to a room."""
        text, options = call.arguments[0], call.arguments.options
        if not text or len(text) > _MAX_TEXT:
            raise WrongUsage(f"cannot send that: a message has 1 to {_MAX_TEXT} characters")
        if "--user" in options and "--channel" in options:
            raise WrongUsage("cannot send that to both: name a user or a room")
        async with session(host, self.place, "send a message") as at:
            whom, to = _addressee(at, options.get("--user"), options.get("--channel"))
            await at.ask(Type.TEXT_MESSAGE, {**to, 5: text})
        return Reply({"to": whom}, f"The message went to {whom}.\n")


def _addressee(at: Session, user: str | None, room: str | None) -> tuple[str, dict[int, int]]:
    """Who gets it, in words and as fields of the message."""
    if user is not None:
        return user, {2: connected(at, user, "send a message to").session}
    if room is not None:
        found = channel(at, room, "send a message")
        return path(at, found), {3: found.number}
    return "everybody", {4: 0}


def _facts(at: Session, user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "session": user.session,
        "channel": path(at, at.channels[user.channel]),
        "certificate": user.certificate or None,
        "registered": user.registration is not None,
        "muted": user.is_muted,
        "deaf": user.is_deaf,
    }


def _fields(facts: dict[str, Any]) -> dict[str, str]:
    return {key.capitalize(): _word(value) for key, value in facts.items() if value is not None}


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _line(facts: dict[str, Any]) -> str:
    certificate = facts["certificate"] or "no certificate"
    marks = "".join(f" [{each}]" for each in ("registered", "muted", "deaf") if facts[each])
    return f"  - {facts['name']} ({certificate}) in {facts['channel']}{marks}\n"


def user_actions(users: Users) -> tuple[Action, ...]:
    """Those of the service."""
    return (
        Action(
            "list-users",
            "List who is connected, with certificate and room.",
            Method(users, Users.list_users),
            "[--records]",
            role=Role.MODERATOR,
        ),
        Action("list-channels", "List the rooms.", Method(users, Users.list_channels), role=Role.OBSERVER),
        Action(
            "kick",
            "Put somebody out, who may come back.",
            Method(users, Users.kick),
            "USER [--reason TEXT]",
            role=Role.MODERATOR,
        ),
        Action("mute", "Let somebody be heard no more.", Method(users, Users.mute), "USER", role=Role.MODERATOR),
        Action("unmute", "Let somebody be heard again.", Method(users, Users.unmute), "USER", role=Role.MODERATOR),
        Action(
            "move",
            "Take somebody to another room, named or by its path.",
            Method(users, Users.move),
            "USER CHANNEL",
            role=Role.MODERATOR,
        ),
        Action(
            "register-user",
            "Give a name to the certificate of whoever has it now, and to nobody else.",
            Method(users, Users.register),
            "USER",
            role=Role.MODERATOR,
        ),
        Action(
            "list-registered-users",
            "List the registered users.",
            Method(users, Users.list_registered),
            role=Role.MODERATOR,
        ),
        Action(
            "send-message",
            "Write to everybody, to a user or to a room.",
            Method(users, Users.send_message),
            "TEXT [--user USER] [--channel CHANNEL]",
            role=Role.MODERATOR,
        ),
    )
