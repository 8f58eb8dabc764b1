"""Jitsi Meet: Prosody, Jicofo and the bridges, from one domain name; a relay, a recorder, telephones if asked for."""

from herd_services.jitsi.service import SECTION

__all__ = ["SECTION"]
