"""The text of a message for readers: own words, quotations that can be folded, differences in colour, links. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from markupsafe import Markup, escape

from mrilu.mail.own_words.passages import Line, lines_of
from mrilu.web.masking import masked

Gloss = Callable[[str], Markup]

MAX_BODY = 200_000  # characters of a message that are shown
FOLDED = 4  # quoted lines in a row, from which on they are folded
_LINK = re.compile(r"https?://[^\s<>\"'{}|\\^`\x00-\x1f]{1,1000}")
_TRAILING = ".,;:!?)]'*_"
# What begins a difference (diff -u, git), and the lines that it is made of.
_DIFF_BEGINS = re.compile(r"(?:diff --git |Index: |--- \S|@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@)")
_DIFF_LINE = re.compile(
    r"(?:[ +\-@\\]|diff --git |index [0-9a-f]|Index: |={10}|(?:new|deleted) file mode|rename |similarity |$)"
)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


class Passage(NamedTuple):
    """A passage of a message's own text, with the blank lines up to the next one."""

    number: int
    html: Markup


class Block(NamedTuple):
    """Lines that belong together: `kind` is own, other (signature, attribution, forwarded), quote or diff.

    They are body[start:stop]. Own words and differences are in `passages`, too.
    """

    kind: str
    html: Markup
    lines: int
    start: int
    stop: int
    passages: tuple[Passage, ...] = ()

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
    made = [_block(shown, kind, lines, mask, glossed) for kind, lines in _runs(shown, own_spans)]
    if len(body) > MAX_BODY:
        made.append(Block("other", escape("[…]"), 1, MAX_BODY, MAX_BODY))
    return made


def _block(body: str, kind: str, lines: Sequence[Line], mask: bool, glossed: Gloss | None) -> Block:
    passages: tuple[Passage, ...] = ()
    if kind in ("own", "diff"):
        passages = tuple(_passages(body, kind, lines, mask, glossed))
        html = Markup("\n").join(one.html for one in passages)
    else:
        html = _html(body, kind, lines, mask, glossed)
    return Block(kind, html, len(lines), lines[0].start, lines[-1].end, passages)


def _passages(
    body: str, kind: str, lines: Sequence[Line], mask: bool, glossed: Gloss | None
) -> Iterator[Passage]:
    for number, group in groupby(_numbered(lines), key=itemgetter(0)):
        yield Passage(number, _html(body, kind, [line for _, line in group], mask, glossed))


def _html(body: str, kind: str, lines: Sequence[Line], mask: bool, glossed: Gloss | None) -> Markup:
    texts = [body[line.start : line.end] for line in lines]
    if kind == "diff":
        return _coloured(texts, mask)
    return marked_up("\n".join(texts), mask=mask, glossed=glossed)


def _numbered(lines: Sequence[Line]) -> Iterator[tuple[int, Line]]:
    """Yield each line with its passage, a blank one with that above it."""
    number = lines[0].passage
    for line in lines:
        number = line.passage or number
        yield number, line


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


def _runs(body: str, own_spans: Sequence[int]) -> Iterator[tuple[str, list[Line]]]:
    """Yield the lines of each block with its kind."""
    for kind, group in groupby(_kinds(body, own_spans), key=itemgetter(0)):
        lines = [line for _, line in group]
        while lines and not body[lines[0].start : lines[0].end].strip():
            lines.pop(0)
        while lines and not body[lines[-1].start : lines[-1].end].strip():
            lines.pop()
        if lines:
            yield kind, lines


def _kinds(body: str, own_spans: Sequence[int]) -> Iterator[tuple[str, Line]]:
    """Yield each line with its kind; a blank line is of the kind before it."""
    kind, differs = "own", False
    for line in lines_of(body, own_spans):
        text = body[line.start : line.end]
        if text.strip():
            differs = bool(
                _DIFF_BEGINS.match(text) or (differs and kind == "diff" and _DIFF_LINE.match(text))
            )
            own = "diff" if differs else "own"
            kind = "quote" if line.quoted else own if line.own else "other"
        yield kind, line


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
