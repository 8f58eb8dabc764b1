"""Jitsi Meet: Prosody, Jicofo and the bridges, from one domain name; a relay, a recorder and telephones where asked for."""

from herd_services.jitsi.service import SECTION

__all__ = ["SECTION"]
