"""Jitsi Meet: Prosody, Jicofo and the bridges, from one domain name."""

from herd_services.jitsi.service import SECTION

__all__ = ["SECTION"]
