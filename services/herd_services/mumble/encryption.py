"""Mumble's own certificate, or the administrator's, where its user alone can read the key; taken over when renewed.

Without one of the administrator's, the server makes its own and keeps it in its database: clients that know it go on
knowing it.
"""

from __future__ import annotations

from pathlib import Path
from signal import SIGUSR1

from attrs import frozen

from herd.core.errors import HerdError
from herd.core.host import Host
from herd_services.certifying import MAX_PEM, Certificates
from herd_services.renewal import Renewal


@frozen
class Encryption:
    """Certificate, key and parameters, as far as they are given."""

    certificates: Certificates | None
    # The administrator's file or a group's name, and where the file is copied to.
    parameters: str | None
    copy: Path

    async def check(self, host: Host) -> None:
        """Whether what is given can be used. Raises HerdError."""
        if self.certificates is not None:
            await self.certificates.check(host)
        await self._parameters(host)

    async def provide(self, host: Host) -> dict[str, str]:
        """Copies in their places; the keys of mumble-server.ini that name them. Raises HerdError."""
        keys = {}
        if self.certificates is not None:
            await self.certificates.provide(host)
            keys = {"sslCert": str(self.certificates.certificate), "sslKey": str(self.certificates.key)}
        if (content := await self._parameters(host)) is not None:
            await host.write_file(self.copy, content, 0o600)
            return {**keys, "sslDHParams": str(self.copy)}
        return {**keys, "sslDHParams": self.parameters} if self.parameters else keys

    async def _parameters(self, host: Host) -> bytes | None:
        if self.parameters is None or self.parameters.startswith("@"):
            return None
        try:
            return await host.read_file(Path(self.parameters), MAX_PEM)
        except OSError as error:
            raise HerdError(
                f"cannot read ssl-dh-params {self.parameters}: {error.strerror}; correct its path, or write a group "
                "like @ffdhe3072"
            ) from error

    async def follow(self, host: Host) -> None:
        """Have the server take each new certificate over, without a restart: users stay connected."""
        if self.certificates is None:
            await host.pause(float("inf"))
        else:
            await Renewal(self.certificates, SIGUSR1)(host)
