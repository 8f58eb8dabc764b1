"""The actions that make, export, compare and remove accounts."""

from __future__ import annotations

from pathlib import Path

from herd.core.action import Action
from herd.core.role import Role
from herd_services.jami.comparing import Comparer
from herd_services.jami.configuration import AccountConfiguration
from herd_services.jami.creating import create_account
from herd_services.jami.exporting import Exporter
from herd_services.jami.removing import Remover
from herd_services.turn import change


def account_actions(declared: tuple[AccountConfiguration, ...] | None, directory: Path) -> tuple[Action, ...]:
    """Those of a configuration; `directory` belongs to jamid's user."""
    return (
        change(
            "create-account",
            "Make a new account; prints its fingerprint.",
            create_account,
            "[--display-name NAME]",
            role=Role.ADMIN,
        ),
        change(
            "export-account",
            "Write an account's archive, keys and all, to a new file that you alone can read; one with a password "
            "needs it, as the first line of another file.",
            Exporter(directory),
            "ACCOUNT FILE [--password-file FILE]",
            role=Role.ADMIN,
        ),
        change(
            "remove-account",
            "Remove an account that is not declared; with --force even if nobody else has its keys.",
            Remover(declared or ()),
            "ACCOUNT [--force]",
            role=Role.ADMIN,
        ),
        Action(
            "account-diff",
            "Tell what of the accounts is not as herd.toml and their archives say.",
            Comparer(declared),
            "[ACCOUNT]",
            role=Role.MODERATOR,
        ),
    )
