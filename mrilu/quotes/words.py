"""Texts as sequences of words: what survives new line breaks, marks of quotation and other white space. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mrilu.mail.own_words.attributions import attribution_start
from mrilu.mail.own_words.passages import Line, lines_of

MOST_CHARS = 200_000  # of a body that are looked at: as many as a page shows
MOST_WORDS = 20_000  # of a body that are looked at
# A sign is a word where no blanks stand between words: lines are broken anywhere there.
_SIGN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_SIGN}]|[^\W_{_SIGN}]+")
_MARKS = re.compile(r"\s{0,3}(?:(?:[>|]|[A-Za-z]{1,4}>)[ \t]{0,3})+")
_MARK = re.compile(r"[>|]")
MOST_ABOVE = 6  # lines over a quotation among which its attribution is looked for
OWN = -1
SIGN_WEIGHT = 3  # a sign says as much as so many letters


class Word(NamedTuple):
    """A word in small letters: its line's place among the lines, and for a source the passage it is in."""

    text: str
    line: int
    passage: int


class Source(NamedTuple):
    """A message's own words in order, with the lines that they are on."""

    words: list[Word]
    lines: list[Line]


class Quoted(NamedTuple):
    """A run of quoted lines: their words, the lines, how deep each is quoted, what says directly above a line's
    paragraph who wrote it ("" for nothing), and whether own words follow."""

    words: list[Word]
    lines: list[Line]
    depths: list[int]
    heads: list[str]
    followed: bool = False


class _Above(NamedTuple):
    """A line with how deep it is quoted (0: not at all, OWN: it is the author's own), without its marks."""

    depth: int
    text: str


def weight(text: str) -> int:
    """Return how much a word tells: its letters."""
    return SIGN_WEIGHT if len(text) == 1 and text >= "\u3040" else len(text)


def own_words(body: str, own_spans: Sequence[int]) -> Source:
    """Return the words that the message's author wrote."""
    shown = body[:MOST_CHARS]
    lines = [line for line in lines_of(shown, own_spans) if line.passage]
    words: list[Word] = []
    for number, line in enumerate(lines):
        for text in _words(shown[line.start : line.end]):
            words.append(Word(text, number, line.passage))
        if len(words) > MOST_WORDS:
            break
    return Source(words, lines)


def quoted_runs(body: str, own_spans: Sequence[int]) -> list[Quoted]:
    """Return the runs of quoted lines, of which a blank line does not end one, as on a page."""
    shown, left = body[:MOST_CHARS], MOST_WORDS
    runs: list[Quoted] = []
    above: deque[_Above] = deque(maxlen=MOST_ABOVE)
    open_run = False
    for line in lines_of(shown, own_spans):
        text = shown[line.start : line.end]
        if not line.quoted:
            if line.passage and open_run:
                runs[-1] = runs[-1]._replace(followed=True)
            open_run = open_run and not text.strip() and not line.own
            above.append(_Above(OWN if line.own else 0, text))
            continue
        if not open_run:
            runs.append(Quoted([], [], [], []))
            open_run = True
        run, marks = runs[-1], _MARKS.match(text)
        head = marks.end() if marks else 0
        found = [Word(one, len(run.lines), 0) for one in _words(text[head:])][:left]
        left -= len(found)
        run.words.extend(found)
        run.lines.append(line)
        depth = len(_MARK.findall(text[:head])) or 1
        goes_on = bool(run.depths) and run.depths[-1] == depth
        run.heads.append(_head(above, depth) if not goes_on else run.heads[-1] if found else "")
        run.depths.append(depth)
        above.append(_Above(depth, text[head:]))
    return runs


def _head(above: Sequence[_Above], depth: int) -> str:
    """Return the attribution that ends what stands above a line quoted so deep, one depth less deep than it."""
    lines: list[str] = []
    for one in reversed(above):
        if one.text.strip() and one.depth != depth - 1:
            break
        lines.append(one.text.strip())
    # attribution_start finds none at the very beginning of a text
    text = "\n" + "".join(f"{line}\n" for line in reversed(lines))
    return text[attribution_start(text, len(text), 0) :].casefold()


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(_words(text))


def _words(text: str) -> Iterator[str]:
    return (match[0] for match in _WORD.finditer(text.casefold()))
