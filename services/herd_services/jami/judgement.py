"""What an account should have, from what it has, what is declared of it, and what the ledger says: pure sets.

Rules:
- the ledger prevails over the declaration, the declaration over what is there (the archive's word);
- of a declared list that was changed since, the ledger takes no name back: who edits the list has the last word;
- whoever is banned is neither contact nor moderator; a ban of an archive goes where its contact is declared;
- while anyone moderates, a moderator means nothing: that ends with the first word about moderators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import Factory, frozen

from herd.core.ledger import Entry, Kind, Verdict, verdict


@frozen
class Standing:
    """An account's people, by fingerprint."""

    contacts: frozenset[str] = frozenset()
    banned: frozenset[str] = frozenset()
    moderators: frozenset[str] = frozenset()
    anyone_moderates: bool = False


@frozen
class Declared:
    """The lists of the configuration, None where it is silent; and for each the entry after which it was changed."""

    contacts: frozenset[str] | None = None
    moderators: frozenset[str] | None = None
    changed_after: Mapping[Kind, int] = Factory(dict)

    def listed(self, kind: Kind) -> frozenset[str] | None:
        """The list that is about that."""
        return {Kind.CONTACT: self.contacts, Kind.MODERATOR: self.moderators}.get(kind)

    def outranks(self, entry: Entry) -> bool:
        """Whether the list was changed after the entry took somebody from it."""
        change = entry.change
        listed = self.listed(change.kind) or frozenset()
        is_older = entry.number <= self.changed_after.get(change.kind, 0)
        return is_older and not change.holds and change.subject in listed


@frozen
class Judgement:
    """What is decided of one account, to be laid over what it has."""

    declared: Declared
    bans: Verdict
    moderators: Verdict
    contacts: Verdict

    def over(self, present: Standing) -> Standing:
        """What the account should have."""
        allowed, named = self.declared.contacts, self.declared.moderators
        banned = (present.banned - (allowed or frozenset()) - self.bans.ended) | self.bans.holds
        contacts = present.contacts if allowed is None else allowed
        moderators = present.moderators if named is None else named
        return Standing(
            contacts=((contacts | self.contacts.holds) - self.contacts.ended) - banned,
            banned=banned,
            moderators=((moderators | self.moderators.holds) - self.moderators.ended) - banned,
            anyone_moderates=present.anyone_moderates and not self.names_moderators,
        )

    @property
    def names_moderators(self) -> bool:
        """Whether anything was ever said about moderators."""
        return self.declared.moderators is not None or bool(self.moderators.holds or self.moderators.ended)

    @property
    def taken_back(self) -> Standing:
        """Declared people who are none now: whom somebody removed, and whom somebody banned."""
        listed_contacts, listed_moderators = (self.declared.listed(kind) or frozenset() for kind in _LISTED)
        return Standing(
            contacts=listed_contacts & (self.contacts.ended | self.bans.holds),
            moderators=listed_moderators & (self.moderators.ended | self.bans.holds),
        )


_LISTED = (Kind.CONTACT, Kind.MODERATOR)


def judge(entries: Iterable[Entry], account: str, declared: Declared, now: float) -> Judgement:
    """What counts of an account at this moment."""
    counting = [each for each in entries if each.change.place == account and not declared.outranks(each)]
    bans, moderators, contacts = (
        verdict(counting, account, kind, now) for kind in (Kind.BAN, Kind.MODERATOR, Kind.CONTACT)
    )
    return Judgement(declared, bans, moderators, contacts)
