"""herdd: arguments, signals, the outermost tasks.

SIGTERM and SIGINT stop every service in reverse order; a second one ends them at once.
"""

from __future__ import annotations

import errno
import gc
import os
import pwd
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import click
import trio

import herd
from herd.core.errors import HerdError
from herd.core.service import Surroundings
from herd.daemon import config, files, orders, succession
from herd.daemon.children import MARKS, become_subreaper, reap_orphans
from herd.daemon.config import Configuration
from herd.daemon.confinement import Confinement
from herd.daemon.journal import Line, is_journal, with_priorities, with_stamps
from herd.daemon.limits import OPEN_FILES
from herd.daemon.log import ServiceLog
from herd.daemon.paths import Paths, default_paths
from herd.daemon.remembered import DisabledNames, home
from herd.daemon.server import ControlSocket, listening, serve, sole_daemon
from herd.daemon.supervisor import Supervisor
from herd.daemon.systemd import Manager

_PATH = click.Path(path_type=Path, resolve_path=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_file", type=_PATH, help="The configuration [/etc/herd/herd.toml].")
@click.option("--socket", type=_PATH, help="The control socket [RUNTIME-DIR/socket].")
@click.option("--runtime-dir", type=_PATH, help="The control socket's directory [/run/herd].")
@click.option("--state-dir", type=_PATH, help="What outlives a restart [/var/lib/herd].")
@click.option("--log-dir", type=_PATH, help="A file for each service [/var/log/herd].")
@click.option("--check", is_flag=True, help="Read the configuration, say what is wrong with it, and stop.")
@click.option("--sweep", is_flag=True, help="End all that a herdd which is gone has left running, and stop.")
@click.version_option(herd.__version__, prog_name="herdd")
def main(
    config_file: Path | None,
    socket: Path | None,
    runtime_dir: Path | None,
    state_dir: Path | None,
    log_dir: Path | None,
    check: bool,
    sweep: bool,
) -> None:
    """Start the services of the configuration and keep them running."""
    # Modules stay: to look through them for garbage would stop everything for 10 milliseconds, again and again.
    gc.freeze()
    paths = chosen_paths(config_file, socket, runtime_dir, state_dir, log_dir)
    try:
        if sweep:
            trio.run(_sweep, paths)
            return
        read = partial(config.load, paths.config, surroundings(paths))
        if check:
            configuration = read()
            for warning in configuration.warnings:
                click.echo(f"herdd: {warning}", err=True)
            names = [service.name for service in configuration.services]
            click.echo(f"{paths.config} is right: {', '.join(names) or 'no service'}")
            return
        successor = trio.run(run, paths, read)
        if successor is not None:
            # The same process, its children still ours: only the program is another.
            OPEN_FILES.give_back()
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], successor)
    except HerdError as error:
        for line in error.message.splitlines():
            click.echo(f"herdd: {line}", err=True)
        sys.exit(1)


def chosen_paths(
    config_file: Path | None,
    socket: Path | None,
    runtime_dir: Path | None,
    state_dir: Path | None,
    log_dir: Path | None,
) -> Paths:
    """The usual places, but for those given, which may be relative."""
    usual = default_paths(os.environ)
    runtime = _settled(runtime_dir or usual.runtime_dir)
    return Paths(
        config=_settled(config_file or usual.config),
        runtime_dir=runtime,
        state_dir=_settled(state_dir or usual.state_dir),
        log_dir=_settled(log_dir or usual.log_dir),
        socket=_settled(socket or runtime / "socket"),
    )


def _settled(path: Path) -> Path:
    # Without "..", as the way to a file is walked (files.py): else the same place would not be known for the same.
    return Path(os.path.abspath(path))


def surroundings(paths: Paths) -> Surroundings:
    """What definitions are told of where they live."""
    uid = os.geteuid()
    user = str(uid)
    with suppress(KeyError):
        user = pwd.getpwuid(uid).pw_name
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    host_name = socket.gethostname().partition(".")[0] or "localhost"
    return Surroundings(paths.state_dir, paths.services_dir, paths.log_dir, user, uid == 0, host_name, memory)


