"""The names that all services of one Jitsi Meet have to agree on, each derived in one place.

Which part meets which, and under what name: handbook of Jitsi Meet, "Self-Hosting Guide"; XMPP names: RFC 7622.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

FOCUS, BRIDGE = "focus", "jvb"


@frozen
class Deployment:
    """The names of one Jitsi Meet."""

    domain: str
    brewery: str

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
    def room(self) -> str:
        """The address of the room where Jicofo finds the bridges."""
        return f"{self.brewery}@{self.internal_muc}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every name that Prosody's certificate has to be for."""
        return (self.domain, self.auth_domain, self.internal_muc, self.conference_muc, self.focus_component)

    def account(self, name: str) -> str:
        """The address of a service's account."""
        return f"{name}@{self.auth_domain}"


@frozen
class Rendezvous:
    """Where Jicofo or a bridge finds Prosody, and how it is to be known there."""

    deployment: Deployment
    address: str
    port: int
    # PKCS #12, what Java trusts.
    trust_store: Path
