"""nginx.conf and config.js: what a real nginx thinks of ours, and what is refused before it would see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from herd.core.errors import ConfigurationError
from herd.core.service import Surroundings
from herd.daemon.config import load
from herd_services.jitsi.deployment import Deployment
from herd_services.jitsi.web.configuration import NginxConfiguration
from herd_services.jitsi.web.nginx_file import Ways
from herd_services.jitsi.web.page import page_configuration
from nginx import judged, lay_out
from ports import free_ports
from support import toml

HOSTILE = [
    "a b",
    "a;b",
    "a{b",
    "a}b",
    "a'b",
    'a"b',
    "a#b",
    "a\\b",
    "a\\",
    'a\\"b',
    "séance",
    "a\u2028b",
    "include",
    "a" * 200,
]


def written(directory: Path, read: NginxConfiguration, ways: Ways, *, is_dual: bool = True) -> str:
    """What a real nginx thinks of the file."""
    lay_out(directory, read, ways, is_dual=is_dual)
    return judged(directory)


def configuration(**keys: Any) -> NginxConfiguration:
    port, http_port = free_ports(2)
    return NginxConfiguration(port=port, http_port=http_port, **keys)


@pytest.mark.parametrize("interfaces", [("*",), ("127.0.0.1",), ("127.0.0.1", "::1")])
@pytest.mark.parametrize("is_dual", [True, False])
def test_nginx_takes_the_file(tmp_path: Path, interfaces: tuple[str, ...], is_dual: bool) -> None:
    read = configuration(interfaces=interfaces, acme_directory=tmp_path)
    assert written(tmp_path, read, Ways(5280, 8888, (("b1", 9090), ("b-2.x_y", 9091))), is_dual=is_dual) == "good"


def test_nothing_but_https_if_so_wanted(tmp_path: Path) -> None:
    read = NginxConfiguration(port=free_ports(1)[0], http_port=0)
    assert written(tmp_path, read, Ways(5280, 8888)) == "good"
    assert "return 301" not in (tmp_path / "nginx.conf").read_text()


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_directories_are_only_that(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    read = configuration(static=place, acme_directory=place)
    assert written(place, read, Ways(5280, 8888, ((name, 9090),))) == "good"


@pytest.mark.parametrize("value", [*HOSTILE, ""])
def test_arguments_are_one_each(tmp_path: Path, value: str) -> None:
    read = configuration(extra={"add_header": ["X-Test", value]})
    assert written(tmp_path, read, Ways(5280, 8888)) == "good"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"static": "/srv/$x"}, "[nginx] static: '/srv/$x' cannot stand in nginx's file"),
        ({"static": "/srv/a\nb"}, "cannot stand in nginx's file"),
        ({"static": "srv"}, '[nginx] static: "srv" is not an absolute path'),
        ({"acme-directory": "/srv/$x"}, "[nginx] acme-directory: "),
        ({"extra": {"a b": "x"}}, "[nginx] extra: 'a b' is no directive of nginx"),
        ({"extra": {"return": "a\nb"}}, "cannot stand in nginx's file; take out control characters"),
        ({"extra": {"return": {"a": 1}}}, "is no argument of nginx"),
        ({"extra": {"return": 1.5}}, "is no argument of nginx"),
        ({"extra": {"listen": 80}}, "'listen' is made of domain, interfaces, port"),
        ({"extra": {"add_header": "x" * 3000}}, "or some of its length"),
        ({"interfaces": ["localhost"]}, "'localhost' does not appear to be an IPv4 or IPv6 address"),
        ({"interfaces": ["*", "127.0.0.1"]}, 'or "*" alone'),
        ({"interfaces": []}, "name addresses"),
        ({"port": 0}, "[nginx] port: it must be >= 1"),
        ({"port": 8443, "http-port": 8443}, "[nginx] http-port: 8443 is port as well; choose another, or 0 for none"),
        ({"certificate": "/x"}, "cannot read [nginx]: certificate and key belong together"),
        ({"log-level": "loud"}, "[nginx] log-level"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, keys: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in _problems(tmp_path, keys)), _problems(tmp_path, keys)


def test_it_belongs_to_a_domain(tmp_path: Path) -> None:
    assert _problems(tmp_path, {}, jitsi="") == [
        'cannot read [nginx]: it belongs to [jitsi]; add that: domain = "meet.example.org"'
    ]
    (tmp_path / "herd.toml").write_text('[jitsi]\ndomain = "a.b"\n[[jvb]]\nwebsocket-port = 9000\n')
    with pytest.raises(ConfigurationError, match=r"websocket-port: browsers reach it by \[nginx\]"):
        load(tmp_path / "herd.toml", Surroundings(tmp_path, tmp_path, tmp_path, "root", is_root=True))


def test_directories_of_herdd_that_nginx_cannot_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "herd.toml").write_text('[jitsi]\ndomain = "a.b"\n[nginx]\n')
    odd = tmp_path / "$x"
    with pytest.raises(ConfigurationError, match="have herdd use directories without"):
        load(tmp_path / "herd.toml", Surroundings(odd, tmp_path, tmp_path, "root", is_root=True))


def _problems(directory: Path, keys: dict[str, Any], jitsi: str = '[jitsi]\ndomain = "a.b"\n') -> list[str]:
    text = "".join(f"{key} = {toml(value)}\n" for key, value in keys.items())
    (directory / "herd.toml").write_text(f"{jitsi}[nginx]\n{text}")
    with pytest.raises(ConfigurationError) as found:
        load(directory / "herd.toml", Surroundings(directory, directory, directory, "root", is_root=True))
    return list(found.value.problems)


def test_the_same_tables_make_the_same_service(tmp_path: Path) -> None:
    (tmp_path / "herd.toml").write_text('[jitsi]\ndomain = "a.b"\n[nginx]\n[nginx.extra]\netag = false\n')
    surroundings = Surroundings(tmp_path, tmp_path, tmp_path, "root", is_root=True)
    first, second = (load(tmp_path / "herd.toml", surroundings).services for _ in range(2))
    assert first == second
    assert [each.name for each in first] == ["prosody", "jicofo", "jvb", "nginx"]


def test_the_usual_port_is_not_in_the_page() -> None:
    text = page_configuration(Deployment("a.b", "jvbbrewery"), 443, {}).decode()
    assert '"https://a.b/http-bind"' in text
    assert "<" not in page_configuration(Deployment("a.b", "x"), 443, {"</a>": "</b>"}).decode()
