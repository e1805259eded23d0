"""How much of one message another one quotes. Pure, and linear in both."""

from __future__ import annotations

import re

SHORTEST = 20  # characters of a line that tell it from another one by themselves
_MARK = re.compile(r"\s*(?:(?:[>|:]|\w{1,4}>)\s*)+")
_SPACE = re.compile(r"\s+")


def lines_quoted(body: str, source: str) -> int:
    """Return how many lines of `source` stand in `body` with a mark of quotation before them."""
    wanted = {_plain(line) for line in source.split("\n")}
    found = set()
    for line in body.split("\n"):
        if match := _MARK.match(line):
            found.add(_plain(line[match.end() :]))
    return sum(len(line) >= SHORTEST for line in wanted & found)


def _plain(line: str) -> str:
    match = _MARK.match(line)
    return _SPACE.sub(" ", line[match.end() :] if match else line).strip().casefold()
