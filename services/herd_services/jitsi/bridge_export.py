"""What another host needs to run a bridge of this deployment: its herd.toml, the bridges' password, the certificate."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from attrs import frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.role import Role
from herd_services.jitsi.configuration import ProsodyConfiguration
from herd_services.jitsi.deployment import BRIDGE
from herd_services.jitsi.meeting import Prosody

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Where they lie there.
_PLACE = PurePosixPath("/etc/herd")
_PASSWORD, _CERTIFICATE = "jvb-password", "prosody.crt"


@frozen
class BridgeExport:
    """Writes three files of the caller's."""

    prosody: Prosody
    read: ProsodyConfiguration

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        """DIRECTORY [--address ADDRESS]: by which that host reaches Prosody."""
        directory = PurePosixPath(call.arguments[0])
        address = call.arguments.options.get("--address") or self._address()
        password = await self.prosody.password(host, BRIDGE)
        contents = {
            "herd.toml": self._configuration(address).encode(),
            _PASSWORD: f"{password}\n".encode(),
            _CERTIFICATE: await self.prosody.trusted(host),
        }
        files = {str(directory / name): content for name, content in contents.items()}
        await call.caller.write_new_files(files)
        text = f"Written: {', '.join(files)}. Put them into {_PLACE} of the other host, and start herdd there.\n"
        return Reply({"files": list(files), "address": address}, text)

    def _address(self) -> str:
        """Where Prosody listens for others; any of this host's, if it listens on all, is also that of its name."""
        others = [each for each in self.read.interfaces if each not in _LOOPBACK]
        if not others:
            raise HerdError(
                "cannot export a bridge: Prosody listens for this host alone; add an address to interfaces in [prosody]"
            )
        return self.prosody.deployment.domain if others[0] in ("*", "::", "0.0.0.0") else others[0]

    def _configuration(self, address: str) -> str:
        keys = {
            "address": address,
            "port": self.prosody.port,
            "domain": self.prosody.deployment.domain,
            "room": self.prosody.deployment.brewery,
            "password-file": str(_PLACE / _PASSWORD),
            "certificate": str(_PLACE / _CERTIFICATE),
        }
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        remark = f"# A bridge of {self.prosody.deployment.domain}; its nickname is made of its host's name.\n"
        return f"{remark}[[jvb]]\n{lines}"


def export_action(prosody: Prosody, read: ProsodyConfiguration) -> Action:
    """The action of Jicofo, whose bridges these are."""
    return Action(
        "export-bridge",
        "Write what another host needs to run a bridge: herd.toml, a password, a certificate, in a directory of yours.",
        BridgeExport(prosody, read),
        "DIRECTORY [--address ADDRESS]",
        role=Role.ADMIN,
    )
