"""Prosody's own console (prosody.im/doc/console): one statement of Lua, run inside of Prosody, and what it says.

Not XMPP, for that would need a seat in a room to look after it; nobody but Prosody's user reaches the console. A
statement is on a command line, which everybody sees: it never has a secret in it.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from herd.core.errors import HerdError
from herd.core.host import Host

_TIMEOUT = 20.0
_MAX_OUTPUT = 1024 * 1024
# Before what a statement says: the console says more.
_MARK = "herd>"


@frozen
class Console:
    """The console of the Prosody that runs with this configuration file."""

    prosodyctl: Path
    file: Path

    async def told(self, host: Host, statement: str) -> list[list[str]]:
        """What the statement says by `say(…)`: the words of each call. Raises HerdError for one that fails."""
        # Only one line is taken; what a text has of lines is escaped.
        wrapped = (
            f"> local function say(...) print({_quoted(_MARK)}, ...) end"
            f" local ok, problem = pcall(function() {statement} end)"
            " if not ok then say('failed', problem) end"
        )
        command = (str(self.prosodyctl), "--config", str(self.file), "shell", wrapped)
        output = await host.run(command, timeout=_TIMEOUT, limit=_MAX_OUTPUT)
        if output.failure is not None:
            raise HerdError(f"cannot ask prosody: {output.failure}; see: herd why prosody")
        lines = [line.split("\t")[1:] for line in output.text.splitlines() if line.startswith(f"{_MARK}\t")]
        if lines and lines[0][:1] == ["failed"]:
            raise HerdError(f"cannot ask prosody: {lines[0][1]}; see: herd log prosody")
        return lines


def _quoted(text: str) -> str:
    return f"'{text}'"
