"""A server's certificate: the administrator's, or one that herdd makes, where the server alone can read its key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import frozen

from herd.core.errors import HerdError
from herd.core.host import Host

# Bytes of a file of certificates or keys.
MAX_PEM = 256 * 1024
# One of ours is made anew when it has so long left.
_RENEWAL = timedelta(days=30)


@frozen
class Pair:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes


@frozen
class Certificates:
    """The pair of a server that has these names, NAME.crt and NAME.key in `directory`; from `given` files, or ours."""

    directory: Path
    name: str
    names: tuple[str, ...]
    # Certificate and key; None: herdd makes them.
    given: tuple[Path, Path] | None
    service: str = "prosody"

    @property
    def certificate(self) -> Path:
        """Where the server finds it."""
        return self.directory / f"{self.name}.crt"

    @property
    def key(self) -> Path:
        """Where the server finds its key."""
        return self.directory / f"{self.name}.key"

    @property
    def sources(self) -> tuple[Path, Path]:
        """The files that may be changed by somebody else."""
        return self.given or (self.certificate, self.key)

    async def check(self, host: Host) -> None:
        """Whether what is given can be used. Raises HerdError."""
        if self.given is not None:
            await self._read(host, self.given)

    async def provide(self, host: Host) -> bool:
        """Have them in their place; whether they are others than before. Raises HerdError."""
        present = await self._present(host)
        wanted = await self._made(host, present) if self.given is None else await self._read(host, self.given)
        if wanted == present:
            return False
        # The key first: the server is told when both are there.
        await host.write_file(self.key, wanted.key, 0o600)
        await host.write_file(self.certificate, wanted.certificate, 0o644)
        return True

    async def expires(self, host: Host) -> datetime:
        """When the one in place does. Raises HerdError."""
        from herd_services.certificates import expires

        pair = await self._present(host)
        if pair is None:
            raise HerdError(f"cannot read the certificate {self.certificate}; it is made anew at the next start")
        return await host.in_thread(lambda: expires(pair.certificate))

    async def _present(self, host: Host) -> Pair | None:
        try:
            return Pair(await host.read_guarded(self.certificate, MAX_PEM), await host.read_guarded(self.key, MAX_PEM))
        except OSError:
            return None

    async def _made(self, host: Host, present: Pair | None) -> Pair:
        from herd_services.certificates import problem, self_signed

        now = datetime.fromtimestamp(host.now(), UTC)
        if present is not None:
            kept = present
            if await host.in_thread(lambda: problem(kept.certificate, kept.key, self.names, now + _RENEWAL)) is None:
                return kept
        key, certificate = await host.in_thread(lambda: self_signed(self.names, now))
        return Pair(certificate, key)

    async def _read(self, host: Host, files: tuple[Path, Path]) -> Pair:
        from herd_services.certificates import problem

        contents = []
        for file in files:
            try:
                contents.append(await host.read_file(file, MAX_PEM))
            except OSError as error:
                raise HerdError(f"cannot read {file}: {error.strerror}; correct its path or its owner") from error
        pair = Pair(*contents)
        now = datetime.fromtimestamp(host.now(), UTC)
        if reason := await host.in_thread(lambda: problem(pair.certificate, pair.key, self.names, now)):
            raise HerdError(f"cannot use the certificate {files[0]}: {reason}; give {_wanted(self.names)}")
        return pair


def _wanted(names: tuple[str, ...]) -> str:
    return f"one for {', '.join(names)}" if names else "another"
