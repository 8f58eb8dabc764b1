"""How Mumble's server is called: its words changed with 1.6, and an installed program tells which they are.

Source: murmurd(1) of 1.3 to 1.5; `mumble-server --help` of 1.6.
"""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

from herd.core.errors import HerdError
from herd.core.host import Host, Output

_VERSION = re.compile(r"\b(\d+)\.(\d+)\.\d+")
_PATIENCE = 20.0
_LIMIT = 64 * 1024
_MAX_PASSWORD = 128


@frozen
class Server:
    """The installed program and the file that it reads."""

    program: Path
    file: Path

    async def arguments(self, host: Host) -> tuple[str, ...]:
        """In the foreground, with that file. Raises HerdError."""
        if await self._is_new(host):
            return ("--foreground", "--ini", str(self.file))
        return ("-fg", "-ini", str(self.file))

    async def set_superuser_password(self, host: Host, password: str) -> None:
        """Have the database hold it, whether the server runs or not. Raises HerdError."""
        words = ("--ini", str(self.file), "--read-su-pw")
        if not await self._is_new(host):
            words = ("-ini", str(self.file), "-readsupw")
        done = await self._run(host, words, f"{password}\n".encode())
        if done.failure is not None:
            said = done.messages[-1] if done.messages else done.failure
            raise HerdError(f"cannot set the password of SuperUser: {said}; see: herd doc mumble-server")

    async def version(self, host: Host) -> tuple[int, int]:
        """Its version's first two numbers. Raises HerdError."""
        done = await self._run(host, ("--version",))
        for line in (*done.messages, *done.text.splitlines()):
            if found := _VERSION.search(line):
                return int(found[1]), int(found[2])
        said = done.failure or "it says nothing of it"
        raise HerdError(f"cannot find the version of {self.program}: {said}; is it Mumble's server?")

    async def _is_new(self, host: Host) -> bool:
        return await self.version(host) >= (1, 6)

    async def _run(self, host: Host, words: tuple[str, ...], content: bytes | None = None) -> Output:
        return await host.run((str(self.program), *words), timeout=_PATIENCE, limit=_LIMIT, content=content)


def password_problem(password: str) -> str | None:
    """Why SuperUser cannot have it, as the end of a sentence."""
    if len(password) > _MAX_PASSWORD:
        return f"it has more than {_MAX_PASSWORD} characters"
    # What else the program reads on its standard input is not what clients send (tried with 1.3.4).
    return None if password.isascii() and password.isprintable() else "it has characters that are not of ASCII"
