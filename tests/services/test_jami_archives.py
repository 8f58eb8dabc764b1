"""Archives that cannot be imported: each is a warning that names it and says why; the other accounts are served."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jami import Archive, fingerprints, table
from support import Daemon, herdd, short_directory

# What is bad, and the words that say so.
_REASONS = {
    "missing": "No such file or directory",
    "directory": "Is a directory",
    "empty": "it is empty",
    "corrupt": "it is corrupt",
    "truncated": "it is corrupt",
    "nojson": "its content is not JSON",
    "list": "its content is not a JSON object",
    "nokeys": "it has no ringAccountKey",
    "nameless": "it names no account",
    "badkeys": "jamid refuses it",
    "text": "it is encrypted or no account archive",
    "secret": "it is encrypted or no account archive",
    "again": "it holds the same account as",
}


def _spoil(good: Path, directory: Path) -> None:
    content = good.read_bytes()
    details = json.loads(gzip.decompress(content))
    middle = len(content) // 2
    without = {key: value for key, value in details.items() if key != "ringAccountKey"}
    files = {
        "empty": b"",
        "corrupt": content[:middle]
        + bytes(byte ^ 0xFF for byte in content[middle : middle + 64])
        + content[middle + 64 :],
        "truncated": content[:middle],
        "nojson": gzip.compress(b"no JSON"),
        "list": gzip.compress(b"[]"),
        "nokeys": gzip.compress(json.dumps(without).encode()),
        "nameless": gzip.compress(json.dumps(details | {"Account.username": "dummy"}).encode()),
        "badkeys": gzip.compress(
            json.dumps(details | {"ringAccountKey": "AAAA", "Account.username": "a" * 40}).encode()
        ),
        "text": b"this is no archive\n",
        "again": content,
    }
    for name, bad in files.items():
        (directory / f"{name}.gz").write_bytes(bad)
    (directory / "directory.gz").mkdir()


@pytest.fixture(scope="module")
def paths(archives: dict[str, Archive]) -> Iterator[dict[str, Path]]:
    """The bad archives by what is bad."""
    with short_directory() as directory:
        _spoil(archives["dummy"].path, directory)
        yield {name: directory / f"{name}.gz" for name in _REASONS} | {"secret": archives["secret"].path}


@pytest.fixture(scope="module")
def daemon(paths: dict[str, Path], archives: dict[str, Archive]) -> Iterator[Daemon]:
    """A daemon with all of them between two good ones."""
    good, other = archives["dummy"].path, archives["other"].path
    config = table({"archive": good}, *({"archive": path} for path in paths.values()), {"archive": other})
    with herdd(config) as daemon:
        daemon.until_status("jami", "running")
        yield daemon


@pytest.mark.parametrize("kind", _REASONS)
def test_a_bad_archive_is_named_with_its_fault(daemon: Daemon, paths: dict[str, Path], kind: str) -> None:
    found = [
        warning for warning in daemon.status("jami")["warnings"] if warning.split(":")[0].endswith(str(paths[kind]))
    ]
    assert len(found) == 1
    assert found[0].startswith("cannot ")
    assert _REASONS[kind] in found[0]


def test_each_is_told_before_any_account_is_imported(daemon: Daemon, paths: dict[str, Path]) -> None:
    # jamid takes seconds to import; only what jamid alone can tell is told when it has looked.
    running = daemon.lines.index(daemon.said("Service jami is running"))
    told = {kind: daemon.lines.index(daemon.said(f"{path}:")) for kind, path in paths.items()}
    assert all(place < running for place in told.values())
    assert max(told, key=told.__getitem__) == "badkeys"


def test_the_other_accounts_are_served(daemon: Daemon, archives: dict[str, Archive]) -> None:
    assert set(fingerprints(daemon)) == {archives["dummy"].fingerprint, archives["other"].fingerprint}
    assert daemon.herd("list-accounts", "jami").stdout.count("  - ") == 2


def test_nothing_of_them_stays_behind(daemon: Daemon) -> None:
    assert list((daemon.services_dir / "jami" / "archives").iterdir()) == []


def test_status_and_start_tell_of_them(daemon: Daemon, paths: dict[str, Path]) -> None:
    told = daemon.herd("status", "jami")
    assert told.returncode == 0
    warnings = daemon.status("jami")["warnings"]
    assert len(warnings) == len(paths)
    for warning in warnings:
        assert f"  Warning: {warning}\n" in told.stdout
    daemon.herd("stop", "jami")
    started = daemon.herd("start", "jami")
    assert (started.returncode, started.stdout) == (0, "Service jami has been started.\n")
    assert sorted(started.stderr.splitlines()) == sorted(f"herd: warning: {warning}" for warning in warnings)


def test_an_archive_mended_meanwhile_is_served_at_the_next_start(archives: dict[str, Archive]) -> None:
    with short_directory() as directory:
        late = directory / "late.gz"
        with herdd(table({"archive": late})) as daemon:
            daemon.until_status("jami", "running")
            assert fingerprints(daemon) == []
            late.write_bytes(archives["dummy"].path.read_bytes())
            restarted = daemon.herd("restart", "jami")
            assert (restarted.returncode, restarted.stderr) == (0, "")
            assert fingerprints(daemon) == [archives["dummy"].fingerprint]
            assert daemon.status("jami")["warnings"] == []
