"""Addresses of sockets, as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from herd.core.endpoint import Endpoint, parse_endpoint


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
        ("[2001:DB8:0::1]:65535", ("2001:db8::1", 65535)),
        (":80", ("*", 80)),
        ("*:80", ("*", 80)),
        ("/run/web/socket", Path("/run/web/socket")),
        ("/run/we:80", Path("/run/we:80")),
        ("/" + "x" * 106, Path("/" + "x" * 106)),
    ],
)
def test_addresses(text: str, address: Path | tuple[str, int]) -> None:
    assert parse_endpoint(text) == Endpoint(address)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "neither"),
        ("80", "neither"),
        ("run/web", "neither"),
        ("127.0.0.1:", "neither"),
        ("127.0.0.1:http", "neither"),
        ("127.0.0.1:-1", "neither"),
        ("::1:80", "an IPv6 address stands in brackets"),
        ("127.0.0.1:0", "0 is no port"),
        ("127.0.0.1:65536", "65536 is no port"),
        ("127.0.0.1:٨٠", "neither"),
        ("localhost:80", "localhost is no IP address"),
        ("127.0.0.256:80", "127.0.0.256 is no IP address"),
        ("[]:80", "is no IP address"),
        ("[127.0.0.1]:80", "no IPv6 address"),
        ("127.0.0.1:80\n", "neither"),
        ("/" + "x" * 107, "at most 107 bytes"),
        ("/run/a\0b", "NUL"),
    ],
)
def test_what_is_no_address(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_endpoint(text)


@pytest.mark.parametrize("name", ["", "a:b", "a b", "é", "x" * 256, "a\n"])
def test_what_cannot_stand_between_the_colons_of_the_names(name: str) -> None:
    with pytest.raises(ValueError, match="no name for a socket"):
        parse_endpoint(":80", name=name)


def test_the_rest_is_kept() -> None:
    endpoint = parse_endpoint(":53", "datagram", "dns", 7, 0o660)
    assert endpoint == Endpoint(("*", 53), "datagram", "dns", 7, 0o660)
