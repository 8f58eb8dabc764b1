"""What herdctl is measured against: the Guix service's way of asking, jamid without a supervisor, bare Python.

Each function does it once and returns the seconds it took.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import trio

from archives import private_jamid
from herd_services.jami import calls
from herd_services.jami.calls import Jami

_OBJECT = "/cx/ring/Ring/ConfigurationManager"
_SECONDS_TO_IMPORT = 600


def run(command: list[str], environment: Mapping[str, str], output: str = os.devnull) -> float:
    """The wall time of a whole process, from before it is made to after it has ended; its output in a file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    begin = perf_counter()
    child = os.posix_spawnp(
        command[0], command, environment, file_actions=[(os.POSIX_SPAWN_OPEN, 1, output, flags, 0o600)]
    )
    _, status = os.waitpid(child, 0)
    taken = perf_counter() - begin
    if status != 0:
        raise SystemExit(f"cannot measure: {' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return taken


def python() -> float:
    """This interpreter with the two modules that no client of a socket that speaks JSON does without."""
    return run([sys.executable, "-I", "-c", "import socket, json"], os.environ)


def guix_details(socket: Path) -> float:
    """All details of all accounts as gnu/build/jami-service.scm of GNU Guix asks for them.

    A dbus-send for each question, its reply in a temporary file: a listing of all accounts for their names, then for
    each name another whole listing to find its account in. Guile's own work is left out.
    """
    with tempfile.NamedTemporaryFile() as output:
        begin = perf_counter()
        for _ in range(_guix_listing(socket, output.name)):
            _guix_listing(socket, output.name)
        return perf_counter() - begin


def _guix_listing(socket: Path, output: str) -> int:
    accounts = re.findall(r'string "(.+)"', _dbus_send(socket, output, "getAccountList"))
    for account in accounts:
        _dbus_send(socket, output, "getVolatileAccountDetails", f"string:{account}")
        _dbus_send(socket, output, "getAccountDetails", f"string:{account}")
    return len(accounts)


def _dbus_send(socket: Path, output: str, method: str, *arguments: str) -> str:
    destination = [f"--bus=unix:path={socket}", "--print-reply", f"--dest={calls.NAME}", _OBJECT]
    run(["dbus-send", *destination, f"{calls.INTERFACE}.{method}", *arguments], os.environ, output)
    return Path(output).read_text()


def jamid_imports(archives: list[Path]) -> float:
    """A bus and a jamid from nothing, in a fresh home, and every archive given to it at once, until all have loaded."""
    return trio.run(_jamid_imports, archives)


async def _jamid_imports(archives: list[Path]) -> float:
    with tempfile.TemporaryDirectory(prefix="herd-bench-") as home, trio.fail_after(_SECONDS_TO_IMPORT):
        begin = perf_counter()
        async with private_jamid(Path(home)) as jami:
            await _import(jami, archives)
            return perf_counter() - begin


async def _import(jami: Jami, archives: list[Path]) -> None:
    """An account has loaded, as for herdd, when jamid has told of its devices and knows its fingerprint."""
    with_devices: set[str] = set()
    loaded: set[str] = set()
    async with (
        jami.bus.signals(calls.INTERFACE, "registrationStateChanged", "knownDevicesChanged") as signals,
        trio.open_nursery() as nursery,
    ):
        for archive in archives:
            nursery.start_soon(jami.add_account, {"Account.type": "RING", "Account.archivePath": str(archive)})
        async for signal in signals:
            account = signal.body[0]
            if signal.member == "knownDevicesChanged":
                with_devices.add(account)
            if account in with_devices - loaded and (await jami.details(account)).get(calls.USERNAME):
                loaded.add(account)
            if len(loaded) == len(archives):
                return
    raise SystemExit("cannot measure: jamid ended")
