"""A password, typed at the terminal, for an action that reads it from a file: nobody sees it, and no file keeps it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getpass

from herd.core.errors import HerdError

# Bytes; as many go into a pipe that nobody reads yet.
_MOST = 4000


@contextmanager
def typed(prompt: str) -> Iterator[str]:
    """The name of a file that holds it, as long as the context lasts. Raises HerdError."""
    first = getpass(f"{prompt}: ")
    if getpass("Once more: ") != first:
        raise HerdError("cannot take the password: the second was not the first; try again")
    content = f"{first}\n".encode()
    if len(content) > _MOST:
        raise HerdError(f"cannot take the password: it has more than {_MOST} bytes; choose a shorter one")
    reading, writing = os.pipe()
    try:
        os.write(writing, content)
        os.close(writing)
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)
