"""The text of a message for readers: own words, quotations that can be folded, differences in colour, links. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from mrilu.web.masking import masked

Gloss = Callable[[str], Markup]

MAX_BODY = 200_000  # characters of a message that are shown
FOLDED = 4  # quoted lines in a row, from which on they are folded
_QUOTED = re.compile(r"\s{0,3}(?:[>|]|[A-Za-z]{1,4}>)")
_LINK = re.compile(r"https?://[^\s<>\"'{}|\\^`\x00-\x1f]{1,1000}")
_TRAILING = ".,;:!?)]'*_"
# What begins a difference (diff -u, git), and the lines that it is made of.
_DIFF_BEGINS = re.compile(r"(?:diff --git |Index: |--- \S|@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@)")
_DIFF_LINE = re.compile(
    r"(?:[ +\-@\\]|diff --git |index [0-9a-f]|Index: |={10}|(?:new|deleted) file mode|rename |similarity |$)"
)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


class Block(NamedTuple):
    """Lines that belong together: `kind` is own, other (signature, attribution, forwarded), quote or diff."""

    kind: str
    html: Markup
    lines: int

    @property
    def folded(self) -> bool:
        """Whether it is shown when asked for."""
        return self.kind == "quote" and self.lines >= FOLDED


def blocks(
    body: str, own_spans: Sequence[int], *, mask: bool = True, glossed: Gloss | None = None
) -> list[Block]:
    """Return the text in blocks. What is folded is a quotation for sure: each line is marked, and none is own.

    `glossed` makes HTML of plain text, with links from words to what they mean.
    """
    shown = body[:MAX_BODY]
    made: list[Block] = []
    for kind, lines in _runs(shown, own_spans):
        text = "\n".join(lines)
        html = (
            _coloured(lines, mask)
            if kind == "diff"
            else marked_up(text, mask=mask, glossed=glossed)
        )
        made.append(Block(kind, html, len(lines)))
    if len(body) > MAX_BODY:
        made.append(Block("other", escape("[…]"), 1))
    return made


def marked_up(text: str, *, mask: bool = True, glossed: Gloss | None = None) -> Markup:
    """Return text as HTML: escaped, addresses masked, controls shown, http links made."""
    parts, end = [], 0
    for match in _LINK.finditer(text):
        url = match[0].rstrip(_TRAILING)
        if mask and masked(url) != url:  # it names a person, or acts for one
            continue
        parts.append(_plain(text[end : match.start()], mask, glossed))
        parts.append(Markup('<a rel="nofollow noopener ugc" href="{0}">{0}</a>').format(url))
        end = match.start() + len(url)
    parts.append(_plain(text[end:], mask, glossed))
    return Markup("").join(parts)


def visible(text: str) -> str:
    """Return text with its controls and marks of direction shown, which would change what stands around it."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(text: str, mask: bool, glossed: Gloss | None = None) -> Markup:
    shown = visible(masked(text) if mask else text)
    return glossed(shown) if glossed else escape(shown)


def _runs(body: str, own_spans: Sequence[int]) -> Iterator[tuple[str, list[str]]]:
    """Yield the lines of each block with its kind."""
    kind = ""
    lines: list[str] = []
    for one, line in _kinds(body, own_spans):
        if lines and one != kind:
            yield from _trimmed(kind, lines)
            lines = []
        kind = one
        lines.append(line)
    yield from _trimmed(kind, lines)


def _trimmed(kind: str, lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the block without the blank lines around it."""
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    if lines:
        yield kind, lines


def _kinds(body: str, own_spans: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Yield each line with its kind; a blank line is of the kind before it."""
    place, span, kind, differs = 0, 0, "own", False
    for line in body.split("\n"):
        end = place + len(line)
        while span < len(own_spans) and own_spans[span + 1] <= place:
            span += 2
        own = span < len(own_spans) and own_spans[span] < max(end, place + 1)
        if line.strip():
            differs = bool(
                _DIFF_BEGINS.match(line) or (differs and kind == "diff" and _DIFF_LINE.match(line))
            )
            quoted = not own and _QUOTED.match(line)
            kind = "quote" if quoted else "diff" if differs and own else "own" if own else "other"
        yield kind, line
        place = end + 1


def _coloured(lines: list[str], mask: bool) -> Markup:
    made = []
    for line in lines:
        kind = _colour_of(line)
        text = _plain(line, mask)
        made.append(Markup('<span class="{}">{}</span>').format(kind, text) if kind else text)
    return Markup("\n").join(made)


def _colour_of(line: str) -> str:
    if line.startswith(("+++", "---", "diff ", "Index: ", "index ")):
        return "file"
    return {"+": "add", "-": "del", "@": "hunk"}.get(line[:1], "")
