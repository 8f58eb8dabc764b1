"""The command line with options, parsed by click; a line of plain words never comes here."""

from __future__ import annotations

from typing import Any

import click

import herd
from herdctl.request import Request
from herdctl.usages import usage_of

_SETTINGS: dict[str, Any] = {
    # An action's own options are the daemon's to judge.
    "ignore_unknown_options": True,
}
_EXAMPLES = """\b
Examples:
  herd status
  herd start jami
  herd list-account-details jami | recsel -p Account.username
  herd ban-contact jami FINGERPRINT
  herd log jami -f
  herd log --all --since 2h
  herd watch jami
  herd reload root --dry-run
  herd doc jami list-actions

"herd log --help" says how an action is used, "herd setup --help" how a host is set
up; see also herd(1).

\b
Exit status: 0 done, 1 not done, 2 wrong usage, 3 status of a service that is not
running, 4 no such service or action, 5 herdd cannot be reached, 6 not allowed."""


@click.command(context_settings=_SETTINGS, epilog=_EXAMPLES, add_help_option=False)
@click.option("-s", "--socket", metavar="PATH", help="The socket of herdd [/run/herd/socket].")
@click.option("--json", is_flag=True, help="Print the result as JSON.")
@click.option("-f", "--follow", is_flag=True, help="With log, audit: go on with the lines to come.")
@click.option("-n", "--lines", type=click.IntRange(0, 100_000), help="With log, audit: that many lines [20].")
@click.option(
    "--since", metavar="WHEN", help="With log, audit: lines from then on (10m, 2h, 3d, 10:00, '2026-11-21 10:00')."
)
@click.option("--all", "every", is_flag=True, help="With log: of herdd and every service.")
@click.version_option(herd.__version__, "--version", prog_name="herd")
@click.option("-h", "--help", "is_help", is_flag=True, help="Show this, or how an action is used, and exit.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="ACTION [SERVICE [ARG]...]")
def _command(socket: str | None, json: bool, is_help: bool, words: tuple[str, ...], **log: Any) -> Request | None:
    """Apply ACTION (start, stop, status …) to SERVICE; without SERVICE to root, herdd itself."""
    if is_help:
        return _help(socket, [word for word in words if not word.startswith("-")])
    if not words:
        raise click.UsageError("cannot do anything without an action; try: herd status")
    if words[0].startswith("-"):
        raise click.UsageError(f"cannot read the option {words[0]}; see: herd --help")
    if words[0] not in ("log", "audit") and any(value is not None and value is not False for value in log.values()):
        raise click.UsageError(
            f"cannot {words[0]} with --follow, --lines, --since or --all: they belong to log and audit"
        )
    return Request(list(words), socket=socket, json=json, **log)


def _help(socket: str | None, words: list[str]) -> Request | None:
    """Print it; what an action of a service's own does, herdd is asked."""
    text = usage_of(words) if words else click.get_current_context().get_help() + "\n"
    if text is None and len(words) > 1:
        return Request(["doc", words[1], words[0]], socket=socket)
    click.echo(text or f"Usage: herd {words[0]} SERVICE [ARG]...\n\nSee: herd doc SERVICE {words[0]}\n", nl=False)
    return None


def parse(words: list[str]) -> Request:
    """The request of a command line; ends the program after --help, --version and wrong usage (status 2)."""
    try:
        request: Request = _command.main(words, prog_name="herd", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from error
    if not isinstance(request, Request):
        # --help and --version have printed what was asked for.
        raise SystemExit(0)
    return request
