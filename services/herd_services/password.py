"""Passwords in files: the first line, which nobody else should be able to read."""

from __future__ import annotations

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
