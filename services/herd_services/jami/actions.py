"""Jami's actions: the nine of the Guix manual in its order ("Telephony Services", Jami Service), then the others.

Every argument is checked before anything is changed, and every change is read back before it is reported.
"""

from __future__ import annotations

from herd.core.action import Action
from herd.core.completion import Listing
from herd.core.role import Role
from herd_services.jami.banning import ban_contact, import_bans, unban_contact
from herd_services.jami.bans import export_bans, list_banned_contacts
from herd_services.jami.conference_actions import ACTIONS as _OF_CONFERENCES
from herd_services.jami.enabling import disable_account, enable_account
from herd_services.jami.history import history
from herd_services.jami.listings import list_account_details, list_accounts, list_contacts, list_moderators
from herd_services.jami.moderation import add_contact, add_moderator, remove_contact, remove_moderator
from herd_services.turn import change

# What can stand for an argument.
LISTINGS = {
    "ACCOUNT": Listing("list-accounts", "accounts.fingerprint", "displayName"),
    "CONTACT": Listing("list-contacts", "accounts.contacts"),
    "FINGERPRINT": Listing("list-contacts", "accounts.contacts"),
    "unban-contact CONTACT": Listing("list-banned-contacts", "accounts.banned"),
    "remove-moderator CONTACT": Listing("list-moderators", "accounts.moderators"),
    **{
        f"{action} CONTACT": Listing("list-conferences", "accounts.conferences.participants.fingerprint", "displayName")
        for action in ("mute-participant", "unmute-participant", "hang-up")
    },
}
ACTIONS = (
    Action(
        "list-accounts",
        "List the accounts: fingerprint, name, and whether disabled.",
        list_accounts,
        role=Role.OBSERVER,
    ),
    Action(
        "list-account-details",
        "Print all details of the accounts, as records for recsel.",
        list_account_details,
        role=Role.ADMIN,
    ),
    Action(
        "list-banned-contacts",
        "List the banned contacts of each account; with --records or --json also who banned them, when, why and until "
        "when.",
        list_banned_contacts,
        "[--records]",
        role=Role.MODERATOR,
    ),
    Action("list-contacts", "List the contacts of each account.", list_contacts, role=Role.MODERATOR),
    Action(
        "list-moderators", "List who moderates the conferences of each account.", list_moderators, role=Role.MODERATOR
    ),
    change(
        "add-moderator",
        "Let a contact, a fingerprint or registered name, moderate an account's conferences; not everybody does then.",
        add_moderator,
        "CONTACT ACCOUNT [--reason TEXT] [--for DURATION]",
        role=Role.MODERATOR,
    ),
    change(
        "ban-contact",
        "Ban a contact, a fingerprint or registered name, from one account or from all; it loses moderation too.",
        ban_contact,
        "CONTACT [ACCOUNT] [--reason TEXT] [--for DURATION]",
        role=Role.MODERATOR,
    ),
    change(
        "enable-account",
        "Make an account, a fingerprint or registered name, reachable again.",
        enable_account,
        "ACCOUNT",
        role=Role.ADMIN,
    ),
    change(
        "disable-account",
        "Make an account, a fingerprint or registered name, unreachable from the network.",
        disable_account,
        "ACCOUNT",
        role=Role.ADMIN,
    ),
    change(
        "unban-contact",
        "Lift the ban of a contact, on one account or on all.",
        unban_contact,
        "CONTACT [ACCOUNT] [--reason TEXT]",
        role=Role.MODERATOR,
    ),
    change(
        "remove-moderator",
        "Let a contact moderate an account's conferences no more; the last moderator only with --force.",
        remove_moderator,
        "CONTACT ACCOUNT [--reason TEXT] [--force]",
        role=Role.MODERATOR,
    ),
    change(
        "add-contact",
        "Let a contact reach an account.",
        add_contact,
        "CONTACT ACCOUNT [--reason TEXT]",
        role=Role.MODERATOR,
    ),
    change(
        "remove-contact",
        "Forget a contact of an account, without a ban.",
        remove_contact,
        "CONTACT ACCOUNT [--reason TEXT]",
        role=Role.MODERATOR,
    ),
    Action(
        "history",
        "Tell who banned, unbanned, added and removed whom, when and why: of all, of a contact or of an account.",
        history,
        "[FINGERPRINT|ACCOUNT]",
        role=Role.MODERATOR,
    ),
    Action(
        "export-bans",
        "Print the bans of all accounts, as records that import-bans reads.",
        export_bans,
        role=Role.MODERATOR,
    ),
    change(
        "import-bans",
        "Ban whom a file of records names, all or nobody; with --dry-run only say who that would be.",
        import_bans,
        "FILE [--dry-run]",
        role=Role.MODERATOR,
    ),
    *_OF_CONFERENCES,
)
