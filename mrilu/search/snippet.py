"""The few lines of a text that show why it was found, with the words that were looked for marked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from peewee import PostgresqlDatabase
from psycopg import Connection

from mrilu.search.fold import fold, fold_apostrophes
from mrilu.search.marking import MARKS, OPTIONS, Span, lexemes_in, mark, spans_of

READ = 20_000  # characters of a text that are searched for the words
LENGTH = 240  # characters of a snippet
LEAD = 60  # of them before the first word that is marked
# Words are looked for in this much around the likeliest place: all of a text takes ten times as long.
MARKED = 500

_H_OF_LOJBAN = re.compile("(?<=[aeiouy])h(?=[aeiouy])|(?<=[aeiouy])h$")
_SPACE = re.compile(r"\s+")
_HEADLINES = """
SELECT ts_headline('mrilu', one, asked::tsquery, %s)
  FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS t (one, asked, n) ORDER BY n
"""


class Segment(NamedTuple):
    """A part of a snippet; `hit` says whether it matched."""

    text: str
    hit: bool


Snippet = tuple[Segment, ...]


def make_snippets(
    db: PostgresqlDatabase, texts: Sequence[str], tsquery: str, starts: Sequence[int] | None = None
) -> list[Snippet]:
    """Return a snippet of each text; one without any of the words begins at its `start`.

    The texts are shown as they were written: the words are found in the folded ones, and their places carried over.
    """
    begins = starts or [0] * len(texts)
    stems = _stems(tsquery)
    read = [_likeliest(text[:READ], stems) for text in texts]
    folded = [fold_with_origins(text) for text in read]
    marked = mark(db.connection(), [text for text, _ in folded], tsquery)
    spans = [_origins(one, origins) for one, (_, origins) in zip(marked, folded, strict=True)]
    return [
        cut(text, found) if found else cut(whole[start:], [])
        for whole, text, found, start in zip(texts, read, spans, begins, strict=True)
    ]


def _stems(tsquery: str) -> re.Pattern[str] | None:
    """Return a pattern for words that may be lexemes of the tsquery: stemming may change a word's last letter."""
    starts = sorted(re.escape(one[:-1] if len(one) > 3 else one) for one in lexemes_in(tsquery))
    # as a text has them that is not folded: to fold all of a long one takes longer than all else here
    patterns = (_H_OF_LOJBAN.sub("[h'’]", one) for one in starts)
    return re.compile("|".join(patterns)) if starts else None


def _likeliest(text: str, stems: re.Pattern[str] | None) -> str:
    """Return the part of a long text, of MARKED characters, where the most different stems are close together."""
    if stems is None or len(text) <= MARKED:
        return text
    lowered = text.lower()
    if len(lowered) != len(text):  # a few capitals have small forms of two letters
        return text
    places = [match.span() for match in stems.finditer(lowered)]
    start = _word_start(text, max(0, _best_start(lowered, places) - 2 * LEAD))
    return text[start : start + MARKED]


def marked_spans(connection: Connection, texts: Sequence[tuple[str, str]]) -> list[list[Span]]:
    """Return where in each (text, tsquery) the tsquery's words stand, as [start, end) offsets; in one statement."""
    folded = [fold_with_origins(text) for text, _ in texts]
    asked = [
        number
        for number, ((text, _), (_, tsquery)) in enumerate(zip(folded, texts, strict=True))
        if (stems := _stems(tsquery)) and stems.search(text.lower())
    ]
    found: list[list[Span]] = [[] for _ in texts]
    if asked:
        facts = ([folded[one][0] for one in asked], [texts[one][1] for one in asked])
        rows = connection.execute(_HEADLINES, (OPTIONS, *facts))
        for number, (marked,) in zip(asked, rows, strict=True):
            text, origins = folded[number]
            found[number] = _origins(spans_of(marked, text), origins)
    return found


def fold_with_origins(text: str) -> tuple[str, Sequence[int]]:
    """Return the folded text, and for each of its characters where in `text` it comes from."""
    clean = MARKS.sub(" ", text)
    if clean.isascii():
        return fold(clean), range(len(clean))
    letters: list[str] = []
    origins: list[int] = []
    for place, letter in enumerate(clean):
        one = letter if letter.isascii() else fold(letter)
        letters.append(one)
        origins.extend([place] * len(one))
    # at the end: they become "h" by the letters beside them, without these's accents
    return fold_apostrophes("".join(letters)), origins


def _origins(spans: Sequence[Span], origins: Sequence[int]) -> list[Span]:
    """Return spans of a folded text as spans of the text that was folded."""
    return [(origins[start], origins[end - 1] + 1) for start, end in spans]


def cut(text: str, spans: Sequence[Span]) -> Snippet:
    """Return LENGTH characters of `text` around where the most of `spans` lie closest together, on one line."""
    first = _best_start(text, spans)
    start = _word_start(text, max(0, first - LEAD)) if first > LEAD else 0
    end = min(len(text), start + LENGTH)
    if end < len(text):
        end = max(
            text.rfind(" ", start + LENGTH // 2, end),
            text.rfind("\n", start + LENGTH // 2, end),
            end - 40,
        )
    segments = _segments(text, spans, start, end)
    before = [Segment("… ", False)] if start else []
    after = [Segment(" …", False)] if text[end:].strip() else []
    return tuple([*before, *segments, *after])


def _best_start(text: str, spans: Sequence[Span]) -> int:
    """Return the first place from which on the most different spans fit into a snippet."""
    words = [text[start:end].lower() for start, end in spans]
    different = len(set(words))
    if different < 2:
        return spans[0][0] if spans else 0
    best, most, last = 0, 0, 0
    within: Counter[str] = Counter()
    for word, (start, _) in zip(words, spans, strict=True):
        while last < len(spans) and spans[last][0] < start + LENGTH - LEAD:
            within[words[last]] += 1
            last += 1
        if len(within) > most:
            best, most = start, len(within)
            if most == different:
                break
        within[word] -= 1
        if not within[word]:
            del within[word]
    return best


def _word_start(text: str, place: int) -> int:
    while place and not text[place - 1].isspace() and place > 0:
        place -= 1
    return place


def _segments(text: str, spans: Sequence[Span], start: int, end: int) -> list[Segment]:
    parts: list[Segment] = []
    place = start
    for one, last in spans:
        if one >= place and last <= end:
            if one > place:
                parts.append(Segment(_on_one_line(text[place:one]), False))
            parts.append(Segment(_on_one_line(text[one:last]), True))
            place = last
    if end > place:
        parts.append(Segment(_on_one_line(text[place:end]), False))
    return parts


def _on_one_line(text: str) -> str:
    return text if text.isalnum() else _SPACE.sub(" ", text)
