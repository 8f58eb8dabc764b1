"""What lasts of imports: which archive an account was made from, so that the next start keeps it.

Source of the rule: an account counts as imported once this is on disk; one that is found without it is imported anew.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from attrs import asdict, frozen

from herd.core.host import Host
from herd_services.jami.configuration import AccountConfiguration
from herd_services.jami.upholding import ARCHIVE

_IMPORT = "import:"


@frozen
class Origin:
    """Of one account: jamid's id, the SHA-256 of its archive, and details.

    `archive` is what the archive says of those that can be declared; `declared` are those that were.
    """

    fingerprint: str
    id: str
    digest: str
    archive: Mapping[str, str]
    declared: Collection[str]

    def details(self, declared: Mapping[str, str]) -> dict[str, str]:
        """What the account shall have: what is declared, and the archive's word where that is no longer declared."""
        return {key: self.archive[key] for key in self.declared if key in self.archive} | dict(declared)


async def origins(host: Host) -> dict[str, Origin]:
    """Those of all accounts, by fingerprint."""
    known = await host.ledger.recall(_IMPORT)
    return {
        fingerprint: Origin(fingerprint, **json.loads(text))
        for name, text in known.items()
        if (fingerprint := name.removeprefix(_IMPORT))
    }


async def ids(host: Host) -> set[str]:
    """jamid's ids of all that were imported."""
    return {origin.id for origin in (await origins(host)).values()}


async def remember(host: Host, origin: Origin) -> None:
    """Keep one for good."""
    facts = asdict(origin)
    del facts["fingerprint"]
    await host.ledger.remember(f"{_IMPORT}{origin.fingerprint}", json.dumps(facts, default=sorted))


async def forget(host: Host, fingerprint: str) -> None:
    """The account was not imported, or is no longer there."""
    await host.ledger.forget(f"{_IMPORT}{fingerprint}")


async def forget_all(host: Host) -> None:
    """None is there any longer."""
    for fingerprint in await origins(host):
        await forget(host, fingerprint)


async def owners(host: Host, accounts: Sequence[AccountConfiguration]) -> dict[Path, str]:
    """Whose the declared archives are, as far as that was seen."""
    known = await host.ledger.recall(ARCHIVE)
    return {
        account.archive: owner
        for account in accounts
        if (owner := known.get(f"{ARCHIVE}{account.archive}")) is not None
    }


async def own(host: Host, archive: Path, fingerprint: str) -> None:
    """Keep in mind whose the archive is."""
    await host.ledger.remember(f"{ARCHIVE}{archive}", fingerprint)
