"""Texts of people in the parts of an email: matched words marked, and in HTML their addresses as links. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jinja2.utils import urlize
from markupsafe import Markup, escape

# Everything but line feeds and tabs that steers a terminal or cannot be encoded.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
# Marks as they travel through an excerpt: the text's own controls were replaced before.
START, STOP = "\x02", "\x03"
_MARKS = re.compile(f"[{START}{STOP}]")
_MARKS_APART = re.compile(f"([{START}{STOP}])")
# Signs around an address that are none of it, beside those that urlize knows.
_AROUND = "!?;:*_|«»“”„‘’\"'[]{}"
_WORDS = re.compile(r"(\s+)")
# Words that may be addresses, or that are marked.
_SPECIAL = re.compile(r"((?<!\S)(?=\S*[/@.\x02\x03])\S+)")
EXCERPT_LINES = 40
EXCERPT_CHARS = 3000
LEAD_LINES = 3  # before the first marked word, where the excerpt does not begin at the beginning


def with_marks(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return the text without controls, START and STOP around each of the [start, end) spans."""
    clean = CONTROLS.sub(lambda one: one[0] if one[0] == "\r" else " ", text)
    pieces, place = [], 0
    for first, last in spans:
        pieces += [clean[place:first], START, clean[first:last], STOP]
        place = last
    return "".join([*pieces, clean[place:]]).replace("\r\n", "\n").replace("\r", " ")


def excerpt(text: str) -> str:
    """Return the beginning of what an author wrote, or what is around the first mark, by whole lines.

    "[…]" stands where something is left out.
    """
    lines = text.strip("\n").split("\n")
    start = _first_line(lines)
    kept: list[str] = []
    size = 0
    for line in lines[start : start + EXCERPT_LINES]:
        if kept and size + len(line) > EXCERPT_CHARS:
            break
        kept.append(_shortened(line.rstrip()))
        size += len(line) + 1
    complete = start + len(kept) == len(lines) and kept[-1] == lines[-1].rstrip()
    return "\n".join([*(["[…]"] if start else []), *kept, *([] if complete else ["[…]"])])


def _first_line(lines: list[str]) -> int:
    """Return the line to begin with: the first, unless no mark would be seen then."""
    size = 0
    for number, line in enumerate(lines):
        if START in line:
            hidden = number >= EXCERPT_LINES or size + line.index(START) >= EXCERPT_CHARS
            return max(0, number - LEAD_LINES) if hidden else 0
        size += len(line) + 1
    return 0


def _shortened(line: str) -> str:
    """Return at most EXCERPT_CHARS of a line, around its first mark."""
    if len(line) <= EXCERPT_CHARS:
        return line
    start = max(0, line.find(START) - EXCERPT_CHARS // 4)
    return line[start : start + EXCERPT_CHARS]


def as_text(marked: str) -> str:
    """Return the text for a text/plain part: marked words between asterisks."""
    return _MARKS.sub("*", marked)


def as_html(marked: str) -> Markup:
    """Return the text as HTML: everything escaped, marked words in <mark>, web and mail addresses as links."""
    pieces = []
    for word in _SPECIAL.split(_paired(marked)):
        # what stands between the special words is most of a text: it is escaped as a whole
        pieces.append(_word(word) if _SPECIAL.fullmatch(word) else str(escape(word)))
    return Markup("".join(pieces))  # noqa: S704 - escaped


def _word(word: str) -> str:
    bare = _MARKS.sub("", word)
    if "." in bare and ("/" in bare or "@" in bare or "www." in bare):
        address = bare.strip(_AROUND)
        linked = urlize(address, rel="nofollow noopener")
        if linked != str(escape(address)):
            before, _, after = bare.partition(address)
            linked = f"{escape(before)}{linked}{escape(after)}"
            return f"<mark>{linked}</mark>" if START in word else linked
    return _MARKS_APART.sub(_tag, str(escape(word)))


def _tag(mark: re.Match[str]) -> str:
    return "<mark>" if mark[0] == START else "</mark>"


def _paired(text: str) -> str:
    """Return the text with each mark closed in the word where it opens, so that tags nest and none stays open."""
    pieces, is_open = [], False
    for piece in _MARKS_APART.split(text):
        if piece in (START, STOP):
            is_open = piece == START
        elif is_open:
            words = _WORDS.split(piece)
            pieces += [one if not one or one.isspace() else f"{START}{one}{STOP}" for one in words]
        else:
            pieces.append(piece)
    return "".join(pieces)
