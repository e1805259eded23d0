"""Where the words of a tsquery stand in texts, as PostgreSQL's ts_headline would mark them.

It reads each word of a text, which takes longer than finding the messages. So what may be one of the words is found
here, and PostgreSQL says of what it does not know yet what it stems to; only a text in which such a word is part of
something else (an address, a compound, a tag) is left to ts_headline, whose parser knows what that is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from psycopg import Connection

from mrilu.search.lexemes import LEXEME

START, STOP = "\x02", "\x03"
MARKS = re.compile(f"[{START}{STOP}]")
OPTIONS = f"HighlightAll=true, StartSel={START}, StopSel={STOP}"
MOST_KNOWN = 20_000  # words

_MARKS_APART = re.compile(f"([{START}{STOP}])")
_LETTERS = re.compile("[a-z]+")
_TAG = re.compile("<[a-z!/?]")
# PostgreSQL's parser takes a run of these apart into its words of letters, whatever else is in it. Not so a dot, colon,
# dash, slash, at, ampersand, underline or digit, but for a dot or colon that ends a sentence.
_RUN = re.compile("(?:[A-Za-z!\"#$%'()+*,;<=>?[\\\\\\]^`{|}~]|[.:](?=[\"')\\]},;!?*>]|$))+")
_SPACE = " \t\n\r\f\v"
_ASK = """
SELECT ARRAY(SELECT array_to_string(tsvector_to_array(to_tsvector('mrilu', one)), ' ')
               FROM unnest(%s::text[]) WITH ORDINALITY AS t (one, n) ORDER BY n),
       ARRAY(SELECT ts_headline('mrilu', one, %s::tsquery, %s)
               FROM unnest(%s::text[]) WITH ORDINALITY AS t (one, n) ORDER BY n)
"""

Span = tuple[int, int]  # [start, end)

_known: dict[str, str] = {}  # of words of small letters, the lexemes of each, with blanks between


def lexemes_in(tsquery: str) -> set[str]:
    """Return the lexemes of a tsquery as PostgreSQL prints it."""
    return {one[1:-1].replace("''", "'") for one in LEXEME.findall(tsquery)}


def mark(connection: Connection, texts: Sequence[str], tsquery: str) -> list[list[Span]]:
    """Return where in each folded text the words stand, at most one question later."""
    lexemes = lexemes_in(tsquery)
    if not lexemes:
        return [[] for _ in texts]
    pattern = _may_stem_to(lexemes)
    found = [_candidates(text, pattern) for text in texts]
    words = {word for one in found for word in one or ()} - _known.keys()
    left = [text for text, one in zip(texts, found, strict=True) if one is None]
    headlines = iter(_ask(connection, sorted(words), tsquery, left))
    return [
        spans_of(next(headlines), text) if one is None else _chosen(one, lexemes)
        for text, one in zip(texts, found, strict=True)
    ]


def spans_of(marked: str, text: str) -> list[Span]:
    """Return the marked spans of a text; none if PostgreSQL changed more than marks."""
    if START not in marked or MARKS.sub("", marked) != text:
        return []
    spans, place, start = [], 0, 0
    for part in _MARKS_APART.split(marked):
        if part == START:
            start = place
        elif part == STOP and place > start:
            spans.append((start, place))
        elif part not in (START, STOP):
            place += len(part)
    return spans


def _may_stem_to(lexemes: Collection[str]) -> re.Pattern[str] | None:
    """Return a pattern for the words that may stem to one of the lexemes; None where these are not of letters alone.

    A stem is how the word begins, but for its last letter; dying, lying and tying are the only others (Snowball,
    English).
    """
    if not all(_LETTERS.fullmatch(one) for one in lexemes):
        return None
    starts = {one[:-1] or one for one in lexemes}
    starts |= {f"{one[0]}ying" for one in lexemes if one in ("die", "lie", "tie")}
    return re.compile(f"(?<![a-z])(?:{'|'.join(sorted(starts))})[a-z]*")


def _candidates(text: str, pattern: re.Pattern[str] | None) -> Mapping[str, list[Span]] | None:
    """Return the words that may be lexemes with where they stand, None where only PostgreSQL's parser can tell."""
    lowered = text.lower()
    if pattern is None or len(lowered) != len(text):
        return None
    found: dict[str, list[Span]] = {}
    tag = _TAG.search(lowered)
    for match in pattern.finditer(lowered):
        start, end = match.span()
        if tag and tag.start() < start or not _RUN.fullmatch(_run(text, start, end)):
            return None
        found.setdefault(match[0], []).append((start, end))
    return found


def _run(text: str, start: int, end: int) -> str:
    """Return what stands around a word up to the next blanks."""
    while start and text[start - 1] not in _SPACE:
        start -= 1
    while end < len(text) and text[end] not in _SPACE:
        end += 1
    return text[start:end]


def _ask(
    connection: Connection, words: Sequence[str], tsquery: str, texts: Sequence[str]
) -> Iterable[str]:
    """Get to know the words, and return the headlines of the texts."""
    if not words and not texts:
        return ()
    row = connection.execute(_ASK, (list(words), tsquery, OPTIONS, list(texts))).fetchone()
    assert row is not None
    if len(_known) + len(words) > MOST_KNOWN:
        _known.clear()
    _known.update(zip(words, row[0], strict=True))
    headlines: Sequence[str] = row[1]
    return headlines


def _chosen(found: Mapping[str, list[Span]], lexemes: set[str]) -> list[Span]:
    """Return where those of the words stand that stem to one of the lexemes."""
    right = (word for word in found if lexemes & set(_known.get(word, "").split()))
    return sorted(span for word in right for span in found[word])
