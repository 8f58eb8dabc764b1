"""The table `[access]` of herd.toml: which users and groups have which role.

Names become numbers when the configuration is read, so that nobody who connects makes herdd ask a directory. One that
this host does not know is no mistake, for a moderator who has left must not keep services down: it has no role, and
herdd says so. Root and herdd's own user are admins, whatever is written.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
from typing import Annotated, Any

from attrs import frozen

from herd.core.role import Access, Role

Holder = Annotated[int | str, "'ann', '@group' or the number of a user"]

# What they mean where there is no table, and herdd is root.
USUAL_GROUPS = {"herd": Role.ADMIN, "herd-moderators": Role.MODERATOR}


def read_holder(value: Any) -> int | str:
    """What TOML has for a Holder. Raises ValueError."""
    if type(value) is int and 0 <= value < 2**32 - 1:
        return value
    if isinstance(value, str) and value.removeprefix("@") and not value.isdigit():
        return value
    shown = json.dumps(value, default=str)
    raise ValueError(f'{shown} is nobody; write a user ("ann"), a group ("@group") or the number of a user (1000)')


@frozen
class AccessConfiguration:
    """The keys of `[access]`."""

    admin: tuple[Holder, ...] = ()
    moderator: tuple[Holder, ...] = ()
    observer: tuple[Holder, ...] = ()


def settled(table: AccessConfiguration | None) -> Access:
    """Who has which role; None where there is no table. Blocks: names are looked up."""
    # The highest comes last, and stays.
    if table is not None:
        wanted = [
            (holder, role)
            for role, holders in zip(Role, (table.observer, table.moderator, table.admin), strict=True)
            for holder in holders
        ]
    else:
        wanted = [(f"@{name}", role) for name, role in USUAL_GROUPS.items() if os.geteuid() == 0]
    users, groups, unknown = dict[int, Role](), dict[int, Role](), list[str]()
    for holder, role in wanted:
        kind = groups if isinstance(holder, str) and holder.startswith("@") else users
        try:
            kind[_number(holder)] = role
        except KeyError:
            unknown.append(str(holder))
    users |= {0: Role.ADMIN, os.geteuid(): Role.ADMIN}
    return Access(users, groups, tuple(unknown) if table is not None else ())


def _number(holder: int | str) -> int:
    """The number of the user or group. Raises KeyError."""
    if isinstance(holder, int):
        return holder
    return grp.getgrnam(holder[1:]).gr_gid if holder.startswith("@") else pwd.getpwnam(holder).pw_uid


def warnings(access: Access) -> list[str]:
    """A sentence for each name that nobody has."""
    return [
        f"{'group ' if name.startswith('@') else 'user '}{name.removeprefix('@')}, whom [access] names, is not known "
        f"here and has no role; once it is there: herd reload root"
        for name in access.unknown
    ]
