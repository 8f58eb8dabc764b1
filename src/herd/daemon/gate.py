"""The gate that a program waits at: executed first, in its place and as its user, until herdd has made it ready.

A line on standard input opens it: the words to set before the command. The end of file closes it for ever. A shell is
fastest, but knows only variables whose names it could have given itself, and loses the others (Java's are like
server.port); those pass by Python, which takes ten times as long.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHELL = """
read -r wrapper || exit 1
[ -z "$LISTEN_FDS" ] || export LISTEN_PID=$$
exec $wrapper "$@" </dev/null
"""
# It would give that away as its own.
_WITHOUT_PWD = "unset PWD\n"
_PYTHON = """
import os, signal, sys
wrapper = os.read(0, 65536)
if not wrapper:
    sys.exit(1)
if os.environ.get("LISTEN_FDS"):
    os.environ["LISTEN_PID"] = str(os.getpid())
os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 0)
# Python ignores them, and so would the program.
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
words = [*wrapper.decode().split(), *sys.argv[1:]]
try:
    os.execvp(words[0], words)
except OSError as error:
    sys.exit(f"{words[0]}: {error.strerror}")
"""


def gate(command: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """The words that wait and then execute the command, with that environment and LISTEN_PID in it."""
    if all(map(_IDENTIFIER.fullmatch, environment)):
        script = _SHELL if "PWD" in environment else _WITHOUT_PWD + _SHELL
        return ("/bin/sh", "-c", script, "sh", *command)
    return (sys.executable, "-ISc", _PYTHON, *command)
