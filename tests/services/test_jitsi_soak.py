"""Whatever of Jitsi Meet is killed or restarted and in what order: all of it comes back, Prosody first, bridges last.

`make soak` plays 100 of that ($HERD_JITSI_SOAK), the test a few.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import psutil

from meet import meet, occupants, running
from support import Daemon

_ROUNDS = int(os.environ.get("HERD_JITSI_SOAK", "6"))
_NAMES = ("prosody", "jicofo", "jvb-b1", "jvb-b2")


def test_all_come_back_in_their_order(programs: tuple[Path, Path]) -> None:
    seed = int(os.environ.get("HERD_SEED", "1"))
    chance = random.Random(seed)
    with running(meet(programs, bridges=2)) as daemon:
        for number in range(_ROUNDS):
            victims = chance.sample(_NAMES, chance.randint(1, 3))
            is_kill = chance.random() < 0.5
            for name in victims:
                _hit(daemon, name, is_kill=is_kill)
            # Whoever waits to be respawned need not wait longer.
            for name in _NAMES[2:]:
                done = daemon.herd("start", name)
                assert done.returncode == 0, (number, seed, victims, done.stderr)
            facts = [daemon.until_status(name, "running") for name in _NAMES]
            since = [each["sinceUSec"] for each in facts]
            assert since[0] <= since[1] <= min(since[2:]), (number, seed, victims)
            assert occupants(daemon) == {"focus", "b1", "b2"}, (number, seed, victims)


def _hit(daemon: Daemon, name: str, *, is_kill: bool) -> None:
    pid = daemon.status(name)["mainPid"]
    if not is_kill:
        daemon.herd("restart", name)
    elif pid is not None:
        psutil.Process(pid).kill()
        daemon.until(name, lambda facts: facts["mainPid"] != pid)
