"""SuperUser, who may do everything on a Mumble server: herdd keeps its password, and moderates by it.

The server would make one itself at its first start, and print it: herdd sets one before each start, so none is ever
printed, whatever becomes of the database.
"""

from __future__ import annotations

from attrs import frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.errors import HerdError, SecretWanted
from herd.core.host import Host
from herd.core.role import Role
from herd.core.words import clock
from herd_services.method import Method
from herd_services.mumble.program import Server, password_problem
from herd_services.password import MAX_FILE, first_line
from herd_services.turn import change

SECRET = "mumble-superuser"
# Of what the ledger remembers: who has seen the password, or chose it.
_KNOWN = "superuser-known"


@frozen
class SuperUser:
    """The one of a server."""

    server: Server

    async def provide(self, host: Host) -> None:
        """Have the database hold the password that herdd keeps. Raises HerdError."""
        await self.server.set_superuser_password(host, await password(host))

    async def show(self, host: Host, call: Invocation) -> Reply:
        """The password that herdd made, once."""
        if known := (await host.ledger.recall(_KNOWN)).get(_KNOWN):
            raise HerdError(
                f"cannot show the password of SuperUser: {known}; set one: herd set-superuser-password mumble-server"
            )
        found = await password(host)
        await host.ledger.remember(_KNOWN, f"{call.caller.name} was shown it at {clock(host.now())}")
        return Reply({"password": found}, f"{found}\n")

    async def choose(self, host: Host, call: Invocation) -> Reply:
        """[--password-file FILE]: another password, in force at the next login."""
        file = call.arguments.options.get("--password-file")
        if file is None:
            raise SecretWanted(
                "cannot set the password of SuperUser: name a file whose first line it is: --password-file FILE",
                "New password of SuperUser",
            )
        try:
            chosen = first_line(await call.caller.read_file(file, MAX_FILE))
            if problem := password_problem(chosen):
                raise ValueError(problem)
        except ValueError as error:
            raise HerdError(f"cannot set the password of SuperUser from {file}: {error}; choose another") from error
        before = await password(host)
        await self.server.set_superuser_password(host, chosen)
        try:
            await host.keep_secret(SECRET, chosen)
        except OSError as error:
            await self.server.set_superuser_password(host, before)
            raise HerdError(
                f"cannot keep the password of SuperUser: {error.strerror}; mend that and try again"
            ) from error
        await host.ledger.remember(_KNOWN, f"{call.caller.name} chose it at {clock(host.now())}")
        return Reply({"user": "SuperUser"}, "SuperUser logs in with the new password from now on.\n")


async def password(host: Host) -> str:
    """What herdd keeps. Raises HerdError."""
    try:
        return await host.secret(SECRET)
    except OSError as error:
        raise HerdError(f"cannot read the password of SuperUser: {error.strerror}; look after herdd's state") from error


def superuser_actions(superuser: SuperUser) -> tuple[Action, ...]:
    """Those of the service."""
    return (
        change(
            "set-superuser-password",
            "Give SuperUser another password: asked for at the terminal, or the first line of a file.",
            Method(superuser, SuperUser.choose),
            "[--password-file FILE]",
            role=Role.ADMIN,
        ),
        Action(
            "superuser-password",
            "Show, once, the password of SuperUser that herdd made at the first start.",
            Method(superuser, SuperUser.show),
            role=Role.ADMIN,
        ),
    )
