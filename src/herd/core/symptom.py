"""What a program says of its troubles, recognised: a text of its output, what that comes of, and what mends it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from attrs import frozen

# Of a line of output, characters that are looked at.
_LONGEST = 2000


@frozen
class Symptom:
    """`text` is a regular expression; `cause` a clause without its full stop, `remedy` what to do."""

    text: str
    cause: str
    remedy: str


def recognised(symptoms: Sequence[Symptom], lines: Iterable[str]) -> tuple[Symptom, ...]:
    """Those that show in one of the lines, in their own order."""
    text = "\n".join(line[:_LONGEST] for line in lines)
    return tuple(each for each in symptoms if re.search(each.text, text))
