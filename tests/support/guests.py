"""People in rooms of a Prosody that a test's herdd runs."""

from __future__ import annotations

import json
import time

from meet import DOMAIN, Meet
from prosody import Client, Prosody, Refusal
from support import PATIENCE, Daemon


def client(daemon: Daemon, it: Meet, name: str = "") -> Client:
    """Somebody who is logged in to Prosody: a service, or without a name anybody."""
    server = _server(daemon, it)
    if not name:
        return Client(server, DOMAIN)
    return Client(server, f"auth.{DOMAIN}", name, (daemon.state_dir / "secrets" / f"xmpp-{name}").read_text().strip())


def _server(daemon: Daemon, it: Meet) -> Prosody:
    shown = daemon.state_dir / "prosody" / "certificates" / f"{DOMAIN}.crt"
    return Prosody(daemon.services_dir / "prosody", it.prosody["port"], it.prosody["http-port"], shown)


def put_out(daemon: Daemon, it: Meet, room: str, nickname: str) -> None:
    """Out of a room, a service too: what Prosody itself can do and herd does not."""
    place, occupant = room.partition("@")[2], f"{room}/{nickname}"
    there = f"require('core.modulemanager').get_module('{place}', 'muc').get_room_from_jid('{room}')"
    done = _server(daemon, it).prosodyctl("shell", f"> return {there}:set_role(true, '{occupant}', nil)")
    assert "true" in done.stdout, done.stdout


def address_of(daemon: Daemon, room: str, nickname: str) -> str:
    """The whole one of somebody in a room."""
    there = json.loads(daemon.herd("--json", "list-occupants", "prosody", room).stdout)["occupants"]
    address: str = next(each["address"] for each in there if each["nickname"] == nickname)
    return address


def until_allowed(guest: Client, room: str) -> None:
    """Return once a ban is over, which nobody tells."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            guest.enter(room, "again")
        except Refusal:
            continue
        return
    raise AssertionError("it was never let in")
