"""mumble-server.ini: every field under its key, and every value as a real server reads it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from herd_services.mumble import ini
from herd_services.mumble.configuration import MumbleConfiguration, PublicRegistration
from mumble import running, table
from ports import free_ports
from support import short_directory

HOSTILE = [
    "a,b",
    "semi;colon",
    "back\\slash",
    'quo"ted',
    " blanks at both ends ",
    "@Invalid()",
    "@@twice",
    "@",
    "two\nlines",
    "tab\tand\rreturn",
    "ends in a backslash\\",
    "größe 日本語 🎈",
    "%41 percent",
    "key=value",
    "[section]",
    "; only a comment",
    "\\x41 \\n",
    "",
]


def test_every_field_is_there_by_its_key() -> None:
    read = MumbleConfiguration(
        host=("192.0.2.7", "2001:db8::7"),
        max_user_bandwidth=96000,
        channelname_regex=".+",
        username_regex="[a-z]+",
        ssl_ciphers="HIGH",
        public_registration=PublicRegistration("Our server", "secret", "https://a.example.org", "a.example.org"),
        extra={"kdfiterations": 16000, "logaclchanges": True},
    )
    found = ini.values(
        read, "pass,word", Path("/srv/db.sqlite"), {"sslCert": "/c", "sslKey": "/k", "sslDHParams": "@ffdhe3072"}
    )
    assert found == {
        "database": "/srv/db.sqlite",
        "logfile": "",
        "serverpassword": "pass,word",
        "host": "192.0.2.7 2001:db8::7",
        "port": 64738,
        "welcometext": "",
        "users": 100,
        "bandwidth": 96000,
        "autobanAttempts": 10,
        "autobanTimeframe": 120,
        "autobanTime": 300,
        "opusthreshold": 100,
        "channelnestinglimit": 10,
        "channelname": ".+",
        "username": "[a-z]+",
        "textmessagelength": 5000,
        "imagemessagelength": 131072,
        "certrequired": False,
        "rememberchannel": False,
        "allowhtml": False,
        "allowping": False,
        "bonjour": False,
        "sendversion": False,
        "logdays": 31,
        "obfuscate": True,
        "sslCert": "/c",
        "sslKey": "/k",
        "sslDHParams": "@ffdhe3072",
        "sslCiphers": "HIGH",
        "registerName": "Our server",
        "registerPassword": "secret",
        "registerUrl": "https://a.example.org",
        "registerHostname": "a.example.org",
        "kdfiterations": 16000,
        "logaclchanges": True,
    }
    text = ini.text(found)
    assert 'sslDHParams="@@ffdhe3072"\n' in text
    assert "allowhtml=false\n" in text
    assert "kdfiterations=16000\n" in text


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_becomes_two_lines(value: str) -> None:
    assert ini.text({"key": value}).count("\n") == 2


def _read_back(port: int, secret: str) -> dict[str, str]:
    program = Path(__file__).parents[1] / "support/murmur_conf.py"
    done = subprocess.run(
        ["/usr/bin/python3", "-B", str(program), str(port), secret], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_a_running_server_has_every_hostile_value() -> None:
    (port,) = free_ports(1)
    secret = 'a "secret", with; all\\'
    everything: dict[str, Any] = {
        "welcome_text": "".join(HOSTILE),
        "server_password": HOSTILE[0] + HOSTILE[3] + HOSTILE[10],
        "max_users": 7,
        "max_user_bandwidth": 64000,
        "autoban_attempts": 11,
        "autoban_timeframe": 121,
        "autoban_time": 301,
        "opus_threshold": 99,
        "channel_nesting_limit": 3,
        "channelname_regex": '[ \\-=\\w\\#\\[\\]\\{\\}\\(\\)\\@\\|,;"]+',
        "username_regex": '[-=\\w\\[\\]\\{\\}\\(\\)\\@\\|\\.,;"]+',
        "text_message_length": 4999,
        "image_message_length": 131071,
        "cert_required": True,
        "remember_channel": True,
        "allow_html": True,
        "bonjour": True,
        "send_version": True,
        "log_days": 30,
        "obfuscate_ips": True,
    }
    extra = {
        "ice": f"tcp -h 127.0.0.1 -p {port}",
        "icesecretread": secret,
        "icesecretwrite": "",
        "registerLocation": "@Invalid()",
    }
    with short_directory() as directory:
        directory.chmod(0o1777)
        database = directory / "a, b;c" / 'voice "one" \\ é.sqlite'
        everything |= {"database_file": str(database), "ssl_dh_params": "@ffdhe3072", "ssl_ciphers": "EECDH+AESGCM"}
        with running(table(**everything, extra=extra)):
            told = _read_back(port, secret)
            assert database.exists()
    expected = {
        "welcometext": everything["welcome_text"],
        "password": everything["server_password"],
        "users": "7",
        "bandwidth": "64000",
        "opusthreshold": "99",
        "channelnestinglimit": "3",
        "channelname": everything["channelname_regex"],
        "username": everything["username_regex"],
        "textmessagelength": "4999",
        "certrequired": "true",
        "rememberchannel": "true",
        "allowhtml": "true",
        "bonjour": "true",
        "obfuscate": "true",
        "registerlocation": "@Invalid()",
    }
    assert {key: told.get(key) for key in expected} == expected
