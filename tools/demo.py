"""`make run`: herdd in the foreground with Jami, in a directory of its own, until Ctrl-C.

Without a configuration it makes one, with a demonstration account whose archive a real jamid writes. Another
configuration is run with `make run CONFIG=/path/to/herd.toml`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from archives import make

# A socket's path has at most 107 bytes, and Jami's own user must be able to pass through: not below a home.
USUAL = Path("/tmp/herd-demo") if os.geteuid() == 0 else Path(f"/tmp/herd-demo-{os.geteuid()}")

_CONFIGURATION = """\
[jami]

[[jami.account]]
archive = "{archive}"
rendezvous-point = true
"""


def prepare(directory: Path) -> None:
    """Make the directory, nobody else's to write in. Ends the program if it is somebody else's."""
    directory.mkdir(mode=0o755, exist_ok=True)
    status = directory.lstat()
    if directory.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        sys.exit(f"cannot use {directory}: others could write there; remove it and try again")


def configuration(directory: Path) -> Path:
    """The configuration that is there, or a new one with a new account."""
    path = directory / "herd.toml"
    if not path.exists():
        print("making a demonstration account with jamid …", flush=True)
        archive = directory / "demonstration.gz"
        trio.run(make, directory, ["demonstration"])
        path.write_text(_CONFIGURATION.format(archive=archive))
    return path


def main() -> None:
    """Prepare, say what to try, and become herdd."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else USUAL
    prepare(directory)
    config = Path(os.environ["CONFIG"]) if os.environ.get("CONFIG") else configuration(directory)
    herd = Path(sys.executable).with_name("herd")
    print(f"configuration: {config}")
    print("try in another shell; Ctrl-C here stops everything:")
    print(f"  export HERD_SOCKET={directory}/run/socket PATH={herd.parent}:$PATH")
    for words in ("status", "list-accounts jami", "list-account-details jami | recsel -p Account.username"):
        print(f"  herd {words}")
    print("  herd doc jami list-actions", flush=True)
    places = ["--runtime-dir", f"{directory}/run", "--state-dir", f"{directory}/state", "--log-dir", f"{directory}/log"]
    os.execv(herd.with_name("herdd"), ["herdd", "--config", str(config), *places])


if __name__ == "__main__":
    main()
