"""A real nginx for a test, with the file that herd_services writes; who is behind it is the test's to bring."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from browser import Browser
from herd_services.certificates import self_signed
from herd_services.jitsi.web.configuration import NginxConfiguration
from herd_services.jitsi.web.nginx_file import Files, Ways, nginx_configuration
from meet import DOMAIN
from support import PATIENCE

_KEY, _CERTIFICATE = self_signed((DOMAIN,), datetime.now(UTC))


def lay_out(directory: Path, read: NginxConfiguration, ways: Ways, *, is_dual: bool = True) -> Files:
    """All its files."""
    files = Files(directory, directory / "crt", directory / "key")
    files.key.write_bytes(_KEY)
    files.certificate.write_bytes(_CERTIFICATE)
    content = nginx_configuration(DOMAIN, read, files, ways, is_dual=is_dual, is_strict=True)
    files.configuration.write_bytes(content)
    files.page.write_text("var config = {};\n")
    return files


def command(directory: Path, *further: str) -> list[str]:
    """What runs it with them."""
    return ["/usr/sbin/nginx", *further, "-e", "stderr", "-p", str(directory), "-c", str(directory / "nginx.conf")]


def judged(directory: Path) -> str:
    """What it says of its file: it opens the sockets, so they are of ports that nobody has."""
    done = subprocess.run(command(directory, "-t"), capture_output=True, text=True, check=False, timeout=PATIENCE)
    return done.stderr if done.returncode else "good"


@contextmanager
def alone(directory: Path, read: NginxConfiguration, ways: Ways) -> Iterator[tuple[Browser, list[str]]]:
    """It runs, as whoever runs the test; the lines that it says are all there at the exit."""
    files = lay_out(directory, read, ways)
    said: list[str] = []
    with subprocess.Popen(
        command(directory, "-g", "error_log stderr notice;"), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        stream = process.stderr
        try:
            for line in stream:
                said.append(line)
                if "start worker process " in line:
                    break
            else:
                raise AssertionError("".join(said))
            reader = threading.Thread(target=lambda: said.extend(stream))
            reader.start()
            yield Browser(read.port, files.certificate), said
        finally:
            process.terminate()
            process.wait(PATIENCE)
        reader.join(PATIENCE)
