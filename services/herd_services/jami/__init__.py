"""Jami: jamid under a bus of its own, with accounts made from their archives."""

from herd_services.jami.service import SECTION

__all__ = ["SECTION"]
