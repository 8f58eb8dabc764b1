"""One declared account on its way to what is declared: imported if need be, counted, its details set and read back."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, frozen

from herd.core.errors import HerdError
from herd.core.host import Host
from herd_services.jami import calls, origins
from herd_services.jami.accounts import Account, account_of
from herd_services.jami.calls import Jami
from herd_services.jami.configuration import DECLARABLE, AccountConfiguration
from herd_services.jami.making import Refused, make
from herd_services.jami.origins import Origin
from herd_services.jami.source import Source


@frozen
class Declared:
    """A declared account: what it is made from, and what of it is there already.

    `live` is the account that stays as it is, `last` the one that an earlier archive of the same name was imported as.
    """

    account: AccountConfiguration
    source: Source | None
    live: Account | None
    last: Account | None

    @property
    def has_to_be_imported(self) -> bool:
        """Whether its archive is another than its account was imported from."""
        return self.source is not None and self.live is None

    @property
    def fingerprint(self) -> str | None:
        """Whose it is, where that is known before an import."""
        if self.live is not None:
            return self.live.fingerprint
        return self.source.archive.fingerprint if self.source and self.source.archive else None


def stays(last: Account | None) -> str:
    """Said of an archive that cannot be used: the end of its sentence."""
    return "" if last is None else f" (account {last.fingerprint}, imported from it before, stays)"


async def load(host: Host, declared: Declared, copy: Path, seconds: float) -> Account | None:
    """The account once jamid has imported it; None, and a warning, where that fails.

    `copy` is where jamid's user, and nobody else, reads the archive meanwhile.
    """
    source = declared.source
    assert source is not None
    request = {"Account.archivePath": str(copy)}
    if source.password:
        request["Account.archivePassword"] = source.password
    try:
        await host.write_file(copy, await source.given(host), 0o600)
        return await account_of(Jami(host.bus), await make(host, request, seconds))
    except Refused as error:
        file = source.account.archive_password_file
        remedy = "" if source.archive is not None else f"correct the password in {file}, or "
        host.warn(
            f"cannot import {source.account.archive}: {error}; {remedy}export the account again{stays(declared.last)}"
        )
    except OSError as error:
        raise HerdError(f"cannot write {copy}: {error.strerror}") from error
    finally:
        await host.remove_file(copy)
    return None


async def let_count(host: Host, source: Source, new: Account, replaced: Account | None) -> None:
    """Let an imported account last, in the place of another with its fingerprint; disabled where that one was."""
    jami = Jami(host.bus)
    was_disabled = replaced is not None and not replaced.is_enabled
    if was_disabled or (source.archive is not None and not source.archive.is_enabled):
        # First: whoever is killed after it counts finds it no more reachable than before.
        await jami.set_details(new.id, {**new.details, calls.ENABLE: "false"})
    details = new.details if source.archive is None else source.archive.details
    kept = {key: details[key] for key in DECLARABLE if key in details}
    await origins.remember(host, Origin(new.fingerprint, new.id, source.digest, kept, tuple(source.account.details())))
    if replaced is not None:
        await jami.remove_account(replaced.id)


async def settle(host: Host, account: AccountConfiguration, live: Account, origin: Origin | None) -> None:
    """Have the details of a loaded account as they are declared; what jamid does not take is a warning."""
    jami, declared = Jami(host.bus), account.details()
    wanted = origin.details(declared) if origin else declared
    if origin and not set(declared) <= set(origin.declared):
        # First: whoever is killed in between knows what to take back.
        await origins.remember(host, evolve(origin, declared=sorted({*declared, *origin.declared})))
    present = await jami.details(live.id)
    if present | wanted != present:
        await jami.set_details(live.id, present | wanted)
        present = await jami.details(live.id)
    failed = [key for key, value in wanted.items() if present.get(key) != value]
    for key in failed:
        host.warn(f"cannot set {key} of account {live.fingerprint}: jamid did not take it")
    if origin and not failed and set(declared) != set(origin.declared):
        await origins.remember(host, evolve(origin, declared=sorted(declared)))
