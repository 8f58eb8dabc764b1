"""`herd`: words into one request, the answer printed.

Words alone need no parser, so a plain `herd status jami` imports neither click nor anything else that takes its time;
as soon as a word begins with a dash, options.py parses the line with click.
"""

from __future__ import annotations

import os
import sys

from herd.core.errors import HerdError, SecretWanted, WrongUsage
from herdctl import client
from herdctl.request import Request
from herdctl.terminal import Terminal, complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main() -> None:
    """The entry point. Exit status: design in herd(1)."""
    words = sys.argv[1:]
    _open_missing_outputs()
    if words[:1] == ["_complete"]:
        from herdctl.completing import main as complete

        sys.exit(complete(words[1:]))
    try:
        status = _set_up(words[1:]) if words[:1] == ["setup"] else run(_read(words))
        sys.stdout.flush()
    except HerdError as error:
        complain(error.message)
        status = error.exit_status
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        # Whoever read has read enough, as head does.
        _discard_output()
        status = 0
    except OSError as error:
        # What went wrong on the socket is a HerdError: this is our own output.
        _discard_output()
        complain(f"cannot write: {error.strerror}; make room, or print elsewhere")
        status = 1
    # Everything is printed: the interpreter has nothing to tidy up that the kernel does not.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _set_up(words: list[str]) -> int:
    from herdctl.setup import main

    return main(words)


def _read(words: list[str]) -> Request:
    if words[:1] == ["remote"]:
        from herdctl.remote import remote

        return remote(words[1:])
    if words and not any(word.startswith("-") for word in words):
        return Request(words)
    from herdctl.options import parse

    return parse(words)


def _open_missing_outputs() -> None:
    """Where the caller has closed an output, the socket would take its number and Python has no file for it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def _discard_output() -> None:
    # The interpreter must not complain when it flushes.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(request: Request) -> int:
    """Ask, print, and return the exit status. Raises HerdError."""
    path = request.socket or client.default_socket()
    stream = {"log": _log, "watch": _watch, "audit": _audit}.get(request.action)
    return (stream or _perform)(request, path)


def _perform(request: Request, path: str) -> int:
    try:
        return _ask(request, path, request.arguments)
    except SecretWanted as wanted:
        if not os.isatty(0):
            raise
        from herdctl.secret import typed

        with typed(wanted.prompt) as file:
            return _ask(request, path, [*request.arguments, wanted.option, file])


def _ask(request: Request, path: str, arguments: list[str]) -> int:
    terminal = Terminal(plain=request.json)
    parameters = {"action": request.action, "service": request.service, "arguments": arguments}
    answer: dict[str, Any] = {}
    try:
        for answer in client.calls(path, "Perform", parameters, request.represents):
            if progress := answer.get("progress"):
                terminal.progress(progress)
    finally:
        terminal.end_progress()
    if request.json:
        _print_json(answer.get("result"))
    else:
        terminal.text((terminal.is_terminal and answer.get("drawing")) or answer.get("text") or "")
    for warning in answer.get("warnings") or ():
        complain(f"warning: {warning}")
    return int(answer.get("exitStatus") or 0)


def _log(request: Request, path: str) -> int:
    terminal = Terminal(plain=request.json)
    for answer in client.calls(path, "Log", _log_parameters(request), request.represents):
        for line in answer.get("lines") or ():
            terminal.text(f"{line}\n")
        for entry in answer.get("entries") or ():
            if request.json:
                _print_json(entry)
            else:
                terminal.text(f"{entry['service']}: {entry['line']}\n")
        sys.stdout.flush()
    return 0


def _audit(request: Request, path: str) -> int:
    if request.service != "root" or request.arguments or request.every:
        raise WrongUsage("cannot audit: it is used as: herd audit [-f] [-n LINES] [--since WHEN]; see: herd --help")
    from herdctl.auditing import entry, told

    terminal = Terminal(plain=request.json)
    for answer in client.calls(path, "Log", {"audit": True, **_span(request)}, request.represents):
        for each in answer.get("entries") or ():
            if request.json:
                _print_json(entry(each["line"]))
            else:
                terminal.text(f"{told(each['line'])}\n")
        sys.stdout.flush()
    return 0


def _log_parameters(request: Request) -> dict[str, Any]:
    services = [request.service, *request.arguments]
    parameters = _span(request)
    if request.every:
        if request.named:
            raise WrongUsage("cannot log: --all is every service already; name some, or leave them out")
        parameters["all"] = True
    elif request.json or len(services) > 1:
        # Entries say whose they are.
        parameters["services"] = services
    else:
        parameters["service"] = request.service
    return parameters


def _span(request: Request) -> dict[str, Any]:
    """Which lines are asked for."""
    parameters: dict[str, Any] = {"follow": request.follow, "lines": request.lines}
    if request.since is not None:
        from datetime import datetime

        from herdctl.moments import usec_since_epoch

        parameters["sinceUSec"] = usec_since_epoch(request.since, datetime.now())
    return parameters


def _watch(request: Request, path: str) -> int:
    if request.arguments:
        raise WrongUsage("cannot watch: it is used as: herd watch [SERVICE]; see: herd --help")
    from herdctl.watching import line

    terminal = Terminal(plain=request.json)
    service = None if request.service == "root" else request.service
    told: dict[str, str] = {}
    for answer in client.calls(path, "Watch", {"service": service}, request.represents):
        facts = answer["service"]
        if request.json:
            _print_json(facts)
        # Much that changes is no news for people.
        elif (text := line(facts)) != told.get(facts["name"]):
            told[facts["name"]] = text
            terminal.text(f"{text}\n")
        sys.stdout.flush()
    return 0


def _print_json(value: Any) -> None:
    import json

    print(json.dumps(value, ensure_ascii=False))
