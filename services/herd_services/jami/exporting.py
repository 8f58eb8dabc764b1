"""An account's archive, written to a file of the caller's.

jamid writes it where only its user can look, and it goes from there at once: whatever happens, that copy is removed.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from attrs import frozen

from herd.core.action import Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host
from herd_services.jami import calls
from herd_services.jami.accounts import Account, find
from herd_services.jami.archive import MAX_ARCHIVE, BadArchive, inspect, is_encrypted
from herd_services.jami.calls import Jami
from herd_services.password import MAX_FILE, first_line

# Of what the ledger remembers: before a fingerprint, that its keys are in a file somewhere.
_EXPORTED = "exported:"


@frozen
class Exporter:
    """Writes archives by way of a directory of jamid's user."""

    directory: Path

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        """ACCOUNT FILE [--password-file FILE]."""
        account, file = await find(host, call.arguments[0]), call.arguments[1]
        password = await _password(call, account)
        content = await host.unbroken(partial(self._exported, host, account, password))
        await call.caller.write_new_files({file: content})
        await host.ledger.remember(f"{_EXPORTED}{account.fingerprint}", str(host.now()))
        result = {"account": account.fingerprint, "file": file, "encrypted": bool(password)}
        return Reply(result, f"Account {account.name} was exported to {file}.\n")

    async def _exported(self, host: Host, account: Account, password: str) -> bytes:
        copy = self.directory / f"{account.fingerprint}.export"
        await host.remove_file(copy)
        try:
            if not await Jami(host.bus).export(account.id, str(copy), password):
                reason = "the password is not the account's" if password else "jamid does not write it"
                raise HerdError(f"cannot export account {account.name}: {reason}; try again, or see: herd log jami")
            content = await host.read_guarded(copy, MAX_ARCHIVE)
            if not (password and is_encrypted(content)):
                await host.in_thread(partial(inspect, content))
            return content
        except OSError as error:
            raise HerdError(f"cannot export account {account.name}: {copy}: {error.strerror}; try again") from error
        except BadArchive as error:
            raise HerdError(f"cannot export account {account.name}: of what jamid wrote, {error}") from error
        finally:
            await host.remove_file(copy)


async def _password(call: Invocation, account: Account) -> str:
    file = call.arguments.options.get("--password-file")
    has_password = account.details.get(calls.HAS_PASSWORD) == "true"
    if file is None:
        if has_password:
            raise HerdError(
                f"cannot export account {account.name}: it has a password; name a file that holds it: --password-file"
            )
        return ""
    if not has_password:
        raise HerdError(
            f"cannot export account {account.name} with a password: it has none, and jamid asks for the account's own; "
            "leave --password-file out"
        )
    try:
        return first_line(await call.caller.read_file(file, MAX_FILE))
    except ValueError as error:
        raise HerdError(f"cannot read the password from {file}: {error}; write it there") from error


async def is_exported(host: Host, fingerprint: str) -> bool:
    """Whether it ever was."""
    return f"{_EXPORTED}{fingerprint}" in await host.ledger.recall(_EXPORTED)
