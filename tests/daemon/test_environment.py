"""Environment files, whose quotes are those of systemd.exec(5)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from herd.daemon.environment import MAX_SIZE, parse_environment, read_environment


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("A=\n", ""),
        (" A = b c \t\n", "b c"),
        ("A=b\r\n", "b"),
        ("A=b=c", "b=c"),
        ("A=b # no comment", "b # no comment"),
        ("A=it's", "it's"),
        ("A='b  c'  ", "b  c"),
        ("A='a\\b'", "a\\b"),
        ('A="b # c "', "b # c "),
        (r'A="a\"b\\c\$d\`e\nf"', 'a"b\\c$d`e\\nf'),
        ("A=\"b\"'c'd", "bcd"),
        ('A="two\nlines"', "two\nlines"),
        ('A="one\\\nline"', "oneline"),
        ("A=one\\\nline", "oneline"),
        ("A=b\\ ", "b "),
        ("A=\\#b\\'", "#b'"),
        ("A=b\\", "b"),
        ("A='é'", "é"),
        ("A=first\nA=last", "last"),
        ("# B=1\n; C=2\n\n  # '\nA=b", "b"),
    ],
)
def test_values(text: str, value: str) -> None:
    assert parse_environment(text) == {"A": value}


def test_many_lines() -> None:
    assert parse_environment("A=1\n\nB='2'\n#\nC_3=x\\\ny\nd=4") == {"A": "1", "B": "2", "C_3": "xy", "d": "4"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A=1\nB", "line 2: it is not NAME=value"),
        ("A='x\ny'\nexport B=1", "line 3: it is not NAME=value"),
        ("1A=b", "line 1: it is not NAME=value"),
        ("=b", "line 1: it is not NAME=value"),
        ("\nA='b", "line 2: a quote that does not end"),
        ('A="b\\"', "line 1: a quote that does not end"),
        ("A=1\nB=b\0c", "line 2: a NUL byte"),
    ],
)
def test_mistakes_name_their_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_environment(text)


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "web.env"
    path.write_text("PASSWORD='a b'\n")
    assert read_environment(path) == {"PASSWORD": "a b"}
    path.write_text("PASSWORD\n")
    with pytest.raises(OSError, match="line 1: it is not NAME=value") as caught:
        read_environment(path)
    assert caught.value.filename == str(path)
    path.write_bytes(b"A=\xff")
    with pytest.raises(OSError, match="not UTF-8"):
        read_environment(path)
    path.write_bytes(b"#" * (MAX_SIZE + 1))
    with pytest.raises(OSError, match="too large"):
        read_environment(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can play another user")
def test_another_users_link_is_not_followed(tmp_path: Path) -> None:
    secret, link = tmp_path / "secret", tmp_path / "link"
    secret.write_text("PASSWORD=1")
    link.symlink_to(secret)
    assert read_environment(link) == {"PASSWORD": "1"}
    os.lchown(link, 65534, 65534)
    with pytest.raises(OSError, match="a symbolic link that is not followed"):
        read_environment(link)
