"""Mumble: voice chat, and moderation that lasts."""

from herd_services.mumble.service import SECTION

__all__ = ["SECTION"]
