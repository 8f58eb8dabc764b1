"""The graph of services drawn: for Graphviz, as GNU Shepherd prints it, and for a terminal.

Source of the Graphviz text: GNU Shepherd 0.10.5, `herd graph` (modules/shepherd/scripts/herd.scm). Its edges go from a
service to what it requires.

The tree is read downwards: whatever a service requires stands above it. Every service has one line, below that one of
its requirements which stands lowest; the others are named beside it. So a requirement that many share is drawn once,
and thirty services take thirty lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import TopologicalSorter

from attrs import frozen


@frozen
class Node:
    """One service: its canonical name, its sign in `herd status` (`+ ^ - v * !`), the canonical names it requires."""

    name: str
    sign: str
    requirement: tuple[str, ...] = ()
    one_shot: bool = False
    transient: bool = False


# Lines of the tree: a branch with others below it, the last one, what goes past, what is past.
_BOX = ("├─ ", "└─ ", "│  ", "   ")
_ASCII = ("|- ", "`- ", "|  ", "   ")
# By sign: the colours of frame and text.
_COLOURS = {"!": ("red", "red"), "-": ("purple", "purple"), "*": ("purple", "purple"), "+": ("green", "black")}


def dot(nodes: Iterable[Node]) -> str:
    """The graph in Graphviz's language, in the order given; a requirement without a node is left out."""
    known = {node.name: node for node in nodes}
    lines = []
    for node in known.values():
        colour, text = _COLOURS.get(node.sign, ("gray", "gray"))
        shape = "circle" if node.one_shot else "box"
        style = "dashed" if node.transient else "solid"
        name = _quoted(node.name)
        lines.append(f"  {name} [shape = {shape}, color = {colour}, fontcolor = {text}, style = {style}];\n")
        lines += [f"  {name} -> {_quoted(need)};\n" for need in node.requirement if need in known]
    return 'digraph "Service Graph" {\n' + "".join(lines) + "}\n"


def _quoted(name: str) -> str:
    """A name as Graphviz reads and shows it: labels know escapes and entities, and `%` begins names of its own."""
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in name)
    for char, written in (("\\", "\\\\"), ('"', '\\"'), ("&", "&amp;"), ("%", "&#37;")):
        shown = shown.replace(char, written)
    return f'"{shown}"'


def tree(nodes: Iterable[Node], *, ascii_only: bool = False) -> str:
    """A line for each service; a requirement without a node is left out. Raises graphlib.CycleError."""
    known = {node.name: node for node in nodes}
    needs = {name: [need for need in dict.fromkeys(known[name].requirement) if need in known] for name in sorted(known)}
    rows = _rows(needs)
    guides = _guides([depth for _, depth in rows], _ASCII if ascii_only else _BOX)
    places = {name: number for number, (name, _) in enumerate(rows)}
    lines = []
    for (name, _), guide in zip(rows, guides, strict=True):
        others = sorted(needs[name], key=places.__getitem__)[:-1]
        lines.append((f"{guide}{known[name].sign} {name}", f"also requires {', '.join(others)}" if others else ""))
    width = max((len(line) for line, others in lines if others), default=0)
    return "".join(f"{line:{width}}  {others}\n" if others else f"{line}\n" for line, others in lines)


def _rows(needs: dict[str, list[str]]) -> list[tuple[str, int]]:
    """Names from top to bottom, with their depths. A row is put in once its requirements are, so order holds."""
    rows: list[tuple[str, int]] = []
    for name in TopologicalSorter(needs).static_order():
        places = [number for number, (above, _) in enumerate(rows) if above in needs[name]]
        if not places:
            rows.append((name, 0))
            continue
        place = places[-1]
        depth = rows[place][1] + 1
        place += 1
        while place < len(rows) and rows[place][1] >= depth:
            place += 1
        rows.insert(place, (name, depth))
    return rows


def _guides(depths: list[int], parts: tuple[str, str, str, str]) -> list[str]:
    """What stands left of each row. From the bottom up, for a branch goes on where another follows below."""
    branch, last, passing, past = parts
    open_below: set[int] = set()
    guides = []
    for depth in reversed(depths):
        guide = "".join(passing if level in open_below else past for level in range(1, depth))
        if depth:
            guide += branch if depth in open_below else last
        open_below = {level for level in open_below if level < depth} | {depth}
        guides.append(guide)
    return guides[::-1]