async def run(paths: Paths, read: Callable[[], Configuration]) -> dict[str, str] | None:
    """Be the daemon until told to stop, then None; the environment to execute herdd anew in, if that was asked for.

    Raises HerdError when it cannot begin.
    """
    # What systemd says to herdd is for no other program.
    manager = Manager.of(os.environ)
    # Nothing is touched before the configuration is right.
    configuration = read()
    _make_directories(paths)
    if os.geteuid() == 0:
        # Root needs no groups, and so none of them is there to be left to a service.
        os.setgroups([])
    become_subreaper()
    disabled = DisabledNames(paths.state_dir / "disabled.json")
    supervisor = Supervisor(
        configuration, read, paths.log_dir, paths.processes_dir, disabled, paths.state_dir, _show, Confinement.found()
    )
    # Before anything starts: a signal from here on stops what there is.
    with (
        sole_daemon(paths.socket),
        trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as stops,
        trio.open_signal_receiver(signal.SIGCHLD) as ended,
    ):
        MARKS.home = home(paths.processes_dir)
        async with listening(paths.socket) as control, leaving_nothing(supervisor), trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            await succession.take_over(supervisor)
            nursery.start_soon(_reap, ended)
            nursery.start_soon(_heed_signals, stops, supervisor)
            nursery.start_soon(serve, control.listener, supervisor, supervisor.warn)
            nursery.start_soon(manager.attend, paths.socket, supervisor)
            for log in (supervisor.bulletin.log, *supervisor.audit.logs):
                nursery.start_soon(_tell_of_loss, log, supervisor.warn)
            supervisor.say(f"herdd {herd.__version__} listens on {paths.socket}.")
            supervisor.bulletin.warn_of(configuration.warnings)
            orders.start_all(supervisor)
            await supervisor.end_asked.wait()
            successor = await _leave(supervisor, control, manager)
            await supervisor.bulletin.flush()
            nursery.cancel_scope.cancel()
    return successor


async def _leave(supervisor: Supervisor, control: ControlSocket, manager: Manager) -> dict[str, str] | None:
    """Stop every service, or for an upgrade none: then the environment of the herdd that is executed anew."""
    if supervisor.is_upgrade:
        supervisor.say("herdd is executed anew; every service runs on.")
        await manager.be_replaced()
        return {**control.hand_over(), **manager.variables}
    await manager.be_stopped()
    await orders.stop_all(supervisor)
    supervisor.say("Every service has been stopped; herdd ends.")
    return None


async def _sweep(paths: Paths) -> None:
    with sole_daemon(paths.socket):
        await succession.sweep(paths.processes_dir, partial(click.echo, err=True))


@asynccontextmanager
async def leaving_nothing(supervisor: Supervisor) -> AsyncIterator[None]:
    """Should a fault of ours end herdd, no process stays behind without a supervisor."""
    try:
        yield
    except BaseException:
        for controller in supervisor.controllers.values():
            controller.abandon()
        raise


def _make_directories(paths: Paths) -> None:
    uid, gid = os.geteuid(), os.getegid()
    # Their modes, and the options that name them.
    wanted = {
        # Whoever has a role has to reach the socket (places.py).
        paths.runtime_dir: (0o755, "--runtime-dir"),
        paths.services_dir: (0o755, "--runtime-dir"),
        # Services' homes lie below it: others may pass through and not look around.
        paths.state_dir: (0o711, "--state-dir"),
        paths.processes_dir: (0o700, "--runtime-dir"),
        paths.log_dir: (0o750, "--log-dir"),
    }
    for directory, (mode, option) in wanted.items():
        try:
            _make_or_check(directory, mode, uid, gid)
            if directory == paths.log_dir:
                # The way on which every log is opened: what is refused there would be lost, line by line.
                with files.opened_directory(directory):
                    pass
        except OSError as error:
            remedy = f"name {'the real one' if error.errno == errno.ELOOP else 'another'} with {option}"
            raise HerdError(f"cannot use the directory {directory}: {error.strerror}; {remedy}") from error


def _make_or_check(directory: Path, mode: int, uid: int, gid: int) -> None:
    """A directory that is there keeps its mode: it may have been made by a package, or be one that others share."""
    if not directory.exists():
        files.make_directory(directory, mode, uid, gid)
    elif directory.stat().st_mode & 0o022:
        raise HerdError(f"cannot use the directory {directory}: others may write there; choose one of herdd's own")


async def _tell_of_loss(log: ServiceLog, warn: Callable[[str], None]) -> None:
    """Say it once of one of herdd's own, and so on standard error: no status tells of these."""
    reason = await log.lossy()
    warn(f"cannot write {log.path}: {reason}; lines of it are lost until that is mended.")


async def _reap(ended: AsyncIterator[int]) -> None:
    async for _ in ended:
        reap_orphans()


async def _heed_signals(stops: AsyncIterator[int], supervisor: Supervisor) -> None:
    async for number in stops:
        if supervisor.end_asked.is_set():
            supervisor.say("Asked again: every process ends at once.")
            orders.hurry(supervisor)
        else:
            supervisor.say(f"{signal.Signals(number).name}: every service is being stopped.")
            supervisor.end_asked.set()


def _show(lines: Sequence[Line]) -> None:
    # The journal has a time stamp of its own, and a place for the priority.
    shown = with_priorities(lines) if is_journal(sys.stderr.fileno(), os.environ) else with_stamps(lines)
    # Where nobody reads, the log file still has it.
    with suppress(OSError):
        sys.stderr.write("".join(f"{line}\n" for line in shown))
        sys.stderr.flush()


if __name__ == "__main__":
    main()
