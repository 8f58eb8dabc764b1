"""Users by their names."""

from __future__ import annotations

import pwd


def user_name(uid: int) -> str:
    """The name of a user; of one without a name the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
