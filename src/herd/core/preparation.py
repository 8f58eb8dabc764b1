"""What is made ready in the file system before a program starts."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen


@frozen
class MakeDirectory:
    """A directory of the service's user, made with its parents before the start."""

    path: Path
    mode: int = 0o700


@frozen
class WriteFile:
    """A generated file of the service's user, written anew at every start."""

    path: Path
    content: bytes
    mode: int = 0o600


@frozen
class Clear:
    """Trees below `directory`, which belongs to the service's user, removed before the start."""

    directory: Path
    names: tuple[str, ...]


Preparation = MakeDirectory | WriteFile | Clear
