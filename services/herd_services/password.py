"""Passwords in files: the first line, which nobody else should be able to read."""

from __future__ import annotations

from pathlib import Path

from herd.core.errors import HerdError
from herd.core.host import Host

# Bytes of a file that holds one.
MAX_FILE = 4096


def first_line(content: bytes) -> str:
    """The password. Raises ValueError, the end of a sentence."""
    try:
        line = content.split(b"\n", 1)[0].decode().removesuffix("\r")
    except UnicodeDecodeError as error:
        raise ValueError("its first line is not UTF-8") from error
    if not line:
        raise ValueError("its first line is empty")
    if "\0" in line:
        raise ValueError("its first line has a NUL byte in it")
    return line


async def read_password(host: Host, file: Path, whose: str) -> str:
    """The one in a file that the configuration names. Raises HerdError."""
    try:
        return first_line(await host.read_file(file, MAX_FILE))
    except OSError as error:
        reason = f"{error.strerror}; correct its path or its owner"
    except ValueError as error:
        reason = f"{error}; write the password there"
    raise HerdError(f"cannot read the password of {whose} from {file}: {reason}")
