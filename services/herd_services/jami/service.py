"""The services `jami-dbus-session` and `jami`, from `[jami]`.

The bus is Jami's own: it starts nothing behind the supervisor's back and admits two users, herdd's and Jami's (the
stock session bus would refuse root). jamid cannot live without its bus, so it requires it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from attrs import frozen

from herd.core.host import Host
from herd.core.person import Identity, Moderation
from herd.core.preparation import Clear, MakeDirectory, Preparation, WriteFile
from herd.core.readiness import OutputLine
from herd.core.service import Health, Program, Section, Service, Surroundings
from herd_services.jami import calls, origins
from herd_services.jami.account_actions import account_actions
from herd_services.jami.actions import ACTIONS, LISTINGS
from herd_services.jami.configuration import AccountConfiguration, JamiConfiguration
from herd_services.jami.fingerprint import fingerprint
from herd_services.jami.making import clear_unfinished, discard_unfinished, time_limit
from herd_services.jami.provision import Provisioner
from herd_services.jami.registration import watch_registration
from herd_services.jami.upholding import Upholder
from herd_services.jami.waiting import ping

BUS = "jami-dbus-session"

_BUS_CONFIGURATION = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <deny user="*"/>
    <allow user={supervisor}/>
    <allow user={jami}/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <deny own="*"/>
  </policy>
  <policy user={jami}>
    <allow own="{name}"/>
  </policy>
</busconfig>
"""


def bus_configuration(socket: Path, supervisor: str, jami: str) -> bytes:
    """The dbus-daemon configuration (dbus-daemon(1)) that admits these two users alone."""
    text = _BUS_CONFIGURATION.format(
        socket=escape(str(socket)), supervisor=quoteattr(supervisor), jami=quoteattr(jami), name=calls.NAME
    )
    return text.encode()


def build(read: JamiConfiguration, surroundings: Surroundings) -> tuple[Service, ...]:
    """The bus and jamid."""
    user = read.user if surroundings.is_root else None
    group = read.group if surroundings.is_root else None
    return _bus(read, surroundings, user, group), _jamid(read, surroundings, user, group)


def _run_directory(surroundings: Surroundings) -> Path:
    return surroundings.services_dir / "jami"


def _socket(surroundings: Surroundings) -> Path:
    return _run_directory(surroundings) / "bus"


def _bus(read: JamiConfiguration, surroundings: Surroundings, user: str | None, group: str | None) -> Service:
    run = _run_directory(surroundings)
    file = run / "bus.conf"
    content = bus_configuration(_socket(surroundings), surroundings.user, user or surroundings.user)
    return Service(
        provision=(BUS,),
        documentation="The D-Bus session that Jami alone uses.",
        program=Program(
            command=(str(read.dbus), f"--config-file={file}", "--nofork", "--nopidfile", "--print-address"),
            user=user,
            group=group,
            package="dbus-daemon",
        ),
        preparation=(MakeDirectory(run), WriteFile(file, content)),
        # The address is printed once the socket listens.
        readiness=OutputLine("unix:path="),
        auto_start=read.auto_start,
    )


# Values, not closures: two definitions that say the same are equal, so a reload leaves the service alone.


@frozen
class _Before:
    """What jamid must not find: accounts half made and, in a home made anew, the memory of those that were there."""

    home: Path
    fresh: bool

    async def __call__(self, host: Host) -> None:
        if self.fresh:
            await origins.forget_all(host)
        await clear_unfinished(host, self.home, await origins.ids(host))


@frozen
class _SetUp:
    """First the accounts, then what was decided about them."""

    provision: Provisioner
    upholder: Upholder

    async def __call__(self, host: Host) -> None:
        await self.provision(host)
        await self.upholder.uphold(host)


@frozen
class _Resumption:
    """The accounts are there; what was asked of an earlier herdd may have been cut short."""

    upholder: Upholder

    async def __call__(self, host: Host) -> None:
        await discard_unfinished(host, await origins.ids(host))
        await self.upholder.uphold(host)


@frozen
class _Company:
    """What goes on beside jamid."""

    upholder: Upholder
    declared: tuple[AccountConfiguration, ...] | None

    async def __call__(self, host: Host) -> None:
        await host.gather([partial(self.upholder.keep, host), partial(watch_registration, host, self.declared)])


def _jamid(read: JamiConfiguration, surroundings: Surroundings, user: str | None, group: str | None) -> Service:
    home, run = surroundings.state_dir / "jami", _run_directory(surroundings)
    accounts = read.account
    is_fresh = read.fresh and accounts is not None
    upholder = Upholder(accounts or ())
    return Service(
        provision=("jami",),
        documentation="Jami: peer-to-peer calls, messages and conferences.",
        requirement=(BUS,),
        program=Program(
            command=_command(read),
            user=user,
            group=group,
            directory=home,
            environment=_environment(read, home, _socket(surroundings)),
            package="jami-daemon",
        ),
        preparation=_preparation(home, run, fresh=is_fresh),
        before=_Before(home, is_fresh),
        bus_path=_socket(surroundings),
        setup=_SetUp(Provisioner(accounts, run / "archives"), upholder),
        resumption=_Resumption(upholder),
        companion=_Company(upholder, accounts),
        health=Health(ping, read.health_interval, read.health_timeout),
        start_timeout=60 + time_limit(len(accounts or ())),
        auto_start=read.auto_start,
        actions=(*ACTIONS, *account_actions(accounts, run / "archives")),
        moderation=Moderation("jami", "contact", "ban-contact", "unban-contact"),
        listings=LISTINGS,
    )


def _preparation(home: Path, run: Path, *, fresh: bool) -> tuple[Preparation, ...]:
    """Jami's home, without what the last run left in it where that is wanted."""
    state = Clear(home, (".cache/jami", ".config/jami", ".local/share/jami", "accounts"))
    archives = (Clear(run, ("archives",)), MakeDirectory(run / "archives"))
    return (MakeDirectory(home), *((state,) if fresh else ()), *archives)


def _command(read: JamiConfiguration) -> tuple[str, ...]:
    # Without --persistent jamid ends when its last client leaves; without --console it logs to syslog.
    options = {"--console": not read.enable_logging, "--debug": read.debug, "--auto-answer": read.auto_answer}
    return (str(read.jamid), "--persistent", *(option for option, wanted in options.items() if wanted))


def _environment(read: JamiConfiguration, home: Path, socket: Path) -> dict[str, str]:
    environment = {"HOME": str(home), "DBUS_SESSION_BUS_ADDRESS": f"unix:path={socket}"}
    if read.nss_certs is not None:
        environment["SSL_CERT_DIR"] = str(read.nss_certs)
    return environment


SECTION = Section("jami", JamiConfiguration, build, identity=Identity("jami", fingerprint))
