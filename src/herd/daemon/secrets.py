"""Texts that only herdd knows, and whoever it gives them to: made when they are first asked for, kept from then on.

Each is a file of the state directory, 0600 in a directory of 0700, that belongs to whoever runs herdd.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import trio

from herd.daemon import files

# Bytes of chance; as text twice as many characters.
_LENGTH = 24
_MAX_FILE = 4096


class Secrets:
    """Those in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._turn = trio.Lock()

    async def get(self, name: str) -> str:
        """The one of that name. Raises OSError."""
        async with self._turn:
            return await trio.to_thread.run_sync(self._get, name)

    async def renew(self, name: str) -> str:
        """Another in its place. Raises OSError."""
        async with self._turn:
            return await trio.to_thread.run_sync(self._make, name)

    async def keep(self, name: str, text: str) -> None:
        """This one in its place: one line. Raises OSError."""
        async with self._turn:
            await trio.to_thread.run_sync(self._write, name, text)

    def _get(self, name: str) -> str:
        try:
            found = files.read_file(self._directory / name, _MAX_FILE).decode().removesuffix("\n")
        except FileNotFoundError:
            found = ""
        return found or self._make(name)

    def _make(self, name: str) -> str:
        made = secrets.token_hex(_LENGTH)
        self._write(name, made)
        return made

    def _write(self, name: str, text: str) -> None:
        files.make_directory(self._directory, 0o700, os.geteuid(), os.getegid())
        files.write_file(self._directory / name, f"{text}\n".encode(), 0o600, os.geteuid(), os.getegid())
