"""The nested tables that jicofo.conf and jvb.conf are made of.

They are HOCON, of which JSON is a part (HOCON.md of lightbend/config, "Goals"), so JSON is what we write: it needs no
second set of rules for quoting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Both; where both have a table, both of these; `extra` prevails. Lists are values: they are replaced."""
    found = dict(base)
    for key, value in extra.items():
        ours = found.get(key)
        both = isinstance(ours, Mapping) and isinstance(value, Mapping)
        found[key] = merged(ours, value) if both else value  # type: ignore[arg-type]
    return found


def hocon(content: Mapping[str, Any]) -> bytes:
    """A configuration file, the same for the same content. Raises ValueError for what is no text, number, list …"""
    try:
        return json.dumps(content, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n"
    except TypeError as error:
        raise ValueError(f"{error}; write a text, a number, true, false, a list or a table") from error
