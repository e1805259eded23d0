"""Where a long unbroken run of characters may be broken, so that nothing leaves its column. Pure.

A column of the printed formats is 68 mm wide, which 20 of the widest letters fit into. Between letters the break is a
soft hyphen, elsewhere a zero width space: only printed formats get either.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from mrilu.dictionary.markup import Span

LONG = 20  # characters that stay together whatever they are
NICE = 12  # characters after which a syllable is a better place than the twentieth letter
SOFT_HYPHEN, ZERO_WIDTH_SPACE = "\u00ad", "\u200b"
# Scripts that are broken between any letters, or by the typesetter's dictionary (Thai, Lao, Burmese, Khmer).
_BROKEN_ANYWHERE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U00020000-\U0003ffff"
)
_RUN = re.compile(rf"[^\s{_BROKEN_ANYWHERE}]{{{LONG + 1},}}")
_AFTER = frozenset("_.:/;,=&?#%+*|@~…-–—)]}>")
_NOT_BEFORE = frozenset(",.;:!?)]}>%’”»…'\"=-–—")
_ALPHABETS = ("LATIN", "GREEK", "CYRILLIC")
_CONSONANTS, _VOWELS = frozenset("bcdfgjklmnpqrstvwxz"), frozenset("aeiouyäöüáéíóúàèâêîôû")


def breakable(text: str) -> str:
    """Return the text with a place to break in each run that is longer than LONG characters."""
    if len(text) <= LONG:
        return text
    return _with_breaks(text, dict(_places(text, frozenset())))


def breakable_spans(spans: list[Span]) -> list[Span]:
    """Do the same for the spans of a text, whose runs may go over several spans: x₁=x₂=x₃ ..."""
    text = "".join(span.text for span in spans)
    if not _RUN.search(text):
        return spans
    starts, position = [], 0
    for span in spans:
        starts.append(position)
        position += len(span.text)
    # What is raised or lowered stays with what is before it.
    glued = frozenset(
        start for span, start in zip(spans, starts, strict=True) if span.kind in ("low", "high")
    )
    places = dict(_places(text, glued))
    return [
        Span(span.kind, _with_breaks(span.text, places, start))
        for span, start in zip(spans, starts, strict=True)
    ]


def _with_breaks(text: str, places: dict[int, str], start: int = 0) -> str:
    """Insert each place's break before the character that it names; positions count from `start`."""
    if not places:
        return text
    return "".join(places.get(start + index, "") + letter for index, letter in enumerate(text))


def _places(text: str, glued: frozenset[int]) -> Iterator[tuple[int, str]]:
    for run in _RUN.finditer(text):
        yield from _places_of_run(text, run.start(), run.end(), glued)


def _places_of_run(
    text: str, start: int, end: int, glued: frozenset[int]
) -> Iterator[tuple[int, str]]:
    last = start
    for index in range(start + 1, end):
        before, after = text[index - 1], text[index]
        if before in (SOFT_HYPHEN, ZERO_WIDTH_SPACE):
            last = index
        if index in glued or after in (SOFT_HYPHEN, ZERO_WIDTH_SPACE) or _joins(before, after):
            continue
        mark = _mark(before, after)
        nice = end - index > 2 and _is_nice(text, index, index - last, mark)
        if nice or index - last >= LONG:
            yield index, mark
            last = index


def _mark(before: str, after: str) -> str:
    letters = before.isalpha() and after.isalpha()
    alphabet = unicodedata.name(after, "").startswith(_ALPHABETS) if letters else False
    return SOFT_HYPHEN if alphabet else ZERO_WIDTH_SPACE


def _is_nice(text: str, index: int, length: int, mark: str) -> bool:
    """Tell whether people would break here: after a sign or digit, or before a syllable of a long run of letters."""
    before, after = text[index - 1], text[index]
    if mark == SOFT_HYPHEN:
        syllable = after.lower() in _CONSONANTS and text[index + 1 : index + 2].lower() in _VOWELS
        return length >= NICE and syllable
    in_numeral = length > 2 and before.isdecimal() and after.isdecimal()
    return (in_numeral or before in _AFTER) and after not in _NOT_BEFORE and length > 1


def _joins(before: str, after: str) -> bool:
    """Tell whether two characters make one sign: combining marks, variation selectors, joined emoji, surrogates."""
    joiners = "\u200c\u200d\u2060"
    return (
        unicodedata.category(after)[0] == "M"
        or after in joiners
        or before in joiners
        or "\U0001f3fb" <= after <= "\U0001f3ff"
    )
