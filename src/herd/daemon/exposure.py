"""Secrets in a configuration that everybody can read: a warning, for services run with it all the same."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Of keys and of variables; not those that name a file.
_SECRET = re.compile(r"(?:.*[-_])?(?:password|passphrase|secret|token)", re.IGNORECASE)


def warnings(path: Path, mode: int, tables: dict[str, Any]) -> tuple[str, ...]:
    """A sentence for a file of that mode which holds secrets and is open to all; they are not in it. Blocks."""
    found = list(_secrets("", tables)) if mode & stat.S_IROTH and _is_reached(path) else []
    if not found:
        return ()
    return (f"Everybody on this host can read {path}, and so {', '.join(found)}; keep it from them: chmod 640 {path}",)


def _is_reached(path: Path) -> bool:
    """Whether everybody may pass through all directories above it, wherever links lead."""
    try:
        return all(each.stat().st_mode & stat.S_IXOTH for each in Path(os.path.realpath(path)).parents)
    except OSError:
        return False


def _secrets(place: str, table: dict[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        below = f"{place}.{key}" if place else key
        if isinstance(value, str) and value and _SECRET.fullmatch(key):
            yield f"[{place}] {key}"
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield from _secrets(below, each)
