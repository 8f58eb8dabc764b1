"""Who may ask for what: three roles, each with all that the ones before it may do.

Observers see how services are, and nothing that concerns people; moderators do what concerns people; admins do
everything else. Which role an action needs is declared beside it (core/action.py); who has which, `[access]` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum

from attrs import Factory, frozen


class Role(IntEnum):
    """The higher one may do what the lower may."""

    OBSERVER = 1
    MODERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """As it is written and read."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Role:
        """The role of that word. Raises ValueError."""
        for role in cls:
            if role.word == word:
                return role
        raise ValueError(f"{word!r} is no role; the roles are {', '.join(WORDS)}")


WORDS = tuple(role.word for role in Role)


@frozen
class Access:
    """Who has which role, by the numbers of users and groups; `unknown` names those that this host does not know."""

    users: Mapping[int, Role] = Factory(dict)
    groups: Mapping[int, Role] = Factory(dict)
    unknown: tuple[str, ...] = ()

    def role(self, uid: int, groups: Iterable[int]) -> Role | None:
        """The highest that the user, or one of the groups, has; None for nobody's."""
        found = [self.users.get(uid), *(self.groups.get(each) for each in groups)]
        return max((role for role in found if role is not None), default=None)
