"""`herd setup`: what a package does for herdd, where it was installed by pip or pipx.

The files of herd/system are put where the administrator's belong, the manual pages of this installation where man
looks, the user and groups made, the units enabled and started. A configuration that is there is left as it is. The plan
is printed; a dry run does no more than that.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import click

from herd.core.errors import HerdError

_PACKAGED = Path("/usr/lib/systemd/system/herdd.service")
_UNITS = Path("/etc/systemd/system")
_SHARE = Path("/usr/local/share")
_RUNNING = Path("/run/systemd/system")
# It may hold passwords.
_CONFIGURATION = Path("/etc/herd/herd.toml")
# Where each file of herd/system belongs, and whether one that is there stays.
_PLACES = (
    ("herdd.service", _UNITS / "herdd.service", False),
    ("herdd.socket", _UNITS / "herdd.socket", False),
    ("sysusers.conf", Path("/etc/sysusers.d/herdctl.conf"), False),
    ("tmpfiles.conf", Path("/etc/tmpfiles.d/herdctl.conf"), False),
    ("herd.toml", _CONFIGURATION, True),
    ("completion/herd.bash", _SHARE / "bash-completion/completions/herd", False),
    ("completion/herd.zsh", _SHARE / "zsh/site-functions/_herd", False),
    # fish looks below /usr/local only where XDG_DATA_DIRS says so.
    ("completion/herd.fish", Path("/etc/fish/completions/herd.fish"), False),
)
# Of pip, and of pipx before 1.3 (Debian 12's), these stay where no man looks.
_PAGES = ("man1/herd.1", "man5/herd.toml.5", "man7/herd-protocol.7", "man8/herdd.8")
_COMMANDS = (
    ("systemd-sysusers", "herdctl.conf"),
    ("systemd-tmpfiles", "--create", "herdctl.conf"),
    ("systemctl", "enable", "herdd.service"),
)
# Only where systemd runs. A herdd that runs already is left alone: for a new one there is "herd upgrade root".
_AT_ONCE = (("systemctl", "daemon-reload"), ("systemctl", "start", "herdd.service"))


class File(NamedTuple):
    """A file to write, in a directory that is made where it is missing."""

    place: Path
    content: str
    mode: int = 0o644


def plan(bindir: Path, root: Path = Path("/")) -> tuple[list[File], list[Sequence[str]]]:
    """The files that are to be written, below `root`, and the commands to run then."""
    wanted = [(File(place, _content(name, bindir), _mode(place)), stays) for name, place, stays in _PLACES]
    wanted += [(page, False) for page in _pages(bindir)]
    written = []
    for file, stays in wanted:
        below = root / file.place.relative_to("/")
        if not (below.exists() and (stays or below.read_text() == file.content)):
            written.append(file._replace(place=below))
    return written, [*_COMMANDS, *(_AT_ONCE if _RUNNING.is_dir() else ())]


def _content(name: str, bindir: Path) -> str:
    return (files("herd") / "system" / name).read_text().replace("@bindir@", str(bindir))


def _mode(place: Path) -> int:
    return 0o640 if place == _CONFIGURATION else 0o644


def _pages(bindir: Path) -> list[File]:
    """Those that were installed with the command, which pipx has but linked into `bindir`."""
    share = (bindir / "herdd").resolve().parents[1] / "share/man"
    return [File(_SHARE / "man" / name, (share / name).read_text()) for name in _PAGES if (share / name).exists()]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def _command(dry_run: bool) -> None:
    """Make systemd start herdd at every boot, and now; put units, groups, manual pages and completion in place."""
    _set_up(click.echo, dry_run=dry_run)


def main(words: list[str]) -> int:
    """The exit status. Raises HerdError."""
    try:
        _command.main(words, prog_name="herd setup", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return 0


def _set_up(say: Callable[[str], None], *, dry_run: bool) -> None:
    if _PACKAGED.exists():
        raise HerdError("cannot set up herdd: its package has done so; start it with: systemctl start herdd")
    bindir = _own_bindir()
    if os.geteuid() == 0:
        _refuse_others(bindir)
    elif not dry_run:
        raise HerdError("cannot set up herdd: only root may; try herd setup --dry-run, or ask as root")
    written, commands = plan(bindir)
    # Everybody passes through the directories that are made.
    os.umask(0o022)
    for file in written:
        say(f"write {file.place}")
        if not dry_run:
            _write(file)
    for command in commands:
        say(f"run {' '.join(command)}")
        if not dry_run:
            _run(command)


def _own_bindir() -> Path:
    """Where this herd and its herdd are. Links are kept: pipx's stay where they are, and what is behind them moves."""
    found = shutil.which(sys.argv[0])
    if found is None or not (Path(found).parent / "herdd").exists():
        raise HerdError(
            f"cannot set up herdd: {sys.argv[0]} is no installed command; install herdctl with pipx, or pip"
        )
    return Path(found).absolute().parent


def _refuse_others(bindir: Path) -> None:
    """What root is to run at every boot, nobody else may replace. Raises HerdError."""
    for name in ("herd", "herdd"):
        if place := _others_place(bindir / name):
            raise HerdError(
                f"cannot set up herdd: others than root can change {place}, and root would run {bindir / name}; "
                + _remedy(place)
            )


def _remedy(place: Path) -> str:
    found = place.lstat()
    if found.st_uid == 0:
        # To install it anew may lead to the same place: /usr/local/bin is the group staff's on many a Debian.
        return f"keep them from it: chmod {'go-w' if found.st_mode & 0o002 else 'g-w'} {place}"
    return "install it with pipx as root (PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install herdctl)"


def _others_place(path: Path) -> Path | None:
    """The first place on the way to a file, through its links, that others than root own or can write to."""
    for place in (*reversed(path.parents), path):
        found = place.lstat()
        is_link = stat.S_ISLNK(found.st_mode)
        # A sticky directory keeps root's entries from those who share it.
        is_kept = is_link or (place != path and found.st_mode & stat.S_ISVTX)
        if found.st_uid != 0 or (_is_open(found) and not is_kept):
            return place
        if is_link and (beyond := _others_place(place.parent / place.readlink())):
            return beyond
    return None


def _is_open(found: os.stat_result) -> bool:
    """Whether its mode lets others than root write to it."""
    return bool(found.st_mode & 0o002 or (found.st_mode & 0o020 and _has_members(found.st_gid)))


def _has_members(gid: int) -> bool:
    """Whether anybody but root is in the group: as getent(1) lists users and groups."""
    users = pwd.getpwall()
    roots = {user.pw_name for user in users if user.pw_uid == 0}
    if any(user.pw_gid == gid and user.pw_uid != 0 for user in users):
        return True
    try:
        return not roots.issuperset(grp.getgrgid(gid).gr_mem)
    except KeyError:
        # Nobody knows of it: whoever was in it once may be still.
        return True


def _write(file: File) -> None:
    try:
        file.place.parent.mkdir(parents=True, exist_ok=True)
        # Not through a link: what it leads to is not ours to write (a mask leads to /dev/null).
        file.place.unlink(missing_ok=True)
        file.place.write_text(file.content)
        file.place.chmod(file.mode)
    except OSError as error:
        raise HerdError(f"cannot write {file.place}: {error.strerror}") from error


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise HerdError(f"cannot run {command[0]}: it is not there; herd setup is for hosts with systemd") from error
    except subprocess.CalledProcessError as error:
        raise HerdError(f"cannot go on: {' '.join(command)} failed; see above, and try again") from error
