"""A control group as systemd delegates one, on the machine's own hierarchy of version 2."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def hierarchy() -> Path:
    """Where it is mounted; the test is skipped where no group can be made."""
    words = ("findmnt", "--noheadings", "--output", "TARGET", "--types", "cgroup2", "--first-only")
    found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    if os.geteuid() != 0 or not found or not os.access(found, os.W_OK):
        pytest.skip("no control groups of version 2 that can be made here")
    return Path(found)


@contextmanager
def delegated(*, is_delegated: bool = True) -> Iterator[Path]:
    """One that is there until the end, with everything in it."""
    path = hierarchy() / f"herd-test-{secrets.token_hex(4)}"
    path.mkdir()
    if is_delegated:
        os.setxattr(path, "trusted.delegate", b"1")
    try:
        yield path
    finally:
        (path / "cgroup.kill").write_text("1")
        for directory, _, _ in os.walk(path, topdown=False):
            wait_until_empty(Path(directory))
            os.rmdir(directory)


def wait_until_empty(group: Path) -> None:
    """Return once nobody lives in it, nor below; the kernel tells (cgroup.events)."""
    import select

    with (group / "cgroup.events").open() as events:
        poll = select.poll()
        poll.register(events, select.POLLPRI)
        while "populated 1" in events.read():
            assert poll.poll(60_000), f"somebody lives in {group}"
            events.seek(0)


def inside(group: Path) -> tuple[str, ...]:
    """The words before a command that has it executed there."""
    return ("/bin/sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "sh")
