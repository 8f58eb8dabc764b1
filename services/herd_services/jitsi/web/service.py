"""The service `nginx`: browsers come by it to the page, to Prosody, to Jicofo and to the bridges.

herdd opens its sockets, as root; nginx runs as its own user from its first instruction, and takes them over by the
variable that it hands its sockets to its successor with ($NGINX: nginx.org/en/docs/control.html, "Upgrading Executable
on the Fly"). It keeps them through each reload, and those who come while it restarts wait.
"""

from __future__ import annotations

from pathlib import Path
from signal import SIGHUP

from attrs import frozen

from herd.core.endpoint import Endpoint
from herd.core.errors import ConfigurationError, HerdError
from herd.core.host import Host
from herd.core.preparation import MakeDirectory
from herd.core.service import Health, Program, Service, Surroundings
from herd_services.certifying import Certificates
from herd_services.jitsi.checking import Check, check_action
from herd_services.jitsi.configuration import JicofoConfiguration, JitsiConfiguration, ProsodyConfiguration, Tables
from herd_services.jitsi.deployment import Deployment
from herd_services.jitsi.jvb_file import Bridge
from herd_services.jitsi.web.asking import Serves, checks_of
from herd_services.jitsi.web.configuration import NginxConfiguration
from herd_services.jitsi.web.front import Front
from herd_services.jitsi.web.nginx_file import Files, Ways, nginx_configuration
from herd_services.jitsi.web.page import page_configuration
from herd_services.jitsi.web.symptoms import OF_NGINX
from herd_services.preflight import check_port, check_program
from herd_services.renewal import Renewal, reload_action

_MAX_INDEX = 4 * 1024 * 1024
_FIRST_SOCKET = 3
_LOADING = 30.0
# There where the kernel knows IPv6.
_IPV6 = Path("/proc/net/if_inet6")


@frozen
class Definition:
    """All that there is to know of the service."""

    deployment: Deployment
    read: NginxConfiguration
    files: Files
    ways: Ways
    certificates: Certificates

    @property
    def front(self) -> Front:
        """How it is reached from its own host."""
        own = ("*", "0.0.0.0", "127.0.0.1")
        first = self.read.interfaces[0]
        address = "127.0.0.1" if any(each in own for each in self.read.interfaces) else first
        return Front("::1" if address == "::" else address, self.read.port, self.deployment.domain, self.certificates)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Several processes accept on each socket, and whoever comes too late must not wait there."""
        ports = [self.read.port, *([self.read.http_port] if self.read.http_port else [])]
        return tuple(Endpoint((each, port), blocks=False) for each in self.read.interfaces for port in ports)

    @property
    def checks(self) -> tuple[Check, ...]:
        """What its own action asks."""
        return checks_of(self.front, self.read.http_port, [name for name, _ in self.ways.bridges])

    def configuration(self, *, is_dual: bool) -> bytes:
        """nginx.conf. Raises ValueError."""
        is_strict = self.certificates.given is not None
        domain = self.deployment.domain
        return nginx_configuration(domain, self.read, self.files, self.ways, is_dual=is_dual, is_strict=is_strict)


@frozen
class _Preflight:
    it: Definition

    async def __call__(self, host: Host) -> None:
        read = self.it.read
        await check_program(host, read.program, "nginx", "install the package nginx-light")
        for each in read.interfaces:
            await check_port(host, "nginx", each, read.port, "port")
            if read.http_port:
                await check_port(host, "nginx", each, read.http_port, "http-port")
        try:
            await host.read_file(read.static / "index.html", _MAX_INDEX)
        except OSError as error:
            raise HerdError(
                f"there is no index.html in {read.static} ({error.strerror}); install the Jitsi project's package "
                'jitsi-meet-web, or name another directory: static = "/…" in [nginx]'
            ) from error
        await self.it.certificates.check(host)


@frozen
class _Before:
    """Certificate and files, as they have to be before it reads them."""

    it: Definition

    async def __call__(self, host: Host) -> None:
        it = self.it
        await it.certificates.provide(host)
        content = page_configuration(it.deployment, it.read.port, it.read.config)
        await host.write_file(it.files.page, content, 0o600)
        await host.write_file(it.files.configuration, it.configuration(is_dual=await _knows_ipv6(host)), 0o600)


async def _knows_ipv6(host: Host) -> bool:
    try:
        await host.read_file(_IPV6, _MAX_INDEX)
    except OSError:
        return False
    return True


def _program(it: Definition, surroundings: Surroundings) -> Program:
    run = it.files.run
    inherited = "".join(f"{_FIRST_SOCKET + number};" for number in range(len(it.endpoints)))
    return Program(
        command=(str(it.read.program), "-e", "stderr", "-p", str(run), "-c", str(it.files.configuration)),
        user=it.read.user if surroundings.is_root else None,
        group=it.read.group if surroundings.is_root else None,
        directory=run,
        environment={"HOME": str(run), "LANG": "C.UTF-8", "NGINX": inherited},
        package="nginx-light",
    )


def _definition(
    deployment: Deployment, tables: Tables, bridges: list[Bridge], surroundings: Surroundings
) -> Definition:
    jitsi, read = tables.jitsi, tables.nginx
    assert jitsi is not None
    assert read is not None
    run, state = surroundings.services_dir / "nginx", surroundings.state_dir / "nginx"
    certificates = Certificates(state / "certificates", deployment.domain, (deployment.domain,), _given(read, jitsi))
    ways = Ways(
        (tables.prosody or ProsodyConfiguration()).http_port,
        (tables.jicofo or JicofoConfiguration()).http_port,
        tuple((each.nickname, each.websocket_port) for each in bridges),
    )
    files = Files(run, certificates.certificate, certificates.key)
    return Definition(deployment, read, files, ways, certificates)


def _given(*tables: NginxConfiguration | JitsiConfiguration) -> tuple[Path, Path] | None:
    pairs = ((each.certificate, each.key) for each in tables)
    return next(((certificate, key) for certificate, key in pairs if certificate and key), None)


def web(deployment: Deployment, tables: Tables, bridges: list[Bridge], surroundings: Surroundings) -> Service:
    """The service. Raises ConfigurationError where its file cannot be written."""
    it = _definition(deployment, tables, bridges, surroundings)
    try:
        it.configuration(is_dual=True)
    except ValueError as error:
        raise ConfigurationError([f"cannot read [nginx]: {error}"]) from error
    assert tables.jitsi is not None
    return Service(
        provision=("nginx",),
        documentation="nginx: the web server of Jitsi Meet.",
        # Without Prosody nobody comes in, without Jicofo no conference begins; whoever is in one leaves it when either
        # goes, so nothing is lost by restarting with them. Bridges may come and go.
        requirement=("prosody", "jicofo"),
        program=_program(it, surroundings),
        preparation=tuple(
            map(MakeDirectory, (it.files.run, it.certificates.directory.parent, it.certificates.directory))
        ),
        preflight=_Preflight(it),
        before=_Before(it),
        setup=Serves(it.front, _LOADING),
        companion=Renewal(it.certificates, SIGHUP),
        health=Health(Serves(it.front)),
        endpoints=it.endpoints,
        lazy=False,
        auto_start=tables.jitsi.auto_start,
        actions=(reload_action(it.certificates, SIGHUP), check_action(it.checks, OF_NGINX)),
        symptoms=OF_NGINX,
    )
