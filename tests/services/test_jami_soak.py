"""Whatever is killed and whenever: what was told as done is in force afterwards, and nothing is half done.

`make soak` plays 200 kills ($HERD_SOAK), the test a few. A client bans, unbans, names and removes moderators, one
request after the other, while herdd, jamid and the bus, one or all, get SIGKILL at a random moment.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from attrs import define, field, frozen

from jami import Archive, seen, table
from support import Daemon, Wire, herdd, short_directory

_KILLS = int(os.environ.get("HERD_SOAK", "6"))
_VICTIMS = (["root"], ["jami"], ["jami-dbus-session"], ["root", "jami", "jami-dbus-session"], ["root", "jami"])
_CONTACTS = tuple(f"{number:x}" * 40 for number in range(1, 7))
_LONGEST_LIFE = 1.5

People = dict[tuple[str, str], tuple[bool, bool]]


@frozen
class Request:
    """An action with its arguments, and what it makes of the accounts' people: whether banned, whether moderator."""

    words: tuple[str, ...]
    apply: Callable[[People], People]


def _requests(accounts: list[str], chance: random.Random) -> Request:
    contact, account = chance.choice(_CONTACTS), chance.choice(accounts)
    action = chance.choice(["ban-contact", "ban-contact", "unban-contact", "add-moderator", "remove-moderator"])
    concerned = accounts if action.endswith("ban-contact") and chance.random() < 0.6 else [account]

    def apply(people: People) -> People:
        return people | {(each, contact): _after(action, *people[each, contact]) for each in concerned}

    names = [account] if concerned == [account] else []
    force = ["--force"] if action == "remove-moderator" else []
    return Request((action, contact, *names, *force), apply)


def _after(action: str, banned: bool, moderates: bool) -> tuple[bool, bool]:
    match action:
        case "ban-contact":
            return True, False
        case "unban-contact":
            return False, moderates
        case _:
            return banned, action == "add-moderator"


@define
class Client:
    """Asks until the connection breaks; what the people have to be then is one of `possible`."""

    socket: Path
    accounts: list[str]
    chance: random.Random
    possible: list[People]
    done: int = 0
    stopping: bool = False
    thread: threading.Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def stop(self) -> None:
        """Let no request follow the one that is under way."""
        self.stopping = True
        self.thread.join()

    def _ask(self) -> None:
        with suppress(ConnectionError), Wire(self.socket) as wire:
            while not self.stopping:
                request = _requests(self.accounts, self.chance)
                before = self.possible[0]
                self.possible = [before, request.apply(before)]
                action, *arguments = request.words
                wire.send("Perform", action=action, service="jami", arguments=arguments)
                reply = wire.receive()
                if reply is None:
                    return
                self.possible = [before if "error" in reply else request.apply(before)]
                self.done += "error" not in reply


def _people(daemon: Daemon, accounts: list[str]) -> People:
    found = {account: seen(daemon, account) for account in accounts}
    return {
        (account, contact): (contact in found[account].banned, contact in found[account].moderators)
        for account in accounts
        for contact in _CONTACTS
    }


@contextmanager
def _living(config: str, directory: Path) -> Iterator[Daemon]:
    with herdd(config, directory=directory, ends=False) as daemon:
        daemon.until_status("jami", "running")
        yield daemon


def _kill(daemon: Daemon, victims: list[str]) -> None:
    pids = [daemon.process.pid if name == "root" else daemon.status(name)["mainPid"] for name in victims]
    for pid in pids:
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("seed", [int(os.environ.get("HERD_SEED", "1"))])
def test_what_was_told_is_in_force_whatever_is_killed(archives: dict[str, Archive], seed: int) -> None:
    chance = random.Random(seed)
    accounts = [archives[name].fingerprint for name in ("dummy", "other")]
    config = table(*({"archive": archives[name].path, "moderators": []} for name in ("dummy", "other")))
    people: People = {(account, contact): (False, False) for account in accounts for contact in _CONTACTS}
    done = 0
    with short_directory() as directory:
        for number in range(_KILLS):
            with _living(config, directory) as daemon:
                assert _people(daemon, accounts) == people, f"before kill {number}, seed {seed}"
                client = Client(daemon.socket, accounts, chance, [people])
                time.sleep(chance.uniform(0, _LONGEST_LIFE))
                victims = chance.choice(_VICTIMS)
                _kill(daemon, victims)
                client.stop()
                daemon.end(signal.SIGKILL)
            with _living(config, directory) as daemon:
                people = _people(daemon, accounts)
                wrong = [dict(people.items() - each.items()) for each in client.possible]
                assert {} in wrong, f"after kill {number}, of {victims}, seed {seed}, wrong is one of {wrong}"
                done += client.done
                daemon.end(signal.SIGKILL)
        with herdd(config, directory=directory) as daemon:
            daemon.until_status("jami", "running")
    assert done
