"""The service `coturn`, or `turn`: a relay for browsers that cannot reach a bridge.

Prosody and it require nothing of each other: what is relayed goes on while Prosody is restarted, and without a relay
whoever reaches a bridge by himself meets all the same. It runs once it lets in who has a password made of the secret;
one that has no port, or an old secret, looks alive and serves nobody.
"""

from __future__ import annotations

from pathlib import Path
from signal import SIGUSR2

from attrs import frozen

from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.preparation import MakeDirectory
from herd.core.service import Health, Program, Service, Surroundings
from herd_services.certifying import Certificates
from herd_services.jitsi.checking import Check, check_action
from herd_services.jitsi.checks import IsGood, Listens
from herd_services.jitsi.configuration import JitsiConfiguration
from herd_services.jitsi.relay.announced import SECRET, Announced
from herd_services.jitsi.relay.configuration import CoturnConfiguration
from herd_services.jitsi.relay.file import Places, turnserver_configuration
from herd_services.jitsi.relay.stun import unserved
from herd_services.jitsi.relay.symptoms import OF_COTURN
from herd_services.preflight import check_port, check_program
from herd_services.renewal import Renewal

_LOADING = 15.0
# Of one attempt to ask, seconds.
_PATIENCE = 5.0


@frozen
class Definition:
    """All that there is to know of the service."""

    realm: str
    read: CoturnConfiguration
    places: Places
    file: Path
    certificates: Certificates

    @property
    def address(self) -> str:
        """By which it is reached from its own host."""
        return self.read.interfaces[0] if self.read.interfaces else "127.0.0.1"

    async def unserved(self, host: Host) -> str | None:
        """Why it serves nobody, as the end of a sentence."""
        if not await host.listens(self.address, self.read.port, "datagram"):
            return f"it does not listen on {self.address} UDP port {self.read.port}"
        secret = await host.secret(SECRET)
        try:
            return await host.within(_PATIENCE, lambda: unserved(host, self.address, self.read.port, secret))
        except TimeoutError:
            return f"port {self.read.port} does not answer"


@frozen
class _Preflight:
    it: Definition

    async def __call__(self, host: Host) -> None:
        read = self.it.read
        await check_program(host, read.program, "coturn", "install the package coturn")
        for each in read.interfaces or ("*",):
            for port, key in ((read.port, "port"), (read.tls_port, "tls-port")):
                if port:
                    await check_port(host, "coturn", each, port, key)
                    await check_port(host, "coturn", each, port, key, "datagram")
        if read.tls_port:
            await self.it.certificates.check(host)


@frozen
class _Before:
    it: Definition

    async def __call__(self, host: Host) -> None:
        it = self.it
        if it.read.tls_port:
            await it.certificates.provide(host)
        content = turnserver_configuration(it.realm, it.read, it.places, await host.secret(SECRET))
        await host.write_file(it.file, content.encode(), 0o600)


@frozen
class _SetUp:
    it: Definition

    async def __call__(self, host: Host) -> None:
        if reason := await host.until(lambda: self.it.unserved(host), _LOADING):
            raise HerdError(f"it does not serve: {reason}; see: herd log coturn")


@frozen
class _Well:
    it: Definition

    async def __call__(self, host: Host) -> None:
        if reason := await self.it.unserved(host):
            raise HerdError(f"it does not serve: {reason}")


@frozen
class _Serves:
    it: Definition

    async def __call__(self, host: Host) -> str | None:
        return await self.it.unserved(host)


def _checks(it: Definition) -> tuple[Check, ...]:
    port, tls_port = it.read.port, it.read.tls_port
    plain = (
        Check(f"it listens on port {port}", Listens(it.address, port)),
        Check(f"it listens on UDP port {port}", Listens(it.address, port, "datagram")),
        Check("it lets in who has a password from Prosody", _Serves(it)),
    )
    encrypted = (
        Check(f"it listens on port {tls_port}, encrypted", Listens(it.address, tls_port)),
        Check("its certificate is good for a while", IsGood(it.certificates)),
    )
    return (*plain, *(encrypted if tls_port else ()))


def _pair(jitsi: JitsiConfiguration, read: CoturnConfiguration) -> tuple[Path, Path] | None:
    """The administrator's certificate and key."""
    for each in (read, jitsi):
        if each.certificate is not None and each.key is not None:
            return each.certificate, each.key
    return None


def announced(jitsi: JitsiConfiguration, read: CoturnConfiguration, secret_file: Path) -> Announced:
    """What Prosody tells of it; of the encrypted port only where browsers may trust its certificate."""
    tls_port = read.tls_port if read.tls_port and _pair(jitsi, read) is not None else None
    return Announced(jitsi.domain, read.port, tls_port, secret_file)


def coturn(jitsi: JitsiConfiguration, read: CoturnConfiguration, surroundings: Surroundings) -> Service:
    """The service."""
    run, state = surroundings.services_dir / "coturn", surroundings.state_dir / "coturn"
    certificates = Certificates(state / "certificates", jitsi.domain, (jitsi.domain,), _pair(jitsi, read))
    places = Places(certificates.certificate, certificates.key, state / "turndb", run / "pid")
    it = Definition(jitsi.domain, read, places, run / "turnserver.conf", certificates)
    return Service(
        provision=("coturn", "turn"),
        documentation="coturn: relays media of Jitsi Meet for whoever cannot reach a bridge.",
        program=Program(
            command=(str(read.program), "-c", str(it.file)),
            user=read.user if surroundings.is_root else None,
            group=read.group if surroundings.is_root else None,
            directory=state,
            environment={"HOME": str(state), "LC_ALL": "C.UTF-8"},
            package="coturn",
        ),
        preparation=(MakeDirectory(run), MakeDirectory(state), MakeDirectory(certificates.directory)),
        preflight=_Preflight(it),
        before=_Before(it),
        setup=_SetUp(it),
        companion=Renewal(certificates, SIGUSR2) if read.tls_port else None,
        # An old secret is found so, and Prosody's passwords are of the new one.
        health=Health(_Well(it), interval=10.0, failures=3),
        auto_start=jitsi.auto_start and read.auto_start,
        actions=(check_action(_checks(it), OF_COTURN),),
        symptoms=OF_COTURN,
    )
