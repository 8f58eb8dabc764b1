"""Encrypted archives: imported with the password from its file, kept like others, and the password seen nowhere."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herd_services.jami import calls
from jami import FRIEND, Archive, devices, secret_account, seen, table
from support import Daemon, herdd, short_directory

# That of the archive `secret`.
_PASSWORD = "correct horse"


@pytest.fixture
def place() -> Iterator[Path]:
    """For herdd and the file of the password."""
    with short_directory() as directory:
        yield directory


def _file(directory: Path, content: bytes = f"{_PASSWORD}\nnot this\n".encode(), mode: int = 0o600) -> Path:
    path = directory / "password"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def _warnings(daemon: Daemon) -> list[str]:
    warnings: list[str] = daemon.until_status("jami", "running")["warnings"]
    return warnings


def test_an_encrypted_archive_is_imported_kept_and_as_declared(archives: dict[str, Archive], place: Path) -> None:
    secret = archives["secret"]
    keys: dict[str, Any] = {"rendezvous_point": True, "moderators": [FRIEND], "allowed_contacts": [FRIEND]}
    config = table(secret_account(secret, _file(place), **keys), {"archive": archives["dummy"].path})
    with herdd(config, directory=place) as daemon:
        assert _warnings(daemon) == []
        before = devices(daemon)
        assert before.keys() == {secret.fingerprint, archives["dummy"].fingerprint}
        account = seen(daemon, secret.fingerprint)
        assert account.details["Account.rendezVous"] == "true"
        assert account.details[calls.HAS_PASSWORD] == "true"
        assert account.moderators == account.contacts == {FRIEND}
    with herdd(config, directory=place) as daemon:
        assert _warnings(daemon) == []
        assert devices(daemon) == before
    with herdd(table(secret_account(secret, _file(place))), directory=place) as daemon:
        # What the archive said was seen when it was imported.
        assert _warnings(daemon) == []
        assert seen(daemon, secret.fingerprint).details["Account.rendezVous"] == "false"


def test_the_password_is_seen_nowhere(archives: dict[str, Archive], place: Path) -> None:
    file = _file(place)
    config = table(secret_account(archives["secret"], file), debug=True, enable_logging=False)
    with herdd(config, directory=place) as daemon:
        assert _warnings(daemon) == []
        daemon.herd("export-account", "jami", archives["secret"].fingerprint, str(place / "out.gz"))
        told = subprocess.run(
            ["grep", "-rlF", "--exclude=password", _PASSWORD, str(place)], capture_output=True, text=True, check=False
        )
        assert told.stdout == ""
        for pid in (daemon.process.pid, daemon.status("jami")["mainPid"]):
            for name in ("cmdline", "environ"):
                assert _PASSWORD.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
        assert _PASSWORD not in "\n".join(daemon.lines)


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda file: file.write_bytes(b"another\n"), "jamid refuses it; correct the password in FILE, or export"),
        (lambda file: file.write_bytes(b""), "cannot read its password from FILE: its first line is empty"),
        (lambda file: file.write_bytes(b"\xff\n"), "cannot read its password from FILE: its first line is not UTF-8"),
        (lambda file: file.write_bytes(b"a\0b\n"), "cannot read its password from FILE: its first line has a NUL byte"),
        (lambda file: file.write_bytes(b"a" * 5000), "cannot read its password from FILE: File too large"),
        (Path.unlink, "cannot read its password from FILE: No such file or directory"),
        (lambda file: (file.unlink(), file.mkdir()), "cannot read its password from FILE: Is a directory"),
        (lambda file: _pipe(file), "cannot read its password from FILE: not a regular file"),
    ],
    ids=["wrong", "empty", "binary", "NUL", "long", "missing", "directory", "pipe"],
)
def test_a_password_that_does_not_fit_is_a_warning(
    archives: dict[str, Archive], place: Path, spoil: Any, reason: str
) -> None:
    file, secret = _file(place), archives["secret"]
    spoil(file)
    with herdd(table(secret_account(secret, file), {"archive": archives["dummy"].path}), directory=place) as daemon:
        (warning,) = _warnings(daemon)
        assert warning.startswith(f"cannot import {secret.path}: ")
        assert reason.replace("FILE", str(file)) in warning
        assert devices(daemon).keys() == {archives["dummy"].fingerprint}


def test_a_file_that_others_can_read_and_one_that_is_not_needed_are_told(
    archives: dict[str, Archive], place: Path
) -> None:
    file, secret, dummy = _file(place, mode=0o644), archives["secret"], archives["dummy"]
    with herdd(table(secret_account(secret, file), secret_account(dummy, file)), directory=place) as daemon:
        assert set(_warnings(daemon)) == {
            f"others than its owner can read the password in {file}; try: chmod 600 {file}",
            f"the archive {dummy.path} is not encrypted; {file} is not needed",
        }
        assert devices(daemon).keys() == {secret.fingerprint, dummy.fingerprint}


def test_one_account_in_two_encrypted_archives_is_served_once(archives: dict[str, Archive], place: Path) -> None:
    file, secret = _file(place), archives["secret"]
    copy = Archive(place / "copy.gz", secret.fingerprint, "copy")
    copy.path.write_bytes(secret.path.read_bytes())
    with herdd(table(secret_account(secret, file), secret_account(copy, file)), directory=place) as daemon:
        (warning,) = _warnings(daemon)
        assert warning.startswith(f"cannot import {copy.path}: it holds the same account as {secret.path}")
        assert devices(daemon).keys() == {secret.fingerprint}
        before = devices(daemon)
        daemon.herd("restart", "jami")
        assert devices(daemon) == before


def test_an_account_exported_with_its_password_takes_the_place_of_itself(
    archives: dict[str, Archive], place: Path
) -> None:
    file, secret = _file(place), archives["secret"]
    archive = Archive(place / "secret.gz", secret.fingerprint, "secret")
    archive.path.write_bytes(secret.path.read_bytes())
    with herdd(table(secret_account(archive, file)), directory=place) as daemon:
        assert _warnings(daemon) == []
        before = devices(daemon)
        archive.path.unlink()
        words = ["export-account", "jami", secret.fingerprint, str(archive.path), "--password-file", str(file)]
        done = daemon.herd(*words)
        assert (done.returncode, done.stderr) == (0, "")
        # Each export is another file, encrypted anew.
        assert archive.path.read_bytes() != secret.path.read_bytes()
        assert not archive.path.read_bytes().startswith(b"\x1f\x8b")
        assert daemon.herd("restart", "jami").stderr == ""
        assert devices(daemon).keys() == before.keys()
        assert devices(daemon) != before
