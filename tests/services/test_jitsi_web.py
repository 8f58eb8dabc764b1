"""The web server of Jitsi Meet under a real herdd: a real nginx before a real Prosody, and a browser's side of it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from attrs import evolve

from browser import Browser, Guest, browser, with_web
from herd.core.symptom import recognised
from herd_services.jitsi.web.configuration import NginxConfiguration
from herd_services.jitsi.web.nginx_file import Ways
from herd_services.jitsi.web.symptoms import OF_NGINX
from meet import DOMAIN, Meet, certificate, running
from nginx import alone, command, lay_out
from ports import free_ports
from support import PATIENCE, Daemon, herdd, lives, short_directory

CONFERENCE = f"talk@conference.{DOMAIN}"


@pytest.fixture(scope="module")
def served(programs: tuple[Path, Path]) -> Iterator[tuple[Meet, Daemon, Browser]]:
    """All of it runs, with two bridges; tests leave it as they found it."""
    with with_web(programs, bridges=2) as it, running(it) as daemon:
        started(daemon)
        yield it, daemon, browser(it, daemon)


def started(daemon: Daemon) -> None:
    done = daemon.herd("start", "nginx")
    assert done.returncode == 0, (done.stderr, daemon.written("nginx"))


def test_somebody_comes_in_by_bosh(served: tuple[Meet, Daemon, Browser]) -> None:
    _, _, client = served
    told = client.configuration()
    guest = Guest(client, urlsplit(told["bosh"]).path)
    assert str(guest.address).endswith(f"@{DOMAIN}/{str(guest.address).rpartition('/')[2]}")
    # Nobody but Jicofo makes rooms, and it makes one for whoever asks it.
    assert guest.enter(CONFERENCE) == "not-allowed"
    asked = json.dumps({"room": CONFERENCE, "properties": {}})
    answer = client.ask(urlsplit(told["conferenceRequestUrl"]).path, asked, Content_Type="application/json")
    assert answer.status == 200
    assert json.loads(answer.text)["ready"] is True
    assert json.loads(answer.text)["focusJid"] == told["focusUserJid"]
    assert guest.enter(CONFERENCE) == "entered"


def test_pages_of_others_may_not_read_what_is_answered(served: tuple[Meet, Daemon, Browser]) -> None:
    _, _, client = served
    # Guest looks for what would allow it, in each answer.
    Guest(client, "/http-bind", origin="https://elsewhere.example")


def test_the_page_says_where_everything_is(served: tuple[Meet, Daemon, Browser]) -> None:
    it, _, client = served
    told = client.configuration()
    assert told["hosts"] == {"domain": DOMAIN, "muc": f"conference.{DOMAIN}"}
    assert told["bridgeChannel"] == {"preferSctp": False}
    urls = {name: urlsplit(value) for name, value in told.items() if "://" in str(value)}
    assert {(name, each.scheme) for name, each in urls.items()} == {
        ("bosh", "https"),
        ("websocket", "wss"),
        ("conferenceRequestUrl", "https"),
    }
    assert {each.netloc for each in urls.values()} == {f"{DOMAIN}:{it.further['nginx']['port']}"}
    assert client.ask(urls["bosh"].path).status == 200
    assert client.upgrade(urls["websocket"].path, "xmpp", Origin=f"https://{DOMAIN}").status == 101
    assert client.ask(urls["conferenceRequestUrl"].path).status == 405


def test_bridges_are_reached_by_their_names(served: tuple[Meet, Daemon, Browser]) -> None:
    it, daemon, client = served
    for each in it.jvb:
        written = json.loads((daemon.services_dir / f"jvb-{each['nickname']}" / "jvb.conf").read_text())["videobridge"]
        assert written["http-servers"]["public"] == {"host": "127.0.0.1", "port": each["websocket-port"]}
        domains = [f"{DOMAIN}:{it.further['nginx']['port']}"]
        expected = {"enabled": True, "domains": domains, "server-id": each["nickname"], "tls": True}
        assert written["websockets"] == expected
        # The double takes only what is for its own name.
        assert client.upgrade(f"/colibri-ws/{each['nickname']}/c0ffee/ann?pwd=x").status == 101
    assert client.upgrade("/colibri-ws/b3/c0ffee/ann").status == 404


def test_the_page_is_there_for_every_room(served: tuple[Meet, Daemon, Browser]) -> None:
    _, _, client = served
    page = client.ask("/")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html"
    # The page includes config.js.
    assert f'"muc": "conference.{DOMAIN}"' in page.text
    for room in ("/Talk", "/s%C3%A9ance%20one", "/a.b-c", "/%22%3Cscript%3E"):
        assert client.ask(room).text == page.text
    assert client.ask("/libs/app.js").text == "app\n"
    assert client.ask("/libs/app.js").headers["content-type"] == "application/javascript"
    assert client.ask("/external_api.js").text == "api\n"
    assert client.ask("/libs/nothing.js").status == 404
    assert client.ask("/config.js").headers["cache-control"] == "no-cache"
    for path in ("/../nginx.conf", "/libs/..%2f..%2fetc/passwd", "/%2e%2e/etc/passwd"):
        assert client.ask(path).status in (400, 404)


def test_it_runs_as_its_own_user_with_herdds_sockets(served: tuple[Meet, Daemon, Browser]) -> None:
    it, daemon, _ = served
    master = psutil.Process(daemon.status("nginx")["mainPid"])
    family = [master, *master.children(recursive=True)]
    assert len(family) > 1
    if os.geteuid() == 0:
        assert {each.username() for each in family} == {"nobody"}
        assert it.further["nginx"]["port"] < 1024
    # A process that waits in accept(2) would serve nobody whom it has already.
    for number in (3, 4):
        flags = Path(f"/proc/{master.pid}/fdinfo/{number}").read_text().partition("flags:")[2].split()[0]
        assert int(flags, 8) & os.O_NONBLOCK
    said = daemon.herd("status", "nginx").stdout
    assert str(it.further["nginx"]["port"]) in said
    assert str(it.further["nginx"]["http-port"]) in said
    for file in (
        daemon.services_dir / "nginx" / "nginx.conf",
        daemon.state_dir / "nginx/certificates" / f"{DOMAIN}.key",
    ):
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.owner() == family[0].username()


def test_it_checks_itself(served: tuple[Meet, Daemon, Browser]) -> None:
    _, daemon, _ = served
    before = daemon.written("nginx")
    done = daemon.herd("check", "nginx")
    assert done.returncode == 0, done.stdout
    assert "  - " not in done.stdout
    # nginx complains of nothing that is asked.
    assert before[0].endswith('using inherited sockets from "3;4;"')
    assert daemon.written("nginx") == before


def test_whoever_comes_without_encryption_is_sent_to_it(programs: tuple[Path, Path]) -> None:
    with with_web(programs) as it, short_directory() as challenges:
        (challenges / ".well-known" / "acme-challenge").mkdir(parents=True)
        for each in (challenges / ".well-known", challenges / ".well-known" / "acme-challenge"):
            each.chmod(0o755)
        (challenges / ".well-known" / "acme-challenge" / "token").write_text("of mine\n")
        it.further["nginx"]["acme-directory"] = str(challenges)
        with running(it) as daemon:
            started(daemon)
            assert _plain(it, "/talk?x=1") == (301, f"https://{DOMAIN}:{it.further['nginx']['port']}/talk?x=1", "")
            assert _plain(it, "/.well-known/acme-challenge/token") == (200, "", "of mine\n")
            assert _plain(it, "/.well-known/acme-challenge/../../x")[0] != 200


def _plain(it: Meet, path: str) -> tuple[int, str, str]:
    """The status, where it sends to, and the text unless it sends."""
    connection = http.client.HTTPConnection("127.0.0.1", it.further["nginx"]["http-port"], timeout=PATIENCE)
    connection.request("GET", path, headers={"Host": "elsewhere.example"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    to = answer.headers["Location"] or ""
    return answer.status, to, "" if to else text


def test_nobody_is_turned_away_while_it_restarts(programs: tuple[Path, Path]) -> None:
    with with_web(programs) as it, running(it) as daemon:
        started(daemon)
        client = browser(it, daemon)
        master = psutil.Process(daemon.status("nginx")["mainPid"])
        workers = master.children()
        assert workers
        master.kill()
        # Whom one of them has taken in goes with it.
        while any(lives(each.pid) for each in workers):
            pass
        # herdd listens all the time: whoever comes meanwhile waits.
        assert client.ask("/config.js").status == 200
        daemon.until("nginx", lambda facts: facts["status"] == "running" and facts["mainPid"] not in (None, master.pid))
        assert daemon.herd("restart", "nginx").returncode == 0
        assert client.ask("/config.js").status == 200
        assert daemon.herd("check", "nginx").returncode == 0
        assert daemon.herd("stop", "nginx").returncode == 0
        with pytest.raises(ConnectionRefusedError):
            client.connected()


def test_a_renewed_certificate_is_shown_without_a_restart(programs: tuple[Path, Path]) -> None:
    with with_web(programs) as it, short_directory() as directory:
        it.further["nginx"] |= certificate(directory, (DOMAIN,))
        with running(it) as daemon:
            started(daemon)
            client, pid = browser(it, daemon), daemon.status("nginx")["mainPid"]
            assert client.shown() == (directory / "mine.crt").read_text()
            # Where somebody can trust it, nobody shall come without it.
            assert client.ask("/").headers["strict-transport-security"] == "max-age=63072000"
            certificate(directory, ("elsewhere.example.org",))
            daemon.said("nginx: cannot use the certificate")
            certificate(directory, (DOMAIN,), days=60)
            daemon.said("nginx: its certificate was renewed.")
            _until_shown(client, (directory / "mine.crt").read_text())
            assert daemon.status("nginx")["mainPid"] == pid
            assert daemon.herd("reload-certificates", "nginx").stdout.startswith(
                "The certificate is the same, good until "
            )


def _until_shown(client: Browser, wanted: str) -> None:
    """Return once it shows the certificate, which it reads when it has the time."""
    end = time.monotonic() + PATIENCE
    while client.shown() != wanted:
        assert time.monotonic() < end


def test_what_is_wrong_is_told_before_anything_is_started(programs: tuple[Path, Path]) -> None:
    with with_web(programs) as it, herdd(it.text()) as daemon:
        with socket.create_server(("127.0.0.1", it.further["nginx"]["port"])):
            said = daemon.herd("start", "nginx").stderr
            assert "cannot start nginx: process " in said
            assert f"has port {it.further['nginx']['port']}; end that, or choose another: port = … in [nginx]" in said
        with socket.create_server(("127.0.0.1", it.further["nginx"]["http-port"])):
            assert "choose another: http-port = … in [nginx]" in daemon.herd("start", "nginx").stderr
        with socket.create_server(("127.0.0.1", it.jvb[0]["websocket-port"])):
            assert "choose another: websocket-port = … in [[jvb]]" in daemon.herd("start", "jvb").stderr
        (Path(it.further["nginx"]["static"]) / "index.html").unlink()
        said = daemon.herd("start", "nginx").stderr
        assert f"cannot start nginx: there is no index.html in {it.further['nginx']['static']}" in said
        assert "install the Jitsi project's package jitsi-meet-web, or name another directory: static" in said
        assert all(daemon.status(name)["mainPid"] is None for name in ("nginx", "prosody", "jicofo", "jvb"))
        it.further["nginx"] |= certificate(Path(it.further["nginx"]["static"]), ("elsewhere.example.org",))
        (Path(it.further["nginx"]["static"]) / "index.html").write_text("")
        daemon.config.write_text(it.text())
        assert daemon.herd("reload", "root").returncode == 0
        assert "mine.crt: the certificate is not for meet.example.org" in daemon.herd("start", "nginx").stderr
        it.further["nginx"]["program"] = "/nowhere/nginx"
        daemon.config.write_text(it.text())
        assert daemon.herd("reload", "root").returncode == 0
        said = daemon.herd("start", "nginx").stderr
        assert "there is no program /nowhere/nginx; install the package nginx-light" in said


def test_check_names_who_does_not_answer(programs: tuple[Path, Path]) -> None:
    with with_web(programs) as it, running(it) as daemon:
        started(daemon)
        shutil.rmtree(it.further["nginx"]["static"])
        Path(it.further["nginx"]["static"]).mkdir(mode=0o755)
        assert daemon.herd("stop", "jvb").returncode == 0
        done = daemon.herd("check", "nginx")
        assert done.returncode == 1
        assert "  - it shows the page: not so: it answers 404 to /herdd\n" in done.stdout
        assert "  - it leads to the bridge b1: not so: it answers 502 to /colibri-ws/b1/\n" in done.stdout
        assert "Likely: a bridge does not answer it; see: herd status jvb, and herd check jvb.\n" in done.stdout
        assert done.stdout.count("not so") == 2


@pytest.mark.parametrize(
    ("path", "cause"),
    [("/http-bind", "Prosody"), ("/xmpp-websocket", "Prosody"), ("/conference-request/v1", "Jicofo")],
)
def test_what_nginx_says_of_those_behind_it_is_recognised(tmp_path: Path, path: str, cause: str) -> None:
    tmp_path.chmod(0o755)
    port, http_port, nobody = free_ports(3)
    read = NginxConfiguration(port=port, http_port=http_port, static=tmp_path)
    with alone(tmp_path, read, Ways(nobody, nobody)) as (client, said):
        assert client.ask(path).status == 502
    assert [each.cause for each in recognised(OF_NGINX, said)] == [f"{cause} does not answer it"]


def test_what_nginx_says_of_taken_ports_and_bad_files_is_recognised(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    port, http_port, nobody = free_ports(3)
    read = NginxConfiguration(port=port, http_port=http_port, static=tmp_path)
    causes: dict[str, Callable[[], AbstractContextManager[object]]] = {
        "another program has its port": lambda: socket.create_server(("127.0.0.1", port)),
        "its certificate or key is of no use": lambda: (tmp_path / "key").open("w"),
    }
    for cause, spoil in causes.items():
        lay_out(tmp_path, evolve(read, interfaces=("127.0.0.1",)), Ways(nobody, nobody))
        with spoil():
            done = subprocess.run(command(tmp_path), capture_output=True, text=True, check=False, timeout=PATIENCE)
        assert done.returncode == 1
        assert cause in [each.cause for each in recognised(OF_NGINX, done.stderr.splitlines())], done.stderr


def test_the_next_herdd_knows_it_again(programs: tuple[Path, Path]) -> None:
    with with_web(programs) as it, short_directory() as place:
        with herdd(it.text(), directory=place, ends=False) as daemon:
            started(daemon)
            pid = daemon.status("nginx")["mainPid"]
            daemon.remembered("nginx")
            daemon.end(signal.SIGKILL)
        workers = psutil.Process(pid).children()
        with herdd(it.text(), directory=place) as daemon:
            assert daemon.until_status("nginx", "running")["mainPid"] == pid
            client = browser(it, daemon)
            assert client.ask("/config.js").status == 200
            os.kill(pid, signal.SIGKILL)
            daemon.until("nginx", lambda facts: facts["status"] == "running" and facts["mainPid"] not in (None, pid))
            assert not any(lives(each.pid) for each in workers)
            assert client.ask("/config.js").status == 200


def test_what_an_administrator_adds_prevails(programs: tuple[Path, Path]) -> None:
    with with_web(programs) as it, short_directory() as directory:
        odd = directory / "a b;{}'\"#\\ é"
        shutil.copytree(it.further["nginx"]["static"], odd)
        odd.chmod(0o755)
        it.further["nginx"]["static"] = str(odd)
        it.further["nginx"]["config"] = {
            "hosts": {"anonymousdomain": "guest.x"},
            "bosh": "</script><!--#echo var='x' -->",
        }
        it.further["nginx"]["extra"] = {
            "ssl_protocols": "TLSv1.2",
            "client_max_body_size": "1k",
            "etag": False,
            "add_header": [["X-One", 'a "b"; c {} \\ #', "always"], ["X-Two", "$host"]],
        }
        with running(it) as daemon:
            started(daemon)
            client = browser(it, daemon)
            told = client.configuration()
            assert told["bosh"] == "</script><!--#echo var='x' -->"
            assert told["hosts"]["anonymousdomain"] == "guest.x"
            assert told["hosts"]["domain"] == DOMAIN
            page = client.ask("/talk")
            assert page.text.count("</script>") == 1
            assert page.headers["x-one"] == 'a "b"; c {} \\ #'
            assert page.headers["x-two"] == DOMAIN
            assert "etag" not in client.ask("/libs/app.js").headers
            assert client.ask("/http-bind", "x" * 2000).status == 413
            with client.connected() as connection:
                assert connection.version() == "TLSv1.2"
