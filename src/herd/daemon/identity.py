"""Whom a program runs as: names looked up before it is executed."""

from __future__ import annotations

import grp
import os
import pwd
from contextlib import suppress

from attrs import frozen

from herd.core.service import Program


class NoIdentity(Exception):
    """There is no such user or group, or herdd may not become it; the text is the end of a sentence."""


@frozen
class Identity:
    """Whom a program runs as, looked up."""

    user: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def identity(program: Program) -> Identity:
    """The program's user and groups. Raises NoIdentity. Blocks: it may ask a network."""
    entry = _user(program.user)
    group = _group(program.group) if program.group else entry.pw_gid
    extra = tuple(_group(name) for name in program.supplementary_groups)
    return Identity(entry.pw_name, entry.pw_uid, group, extra, entry.pw_dir)


def _user(name: str | None) -> pwd.struct_passwd:
    if name is None:
        uid = os.geteuid()
        with suppress(KeyError):
            return pwd.getpwuid(uid)
        return pwd.struct_passwd((str(uid), "", uid, os.getegid(), "", "/", ""))
    try:
        return pwd.getpwnam(name)
    except KeyError:
        create = f"useradd --system --user-group --shell /usr/sbin/nologin {name}"
        raise NoIdentity(f"there is no user {name}; create it with: {create}") from None


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise NoIdentity(f"there is no group {name}; create it with: groupadd --system {name}") from None
