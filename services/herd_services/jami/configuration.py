"""The keys of `[jami]` and `[[jami.account]]`, under the Guix manual's names ("Telephony Services").

An absent key of an account means that the archive's value prevails.
"""

from __future__ import annotations

from pathlib import Path

from attrs import Attribute, field, frozen, validators

from herd_services.jami.fingerprint import is_fingerprint

# jamid's names of the details that can be declared.
DECLARABLE = ("Account.rendezVous", "Account.peerDiscovery", "DHT.PublicInCalls", "Account.hostname", "RingNS.uri")


def _fingerprints(
    instance: object, attribute: Attribute[tuple[str, ...] | None], value: tuple[str, ...] | None
) -> None:
    for one in value or ():
        if not is_fingerprint(one):
            raise ValueError(f"{one!r} is no fingerprint; one is 40 hexadecimal digits")


def _lower(value: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(one.lower() for one in value)


@frozen
class AccountConfiguration:
    """One account, made from its archive."""

    archive: Path
    # Its first line is the archive's password.
    archive_password_file: Path | None = None
    allowed_contacts: tuple[str, ...] | None = field(default=None, converter=_lower, validator=_fingerprints)
    moderators: tuple[str, ...] | None = field(default=None, converter=_lower, validator=_fingerprints)
    rendezvous_point: bool | None = None
    peer_discovery: bool | None = None
    bootstrap_hostnames: tuple[str, ...] | None = None
    name_server_uri: str | None = None

    def details(self) -> dict[str, str]:
        """What is declared, as jamid's account details; all their values are text."""
        flags = {
            "Account.rendezVous": self.rendezvous_point,
            "Account.peerDiscovery": self.peer_discovery,
            "DHT.PublicInCalls": None if self.allowed_contacts is None else False,
        }
        texts = {
            "Account.hostname": None if self.bootstrap_hostnames is None else ";".join(self.bootstrap_hostnames),
            "RingNS.uri": self.name_server_uri,
        }
        spelt = {key: str(value).lower() for key, value in flags.items() if value is not None}
        return spelt | {key: value for key, value in texts.items() if value is not None}


@frozen
class JamiConfiguration:
    """The service. Seconds throughout."""

    jamid: Path = Path("/usr/libexec/jamid")
    dbus: Path = Path("/usr/bin/dbus-daemon")
    nss_certs: Path | None = None
    # Whom both programs run as under root; otherwise everything runs as who runs herdd.
    user: str = "jami"
    group: str | None = None
    enable_logging: bool = True
    debug: bool = False
    auto_answer: bool = False
    auto_start: bool = True
    health_interval: float = field(default=30.0, validator=validators.gt(0))
    health_timeout: float = field(default=10.0, validator=validators.gt(0))
    # With accounts declared: Jami's state is made anew from the archives at every start.
    fresh: bool = False
    # Absent: whatever accounts there are stay as they are.
    account: tuple[AccountConfiguration, ...] | None = None
