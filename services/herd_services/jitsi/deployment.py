"""The names that all services of one Jitsi Meet have to agree on, each derived in one place.

Which part meets which, and under what name: handbook of Jitsi Meet, "Self-Hosting Guide"; XMPP names: RFC 7622.
"""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, frozen

FOCUS, BRIDGE = "focus", "jvb"
# Who records, as what it joins a conference, and who brings telephones into one.
JIBRI, RECORDER, JIGASI = "jibri", "recorder", "jigasi"


@frozen
class Deployment:
    """The names of one Jitsi Meet."""

    domain: str
    brewery: str
    # Those of JIBRI and JIGASI that are there.
    further: tuple[str, ...] = ()

    @property
    def auth_domain(self) -> str:
        """The host of the services' own accounts."""
        return f"auth.{self.domain}"

    @property
    def internal_muc(self) -> str:
        """Where the services meet."""
        return f"internal.auth.{self.domain}"

    @property
    def conference_muc(self) -> str:
        """Where people meet."""
        return f"conference.{self.domain}"

    @property
    def focus_component(self) -> str:
        """By what name browsers ask for Jicofo."""
        return f"focus.{self.domain}"

    @property
    def recorder_domain(self) -> str:
        """The host of the recorder's account, by which browsers know whom not to show."""
        return f"recorder.{self.domain}"

    @property
    def room(self) -> str:
        """The address of the room where Jicofo finds the bridges."""
        return f"{self.brewery}@{self.internal_muc}"

    def room_of(self, service: str) -> Deployment:
        """The same, with the room where Jicofo finds that service."""
        return evolve(self, brewery=f"{service}brewery")

    @property
    def services(self) -> tuple[str, ...]:
        """Whose accounts are on the host of the services, and who meets there."""
        return (FOCUS, BRIDGE, *self.further)

    @property
    def accounts(self) -> tuple[str, ...]:
        """All that herdd looks after."""
        return (*self.services, *((RECORDER,) if JIBRI in self.further else ()))

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every name that Prosody's certificate has to be for."""
        further = (self.recorder_domain,) if JIBRI in self.further else ()
        return (self.domain, self.auth_domain, self.internal_muc, self.conference_muc, self.focus_component, *further)

    def account(self, name: str) -> str:
        """The address of a service's account."""
        return f"{name}@{self.recorder_domain if name == RECORDER else self.auth_domain}"


@frozen
class Rendezvous:
    """Where Jicofo or a bridge finds Prosody, and how it is to be known there."""

    deployment: Deployment
    address: str
    port: int
    # PKCS #12, what Java trusts.
    trust_store: Path
