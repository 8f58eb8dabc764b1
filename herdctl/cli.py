"""`herd`: words into one request, the answer printed.

Words alone need no parser, so a plain `herd status jami` imports neither click nor anything else that takes its time;
as soon as a word begins with a dash, options.py parses the line with click.
"""

from __future__ import annotations

import os
import sys

from herd.core.errors import HerdError
from herdctl import client
from herdctl.request import Request
from herdctl.terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main() -> None:
    """The entry point. Exit status: design in herd(1)."""
    words = sys.argv[1:]
    if words and not any(word.startswith("-") for word in words):
        request = Request(words)
    else:
        from herdctl.options import parse

        request = parse(words)
    try:
        status = run(request)
        sys.stdout.flush()
    except HerdError as error:
        print(f"herd: {error.message}", file=sys.stderr)
        status = error.exit_status
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        # Whoever read has read enough, as head does; the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    # Everything is printed: the interpreter has nothing to tidy up that the kernel does not.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run(request: Request) -> int:
    """Ask, print, and return the exit status. Raises HerdError."""
    path = request.socket or client.default_socket()
    if request.action == "log" and not request.arguments:
        return _log(request, path)
    if request.action == "watch" and not request.arguments:
        return _watch(request, path)
    return _perform(request, path)


def _perform(request: Request, path: str) -> int:
    terminal = Terminal(plain=request.json)
    parameters = {"action": request.action, "service": request.service, "arguments": request.arguments}
    answer: dict[str, Any] = {}
    try:
        for answer in client.calls(path, "Perform", parameters):
            if progress := answer.get("progress"):
                terminal.progress(progress)
    finally:
        terminal.end_progress()
    if request.json:
        _print_json(answer.get("result"))
    else:
        terminal.text(answer.get("text") or "")
    for warning in answer.get("warnings") or ():
        print(f"herd: warning: {warning}", file=sys.stderr)
    return int(answer.get("exitStatus") or 0)


def _log(request: Request, path: str) -> int:
    parameters: dict[str, Any] = {"service": request.service, "follow": request.follow}
    if request.lines is not None:
        parameters["lines"] = request.lines
    terminal = Terminal(plain=request.json)
    for answer in client.calls(path, "Log", parameters):
        for line in answer.get("lines") or ():
            if request.json:
                _print_json({"line": line})
            else:
                terminal.text(f"{line}\n")
        sys.stdout.flush()
    return 0


def _watch(request: Request, path: str) -> int:
    service = None if request.service == "root" else request.service
    for answer in client.calls(path, "Watch", {"service": service}):
        if request.json:
            _print_json(answer["service"])
        else:
            print(f"{answer['service']['name']}: {answer['service']['status']}")
        sys.stdout.flush()
    return 0


def _print_json(value: Any) -> None:
    import json

    print(json.dumps(value, ensure_ascii=False))
