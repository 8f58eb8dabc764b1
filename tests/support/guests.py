"""People in rooms of a Prosody that a test's herdd runs."""

from __future__ import annotations

import json
import time

from meet import DOMAIN, Meet
from prosody import Client, Prosody, Refusal
from support import PATIENCE, Daemon


def client(daemon: Daemon, it: Meet, name: str = "") -> Client:
    """Somebody who is logged in to Prosody: a service, or without a name anybody."""
    shown = daemon.state_dir / "prosody" / "certificates" / f"{DOMAIN}.crt"
    server = Prosody(daemon.directory, it.prosody["port"], it.prosody["http-port"], shown)
    if not name:
        return Client(server, DOMAIN)
    return Client(server, f"auth.{DOMAIN}", name, (daemon.state_dir / "secrets" / f"xmpp-{name}").read_text().strip())


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
