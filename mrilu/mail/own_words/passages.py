"""The lines of a body: which are its author's own, which are quoted, and the passages that the own ones make. Pure.

A passage is a run of own lines without a blank line in it. Passages are numbered from 1 on by the message's own text
alone, so that a link to one stays right whatever else arrives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_QUOTED = re.compile(r"\s{0,3}(?:[>|]|[A-Za-z]{1,4}>)")


class Line(NamedTuple):
    """A line, body[start:end]; `passage` is the number of that which an own line is in, 0 for others and blanks."""

    start: int
    end: int
    own: bool
    quoted: bool
    passage: int


def lines_of(body: str, own_spans: Sequence[int]) -> Iterator[Line]:
    """Yield the lines of a body. `own_spans` are start, end, start, end ... of what is its author's own.

    A line is quoted only when it is marked as such, and none of it is own. A blank line is neither.
    """
    place, span, number, inside = 0, 0, 0, False
    for text in body.split("\n"):
        end = place + len(text)
        while span < len(own_spans) and own_spans[span + 1] <= place:
            span += 2
        own = span < len(own_spans) and own_spans[span] < max(end, place + 1)
        filled = bool(text.strip())
        if own and filled and not inside:
            number += 1
        inside = own and filled
        quoted = filled and not own and _QUOTED.match(text) is not None
        yield Line(place, end, own, quoted, number if inside else 0)
        place = end + 1
