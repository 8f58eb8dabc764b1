"""A person at a Mumble client: a program of its own around pymumble, which tells what happens, a line of JSON each.

Words: PORT NAME PASSWORD [CERTIFICATE KEY]. It says to its room what it reads on standard input, and comes back when
it loses the server.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

import pymumble_py3.mumble
from pymumble_py3 import constants

_LOCK = threading.Lock()


def _tell(event: str, **facts: Any) -> None:
    with _LOCK:
        print(json.dumps({"event": event, **facts}), flush=True)


def _end(args: Any) -> None:
    """What the library raises in its thread: it was not let in."""
    _tell("rejected", reason=str(args.exc_value))
    os._exit(0)


def main() -> None:
    """Until standard input ends."""
    port, name, password, *pair = sys.argv[1:]
    threading.excepthook = _end
    # Ten seconds each otherwise; that the server is gone it notices by a ping.
    pymumble_py3.mumble.PYMUMBLE_CONNECTION_RETRY_INTERVAL = 0.05
    pymumble_py3.mumble.PYMUMBLE_PING_DELAY = 0.2
    certificate, key = pair or (None, None)
    client = pymumble_py3.mumble.Mumble("127.0.0.1", name, int(port), password, certificate, key, reconnect=True)
    # The library releases its lock once too often when it comes back.
    client.ready_lock = threading.Semaphore(0)
    hooks = {
        # In the library's thread, which has to go on to carry it out.
        constants.PYMUMBLE_CLBK_CONNECTED: lambda: threading.Thread(target=client.users.myself.mute).start(),
        constants.PYMUMBLE_CLBK_DISCONNECTED: lambda: _tell("gone"),
        constants.PYMUMBLE_CLBK_TEXTMESSAGERECEIVED: lambda message: _tell("text", text=message.message),
        constants.PYMUMBLE_CLBK_USERUPDATED: lambda user, changes: _tell_change(name, user, changes),
        constants.PYMUMBLE_CLBK_USERREMOVED: lambda user, word: _tell("left", who=user["name"], reason=word.reason),
        constants.PYMUMBLE_CLBK_USERCREATED: lambda user: _tell("came", who=user["name"]),
    }
    for hook, function in hooks.items():
        client.callbacks.set_callback(hook, function)
    client.start()
    for line in sys.stdin:
        client.my_channel().send_text_message(line.rstrip("\n"))


def _tell_change(own: str, user: Any, changes: Any) -> None:
    """Ready is who mutes itself and is told so: one who is banned may be greeted before it is put out."""
    if user["name"] == own and "self_mute" in changes:
        _tell("ready")
    else:
        _tell("changed", who=user["name"], **_plain(changes))


def _plain(changes: Any) -> dict[str, Any]:
    return {key: value for key, value in changes.items() if isinstance(value, str | int | bool)}


if __name__ == "__main__":
    main()
