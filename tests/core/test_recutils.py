"""Records, read back by the real recsel and judged by the real recfix. Many records go through one file, for each of
their processes takes its time.
"""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from herd.core import recutils

HOSTILE = [
    "",
    " ",
    "  two blanks ahead",
    "two blanks behind  ",
    "a\nb",
    "\n",
    " \n  \n",
    "\nfirst line empty",
    "last line empty\n",
    "a\n\n\nb",
    "a\n  blanks ahead",
    "ends in a backslash\\",
    "in two backslashes\\\\",
    "inner\\\nline",
    "\\\n\\",
    "\\n is no newline",
    "backslash and blank\\ ",
    "%rec: Account",
    "a\n%rec: Account",
    "# no comment",
    "a\n# no comment",
    "+ no continuation",
    "+",
    "a\n+ b",
    "a\n+",
    "Name: value",
    "a\nName: value",
    "\ttab",
    "a\n\ttab",
    "\t",
    "ä ü 美 🐑",
    "\u2028\u2029\x85 separators",
    "\x01\x07\x08\x0b\x0c\x1b[31m\x7f",
    "\ufeff\ufffe\U0010ffff",
    "a\r\nb\rc\n\rd",
    "\r",
    "nul\0nul",
    "\0",
    "quotes ' and \"",
    "x" * 65536,
    "ü\\\n" * 20000,
    "\n" * 1000,
]
ANY_TEXT = st.text(st.sampled_from("\n\r\\+#%: \tA") | st.characters(codec="utf-8"))


def as_written(value: str) -> str:
    """What the module says becomes of a value: line ends unified, a blank behind a line's last backslash, no NUL."""
    lines = re.split(r"\r\n|\r|\n", value.replace("\0", "\ufffd"))
    return "\n".join(f"{line} " if line.endswith("\\") else line for line in lines)


def recsel(text: str, *options: str) -> str:
    done = subprocess.run(["recsel", *options], input=text.encode(), capture_output=True, check=True)
    return done.stdout.decode()


def written(values: list[str]) -> str:
    """A record for each value, which stands first, between others and last."""
    return recutils.records(
        {"Value": value, "Id": str(n), "Other": value, "Between": "yes", "Last": value}
        for n, value in enumerate(values)
    )


def check(values: list[str]) -> None:
    """Accepted by recfix; every value is what it was, also for whoever reads what recsel printed in its turn."""
    text = written(values)
    for each in (text, recsel(text)):
        assert subprocess.run(["recfix", "--check"], input=each.encode(), capture_output=True, check=True).stderr == b""
        assert recsel(each, "-c") == f"{len(values)}\n"
        found = recsel(each, "-C", "-P", "Value,Id,Other,Between,Last")
        # Compared as a whole: a value may look like the beginning of the next.
        wanted = [(as_written(value), str(n)) for n, value in enumerate(values)]
        assert found == "".join(f"{value}\n{n}\n{value}\nyes\n{value}\n" for value, n in wanted)


def test_hostile_values_are_kept() -> None:
    check(HOSTILE)


def test_a_record_is_found_by_its_number_and_has_its_value() -> None:
    text = written(HOSTILE)
    for number, value in enumerate(HOSTILE):
        assert recsel(text, "-e", f"Id = {number}", "-P", "Value") == as_written(value) + "\n"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ANY_TEXT, min_size=1, max_size=20))
def test_any_value_is_kept(values: list[str]) -> None:
    check(values)


@pytest.mark.parametrize("value", ["a b", " a", "a ", "ä 🐑", "+ a", "# a", "%rec: a", "a: b", "C:\\a"])
def test_an_expression_finds_a_value(value: str) -> None:
    text = recutils.records([{"Id": "1", "Value": f"not {value}"}, {"Id": "2", "Value": value}])
    assert recsel(text, "-e", f"Value = '{value}'", "-P", "Id") == "2\n"


def test_an_expression_takes_the_dotted_name() -> None:
    text = recutils.records([{"Account.username": "a", "Account.rendezVous": "true"}, {"Account.username": "b"}])
    found = recsel(text, "-p", "Account.username", "-e", 'Account.rendezVous ~ "true"')
    assert found == "Account_username: a\n"


@pytest.mark.parametrize(
    ("key", "name"),
    [("Account.username", "Account_username"), ("a-b c", "a_b_c"), ("1st", "F_1st"), ("ä", "F__"), ("", "F_")],
)
def test_keys_become_field_names(key: str, name: str) -> None:
    assert recutils.field_name(key) == name


@given(st.text())
def test_any_key_becomes_a_field_name(key: str) -> None:
    assert re.fullmatch("[a-zA-Z][a-zA-Z0-9_]*", recutils.field_name(key))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("value", "Name: value\n"),
        ("", "Name:\n"),
        ("a\nb", "Name: a\n+ b\n"),
        ("\na\n\n", "Name:\n+ a\n+\n+\n"),
        ("  a", "Name:   a\n"),
        ("a\\", "Name: a\\ \n"),
        ("a\r\nb\0", "Name: a\n+ b\ufffd\n"),
    ],
)
def test_the_text_of_a_field(value: str, text: str) -> None:
    assert recutils.field("Name", value) == text


def test_records_have_one_blank_line_between_them_and_none_around() -> None:
    assert recutils.records([]) == ""
    assert recutils.records([{"A": "1", "B": "2"}, {"A": "3"}]) == "A: 1\nB: 2\n\nA: 3\n"


@settings(deadline=None)
@given(st.lists(ANY_TEXT, min_size=1, max_size=5))
@example(HOSTILE)
def test_what_was_written_is_read(values: list[str]) -> None:
    text = recutils.records({"Number": str(number), "Value": value} for number, value in enumerate(values))
    read = [fields for _, fields in recutils.parse(text)]
    assert read == [{"Number": str(number), "Value": as_written(value)} for number, value in enumerate(values)]


def test_records_are_read_as_people_write_them() -> None:
    text = "# a comment\n%rec: Ban\n%key: Id\n\n\nId: 1\nReason: one\n+ two\n# more\n+three\n \nId:2\nReason: a \\\nb\n"
    assert recutils.parse(text) == [(6, {"Id": "1", "Reason": "one\ntwo\nthree"}), (12, {"Id": "2", "Reason": "a b"})]
    assert recutils.parse("") == recutils.parse("\n\n# nothing\n") == []
    assert recutils.parse("Id: 1\r\nReason: x\r\n") == [(1, {"Id": "1", "Reason": "x"})]


@pytest.mark.parametrize(("text", "line"), [("Id: 1\nnothing", 2), ("+ 1", 1), ("1d: 1", 1), ("Id: 1\n\n+ x", 3)])
def test_what_is_no_record_is_said_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"line {line} is no field"):
        recutils.parse(text)
