"""From a definition to a process: whom it runs as, what is put in place before, the execution. Blocks: for threads."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import evolve

from herd.core.preparation import Clear, MakeDirectory, Preparation
from herd.core.service import Service
from herd.daemon import files
from herd.daemon.cgroups import Groups
from herd.daemon.identity import Identity, NoIdentity, identity
from herd.daemon.process import Process, spawn
from herd.daemon.remembered import Record, boot_id, digest, save, start_time


def prepare(service: Service) -> Identity:
    """The user looked up, then each step of the preparation in order. Raises OSError, NoIdentity."""
    who = identity(service.program)
    if os.geteuid() != 0 and who.uid != os.geteuid():
        raise NoIdentity(f"only root can run it as {who.user}; leave out its user, or run herdd as root")
    for step in service.preparation:
        _carry_out(step, who)
    return who


def _carry_out(step: Preparation, who: Identity) -> None:
    if isinstance(step, MakeDirectory):
        if step.only_if_missing and step.path.exists():
            return
        files.make_directory(step.path, step.mode, who.uid, who.gid)
    elif isinstance(step, Clear):
        files.clear(step.directory, step.names)
    else:
        files.write_file(step.path, step.content, step.mode, who.uid, who.gid)


def launch(
    service: Service,
    words: Sequence[str],
    who: Identity,
    processes_dir: Path,
    extra: Mapping[str, str],
    sockets: Sequence[int],
    groups: Groups | None = None,
) -> Process:
    """The program's process, its command with further words; noted for the herdd after this one. Raises OSError."""
    program = evolve(service.program, command=(*service.program.command, *words)) if words else service.program
    group = None if groups is None else groups.make(service.name, program.limits)
    try:
        process = spawn(service.name, program, who, extra, sockets, group=group)
    except BaseException:
        if group is not None:
            group.remove()
        raise
    begun = start_time(process.pid)
    if begun is not None:
        # Keyword by keyword: most are numbers or texts that could stand for each other.
        note = Record(
            service=service.name,
            pid=process.pid,
            start_time=begun,
            boot_id=boot_id(),
            mark=process.mark,
            program=digest(service.program),
            since=time.time(),
            is_ready=service.is_ready_at_once,
            limits=program.limits.files,
        )
        # Without a note it runs all the same; only a herdd that is killed would lose it.
        with suppress(OSError):
            save(processes_dir, note)
    return process
