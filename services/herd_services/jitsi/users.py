"""The actions about accounts on Prosody: those of the services, and further ones that an administrator makes."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from attrs import frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.errors import HerdError, SecretWanted
from herd.core.host import Host
from herd.core.role import Role
from herd_services.jitsi import lua
from herd_services.jitsi.accounts import file_of, record
from herd_services.jitsi.console import Console
from herd_services.jitsi.deployment import Deployment
from herd_services.method import Method
from herd_services.password import MAX_FILE, first_line

_USER = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@frozen
class Users:
    """The accounts of the services' host; people have none, they come without a name."""

    console: Console
    deployment: Deployment
    data: Path

    async def list_users(self, host: Host, call: Invocation) -> Reply:
        """Every account."""
        place = lua.text(self.deployment.auth_domain)
        each = f"for user in require('core.usermanager').users({place}) do say(user) end"
        found = sorted(f"{user}@{self.deployment.auth_domain}" for (user,) in await self.console.told(host, each))
        return Reply({"users": found}, "".join(f"  - {one}\n" for one in found) or "There is no account.\n")

    async def register(self, host: Host, call: Invocation) -> Reply:
        """ADDRESS --password-file FILE: a new account, or another password for one that is there."""
        _, address = self._user(call.arguments[0], "register")
        file = call.arguments.options.get("--password-file")
        if file is None:
            raise SecretWanted(
                f"cannot register {address}: name a file whose first line is its password: --password-file FILE",
                f"Password of {address}",
            )
        try:
            password = first_line(await call.caller.read_file(file, MAX_FILE))
            made = await host.in_thread(lambda: record(password, secrets.token_hex(16)))
        except ValueError as error:
            raise HerdError(f"cannot read the password of {address} from {file}: {error}") from error
        await host.write_file(self.data / file_of(address), made, 0o600)
        return Reply({"user": address}, f"{address} can log in.\n")

    async def delete(self, host: Host, call: Invocation) -> Reply:
        """ADDRESS: its sessions end."""
        user, address = self._user(call.arguments[0], "delete")
        place, name = lua.text(self.deployment.auth_domain), lua.text(user)
        order = (
            f"local users = require('core.usermanager'); if not users.user_exists({name}, {place}) then say('absent')"
            f" return end; local done, problem = users.delete_user({name}, {place});"
            " if not done then say('refused', problem) end"
        )
        if found := await self.console.told(host, order):
            why = "there is no such account; see: herd list-users prosody" if found[0][0] == "absent" else found[0][1]
            raise HerdError(f"cannot delete {address}: {why}")
        return Reply({"user": address}, f"{address} is no account any more.\n")

    def _user(self, address: str, attempt: str) -> tuple[str, str]:
        """The name and the whole address of an account that is not a service's of ours."""
        user, _, place = address.lower().partition("@")
        whole = f"{user}@{self.deployment.auth_domain}"
        if not _USER.fullmatch(user) or place not in ("", self.deployment.auth_domain):
            raise HerdError(f"cannot {attempt} {address[:80]}: an account is like ann@{self.deployment.auth_domain}")
        if user in self.deployment.services:
            raise HerdError(
                f"cannot {attempt} {whole}: herdd looks after it; new passwords: herd rotate-secrets prosody"
            )
        return user, whole


def user_actions(console: Console, deployment: Deployment, data: Path) -> tuple[Action, ...]:
    """Those of the service."""
    users = Users(console, deployment, data)
    return (
        Action("list-users", "List the accounts.", Method(users, Users.list_users), role=Role.MODERATOR),
        Action(
            "register-user",
            "Make an account, or give one another password: the first line of a file.",
            Method(users, Users.register),
            "ADDRESS [--password-file FILE]",
            role=Role.ADMIN,
        ),
        Action("delete-user", "Delete an account.", Method(users, Users.delete), "ADDRESS", role=Role.ADMIN),
    )
