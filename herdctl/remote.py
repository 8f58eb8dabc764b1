"""`herd remote`: what sshd runs in place of what somebody elsewhere asks for (sshd(8), command= in authorized_keys).

`$SSH_ORIGINAL_COMMAND` is split into words as a shell would, without one, and they are a command line of `herd`; no
program is run. herdd is told the person and the role before anything else (the method Represent): it is herdd that
keeps to them, with the user's own role as the upper bound. Files are not to be had from elsewhere; `/dev/stdin` is.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import Any

import click

from herd.core.errors import HerdError, WrongUsage
from herdctl import client
from herdctl.options import parse
from herdctl.request import Request

_STANDARD_INPUT = "/dev/stdin"
# Bytes of standard input.
_MOST = 4 * 1024 * 1024


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-s", "--socket", metavar="PATH", default=client.SYSTEM_SOCKET, help="The socket of herdd.")
@click.option(
    "--role",
    type=click.Choice(["observer", "moderator", "admin"]),
    default="moderator",
    help="No more than that [moderator]; nor more than the user has that this runs as.",
)
@click.option("--as", "person", metavar="NAME", help="Who it is, for the log of who did what.")
def _command(socket: str, role: str, person: str | None) -> Any:
    """Do what $SSH_ORIGINAL_COMMAND asks for, for somebody elsewhere; in authorized_keys:

    restrict,command="herd remote --role moderator --as ann" ssh-ed25519 …
    """
    return socket, {"role": role, "person": person}


def remote(words: list[str]) -> Request:
    """The request of somebody elsewhere. Raises WrongUsage; ends the program as options.parse() does."""
    try:
        options = _command.main(words, prog_name="herd remote", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from error
    if not isinstance(options, tuple):
        raise SystemExit(0)
    request = parse(_asked(os.environ.get("SSH_ORIGINAL_COMMAND", "")))
    if request.socket is not None or request.action == "remote":
        raise WrongUsage("cannot choose where that goes from elsewhere; leave --socket and remote out")
    request.socket, request.represents = options
    request.arguments = [_sent(word) for word in request.arguments]
    return request


def _asked(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise WrongUsage(f"cannot read {text[:200]!r}: {error}; quote it as for a shell") from error
    words = words[1:] if words[:1] == ["herd"] else words
    if not words:
        raise WrongUsage("cannot do anything without an action; try: ssh HOST herd status")
    return words


def _sent(word: str) -> str:
    """A word; the name of standard input becomes one that herdd can open, for sshd gives a socket for it."""
    name = word.rpartition("=")[2]
    return word.removesuffix(name) + _held() if name == _STANDARD_INPUT else word


def _held() -> str:
    content = sys.stdin.buffer.read(_MOST + 1)
    if len(content) > _MOST:
        raise HerdError(f"cannot take what is sent: it has more than {_MOST} bytes; send less")
    # Open as long as this process lives.
    descriptor = os.memfd_create("herd")
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return f"/dev/fd/{descriptor}"
