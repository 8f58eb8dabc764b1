"""A contact by its registered name: resolved by the account's name server, or refused; never passed on.

The name server is a double: the real one is on the Internet alone. It answers as ns.jami.net does (GET /name/NAME).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jami import STRANGER, Archive, seen, table
from support import Daemon, herdd


class _NameServerDouble(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path == "/name/alice"
        body = {"name": "alice", "addr": f"0x{STRANGER}"} if known else {"error": "name not registred"}
        content = json.dumps(body).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def _name_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _NameServerDouble) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def daemon(archives: dict[str, Archive]) -> Iterator[Daemon]:
    """A daemon with an account whose name server is ours."""
    with _name_server() as url, herdd(table({"archive": archives["dummy"].path, "name_server_uri": url})) as daemon:
        daemon.until_status("jami", "running")
        yield daemon


def test_a_registered_name_is_resolved(daemon: Daemon, archives: dict[str, Archive]) -> None:
    fingerprint = archives["dummy"].fingerprint
    done = daemon.herd("ban-contact", "jami", "alice", fingerprint)
    assert (done.stdout, done.stderr) == (f"{STRANGER} is banned from account {fingerprint}.\n", "")
    assert seen(daemon, fingerprint).banned == {STRANGER}


def test_a_name_that_nobody_registered_is_refused(daemon: Daemon, archives: dict[str, Archive]) -> None:
    before = seen(daemon, archives["dummy"].fingerprint)
    done = daemon.herd("ban-contact", "jami", "mallory")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "herd: cannot take 'mallory' for a contact: no name server knows it, and a fingerprint is 40 hexadecimal "
        "digits; see: herd list-contacts jami\n"
    )
    assert seen(daemon, archives["dummy"].fingerprint) == before


@pytest.mark.parametrize("word", [f"jami:{STRANGER}", f"{STRANGER}0", "al", "alice@example.org", "", "a b", "x" * 33])
def test_what_is_no_name_is_never_passed_on(daemon: Daemon, word: str) -> None:
    done = daemon.herd("ban-contact", "jami", word)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"cannot take {word!r} for a contact" in done.stderr
