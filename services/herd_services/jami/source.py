"""What a declared account is made from: its archive, looked at, and the password of an encrypted one."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

from attrs import field, frozen

from herd.core.host import Host
from herd_services.jami.archive import MAX_ARCHIVE, Archive, BadArchive, inspect, is_encrypted
from herd_services.jami.configuration import AccountConfiguration
from herd_services.password import MAX_FILE, first_line


class Unusable(Exception):
    """An account that cannot be made; the text is a sentence."""


@frozen
class Source:
    """A declared account's archive. Without `archive` it is encrypted, and only jamid can say whose it is."""

    account: AccountConfiguration
    digest: str
    content: bytes = field(repr=False)
    archive: Archive | None = None
    password: str = field(default="", repr=False)
    # What is odd about it, though it can be used; sentences.
    remarks: tuple[str, ...] = ()

    async def given(self, host: Host) -> bytes:
        """The file that jamid imports; a plain one bears what is declared."""
        if self.archive is None:
            return self.content
        return await host.in_thread(partial(self.archive.bearing, self.account.details()))


async def read_source(host: Host, account: AccountConfiguration) -> Source:
    """The archive of an account, with its password where it has one. Raises Unusable."""
    try:
        content = await host.read_file(account.archive, MAX_ARCHIVE)
    except OSError as error:
        raise Unusable(
            f"cannot read the archive {account.archive}: {error.strerror}; correct its path or its owner"
        ) from error
    digest = await host.in_thread(lambda: hashlib.sha256(content).hexdigest())
    file = account.archive_password_file
    if file is not None and is_encrypted(content):
        password = await _password(host, account, file)
        return Source(account, digest, content, password=password, remarks=await _remarks(host, file))
    try:
        archive = await host.in_thread(partial(inspect, content))
    except BadArchive as error:
        raise Unusable(f"cannot import {account.archive}: {error}") from error
    remarks = () if file is None else (f"the archive {account.archive} is not encrypted; {file} is not needed",)
    return Source(account, digest, content, archive, remarks=remarks)


async def _password(host: Host, account: AccountConfiguration, file: Path) -> str:
    try:
        return first_line(await host.read_file(file, MAX_FILE))
    except OSError as error:
        reason = f"{error.strerror}; correct its path or its owner"
    except ValueError as error:
        reason = f"{error}; write the password of {account.archive} there"
    raise Unusable(f"cannot import {account.archive}: cannot read its password from {file}: {reason}")


async def _remarks(host: Host, file: Path) -> tuple[str, ...]:
    try:
        is_private = await host.is_private(file)
    except OSError:
        # It was there a moment ago; the next start says what became of it.
        return ()
    return () if is_private else (f"others than its owner can read the password in {file}; try: chmod 600 {file}",)
