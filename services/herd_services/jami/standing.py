"""An account's people as jamid has them: looked at, brought to what they should be, and looked at again."""

from __future__ import annotations

from herd_services.jami.calls import Jami
from herd_services.jami.judgement import Standing


async def standing(jami: Jami, account: str) -> Standing:
    """What the account (jamid's id) has now."""
    contacts = await jami.contacts(account)
    return Standing(
        contacts=frozenset(each["id"] for each in contacts if each.get("banned") != "true"),
        banned=frozenset(each["id"] for each in contacts if each.get("banned") == "true"),
        moderators=frozenset(await jami.moderators(account)),
        anyone_moderates=await jami.anyone_moderates(account),
    )


async def bring(jami: Jami, account: str, present: Standing, wanted: Standing) -> list[str]:
    """Change what differs; what still differs after that is told, each as the end of "cannot set …"."""
    if present == wanted:
        return []
    # Those who lose something first: in between nobody has more than before and after.
    for contact in sorted(wanted.banned - present.banned):
        await jami.remove_contact(account, contact, ban=True)
    for contact in sorted((present.contacts - wanted.contacts) | (present.banned - wanted.banned)):
        if contact not in wanted.banned:
            await jami.remove_contact(account, contact, ban=False)
    if present.anyone_moderates is not wanted.anyone_moderates:
        await jami.let_anyone_moderate(account, state=wanted.anyone_moderates)
    for contact in sorted(present.moderators - wanted.moderators):
        await jami.set_moderator(account, contact, state=False)
    for contact in sorted(wanted.contacts - present.contacts):
        await jami.add_contact(account, contact)
    for contact in sorted(wanted.moderators - present.moderators):
        await jami.set_moderator(account, contact, state=True)
    return differences(await standing(jami, account), wanted)


def differences(present: Standing, wanted: Standing) -> list[str]:
    """What is not as it should be, in words."""
    found = []
    for word, here, there in (
        ("contacts", present.contacts, wanted.contacts),
        ("bans", present.banned, wanted.banned),
        ("moderators", present.moderators, wanted.moderators),
    ):
        if missing := there - here:
            found.append(f"{word} without {', '.join(sorted(missing))}")
        if extra := here - there:
            found.append(f"{word} with {', '.join(sorted(extra))}")
    if present.anyone_moderates is not wanted.anyone_moderates:
        found.append(f"anyone {'may' if present.anyone_moderates else 'may not'} moderate")
    return found
