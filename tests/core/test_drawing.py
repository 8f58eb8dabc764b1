"""Drawings of the graph: Shepherd's text judged by the real dot, and a tree in which every order is downwards."""

from __future__ import annotations

import subprocess
from graphlib import CycleError
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herd.core.drawing import Node, dot, tree

NODES = [
    Node("net", "+"),
    Node("web", "+", ("net", "disk")),
    Node("disk", "*", one_shot=True),
    Node("shop", "^", ("web", "net")),
    Node("job", "!", ("web",), transient=True),
    Node("old", "-"),
    Node("off", "v"),
]
HOSTILE = [
    '"',
    "\\",
    'a"b\\',
    "a\\nb",
    "a\\N",
    "&amp;",
    "<b>",
    "->",
    "a b",
    "{}",
    ";",
    "美",
    "node",
    "1.5",
    "%s",
    "&#37;",
]


def test_the_text_is_shepherds() -> None:
    assert dot(NODES) == (
        'digraph "Service Graph" {\n'
        '  "net" [shape = box, color = green, fontcolor = black, style = solid];\n'
        '  "web" [shape = box, color = green, fontcolor = black, style = solid];\n'
        '  "web" -> "net";\n'
        '  "web" -> "disk";\n'
        '  "disk" [shape = circle, color = purple, fontcolor = purple, style = solid];\n'
        '  "shop" [shape = box, color = gray, fontcolor = gray, style = solid];\n'
        '  "shop" -> "web";\n'
        '  "shop" -> "net";\n'
        '  "job" [shape = box, color = red, fontcolor = red, style = dashed];\n'
        '  "job" -> "web";\n'
        '  "old" [shape = box, color = purple, fontcolor = purple, style = solid];\n'
        '  "off" [shape = box, color = gray, fontcolor = gray, style = solid];\n'
        "}\n"
    )


def test_no_services_are_an_empty_graph() -> None:
    assert dot([]) == 'digraph "Service Graph" {\n}\n'
    assert tree([]) == ""


def drawn(text: str) -> list[tuple[str, list[str]]]:
    """Class and shown lines of everything that the real dot draws."""
    done = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    groups = ElementTree.fromstring(done.stdout).iter("{http://www.w3.org/2000/svg}g")
    return [
        (group.get("class", ""), [each.text or "" for each in group.iter("{http://www.w3.org/2000/svg}text")])
        for group in groups
    ]


def test_dot_shows_every_name_as_it_is_and_every_edge() -> None:
    nodes = [Node(name, "+", (HOSTILE[number - 1],) if number else ()) for number, name in enumerate(HOSTILE)]
    found = drawn(dot(nodes))
    shown = [lines[0].replace("\u00a0", " ") for kind, lines in found if kind == "node"]
    assert sorted(shown) == sorted(HOSTILE)
    assert [kind for kind, _ in found].count("edge") == len(HOSTILE) - 1


def test_dot_takes_what_no_line_can_show() -> None:
    names = {
        "\n": "\\x0a",
        "a\\\n": "a\\\\x0a",
        "\0": "\\x00",
        "\t": "\\x09",
        "\udc80": "\\xdc80",
        "x" * 5000: "x" * 5000,
    }
    found = drawn(dot([Node(name, "+") for name in ["", *names]]))
    assert [lines for kind, lines in found if kind == "node"] == [[], *([shown] for shown in names.values())]


def test_the_tree() -> None:
    assert tree(NODES) == (
        "* disk\n+ net\n└─ + web      also requires disk\n   ├─ ! job\n   └─ ^ shop  also requires net\nv off\n- old\n"
    )


def test_the_tree_in_ascii() -> None:
    nodes = [*NODES, Node("last", "+", ("net",))]
    assert tree(nodes, ascii_only=True) == (
        "* disk\n"
        "+ net\n"
        "|- + last\n"
        "`- + web      also requires disk\n"
        "   |- ! job\n"
        "   `- ^ shop  also requires net\n"
        "v off\n"
        "- old\n"
    )


def test_a_branch_goes_on_past_what_hangs_on_another() -> None:
    nodes = [
        Node("a", "+"),
        Node("b", "+", ("a",)),
        Node("c", "+", ("b",)),
        Node("d", "+", ("a",)),
        Node("e", "+", ("d",)),
    ]
    assert tree(nodes) == "+ a\n├─ + b\n│  └─ + c\n└─ + d\n   └─ + e\n"


def test_a_circle_cannot_be_drawn_as_a_tree_and_what_is_missing_is_left_out() -> None:
    with pytest.raises(CycleError):
        tree([Node("a", "+", ("b",)), Node("b", "+", ("a",))])
    alone = [Node("a", "+", ("gone",))]
    assert tree(alone) == "+ a\n"
    assert "gone" not in dot(alone)


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    """Services that each require some of those before, in any order."""
    count = draw(st.integers(1, 30))
    needs = [draw(st.sets(st.integers(0, number - 1), max_size=4)) if number else set() for number in range(count)]
    nodes = [Node(f"s{number}", "+", tuple(f"s{each}" for each in need)) for number, need in enumerate(needs)]
    return draw(st.permutations(nodes))


@given(graphs())
def test_every_service_stands_once_below_all_that_it_requires_and_under_the_last(nodes: list[Node]) -> None:
    path: list[str] = []
    seen: list[str] = []
    needs = {node.name: node.requirement for node in nodes}
    for line in tree(nodes, ascii_only=True).splitlines():
        left, _, others = line.partition("  also requires ")
        guide, _, name = left.rstrip().rpartition("+ ")
        depth = len(guide) // 3
        above = [*path[depth - 1 : depth], *filter(None, others.split(", "))]
        assert sorted(needs[name]) == sorted(above)
        assert all(need in seen for need in above)
        assert max(above, key=seen.index, default=None) == (path[depth - 1] if depth else None)
        path[depth:] = [name]
        seen.append(name)
    assert sorted(seen) == sorted(needs)
