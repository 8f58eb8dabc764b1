"""Records, read back by the real recsel and judged by the real recfix."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from herd.core import recutils

HOSTILE = [
    "",
    " ",
    "  two blanks ahead",
    "two blanks behind  ",
    "a\nb",
    "\n",
    "\nfirst line empty",
    "last line empty\n",
    "a\n\n\nb",
    "ends in a backslash\\",
    "inner\\\nline",
    "%rec: Account",
    "a\n%rec: Account",
    "# no comment",
    "a\n# no comment",
    "+ no continuation",
    "a\n+ b",
    "Name: value",
    "a\nName: value",
    "\ttab",
    "ä ü 美 🐑",
    "\u2028\u2029\x85 separators",
    "\x0b\x0c\x1b[31m",
    "a\r\nb\rc",
    "nul\0nul",
    "x" * 65536,
    "\n".join(["y" * 100] * 600),
]


def as_written(value: str) -> str:
    """What the module says becomes of a value: line ends unified, a blank behind a line's last backslash, no NUL."""
    lines = re.split(r"\r\n|\r|\n", value.replace("\0", "\ufffd"))
    return "\n".join(f"{line} " if line.endswith("\\") else line for line in lines)


def recsel(text: str, *options: str) -> str:
    done = subprocess.run(["recsel", *options], input=text.encode(), capture_output=True, check=True)
    return done.stdout.decode()


def check(values: list[str]) -> None:
    """Records with each value between two fields that must not be swallowed: accepted, and every value found."""
    text = recutils.records({"Id": str(n), "Value": value, "After": f"after{n}"} for n, value in enumerate(values))
    subprocess.run(["recfix", "--check"], input=text.encode(), check=True)
    assert recsel(text, "-c").strip() == str(len(values))
    assert recsel(text, "-C", "-P", "After").split() == [f"after{n}" for n in range(len(values))]
    for number, value in enumerate(values):
        assert recsel(text, "-e", f"Id = {number}", "-P", "Value") == as_written(value) + "\n"


def test_hostile_values_are_kept() -> None:
    check(HOSTILE)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.text(alphabet=st.one_of(st.sampled_from("\n\r\\+#%: \tA"), st.characters(codec="utf-8"))), min_size=1)
)
def test_any_value_is_kept(values: list[str]) -> None:
    check(values[:5])


@pytest.mark.parametrize(
    ("key", "name"),
    [("Account.username", "Account_username"), ("a-b c", "a_b_c"), ("1st", "F_1st"), ("ä", "F__"), ("", "F_")],
)
def test_keys_become_field_names(key: str, name: str) -> None:
    assert recutils.field_name(key) == name


def test_an_expression_finds_what_was_put_in() -> None:
    text = recutils.records([{"Account.username": "a", "Account.rendezVous": "true"}, {"Account.username": "b"}])
    found = recsel(text, "-p", "Account.username", "-e", 'Account.rendezVous ~ "true"')
    assert found == "Account_username: a\n"
