"""The fields that Outlook and others put above an original which they do not mark: From, Sent, To, Subject."""

import re

from mrilu.mail.own_words.languages import (
    LANGUAGES,
    all_words,
    first_letters,
    in_capitals_too,
    pattern_of,
)

# Blanks, the asterisks of bold type, and the marks of right-to-left text.
_AROUND = r"[ \t\xa0*_\u200e\u200f\u202a-\u202e\u2066-\u2069]"
_MARKS = r"\u200e\u200f\u202a-\u202e\u2066-\u2069"


def sender_line(ascii_only: bool) -> str:
    """Return a pattern for the first line of such a block; a look at the lines below has to follow.

    With `ascii_only` it is for texts that are, and quicker.
    """
    words = ["from", *in_capitals_too(all_words("sender"))]
    words = [word for word in words if word.isascii() or not ascii_only]
    marks, blanks = ("", " \t") if ascii_only else (_MARKS, " \t\xa0")
    around = f"[{blanks}*_{marks}]"
    return (
        rf"(?:[ \t]?[*_{marks}]{{0,3}}(?={first_letters(words)})(?=[^\n:：]{{1,{max(map(len, words)) + 4}}}[:：])"
        rf"{pattern_of(words)}{around}{{0,4}}[:：])"
    )


_LABEL = re.compile(rf"{_AROUND}*([^\n:：*]{{1,24}}?){_AROUND}*[:：]")
_EVERYWHERE = "en"


def _languages_by_word(field: str) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for language in LANGUAGES:
        for word in getattr(language, field):
            found.setdefault(word.casefold(), set()).add(language.code)
    return {word: frozenset(codes) for word, codes in found.items()}


_SENDERS, _FIELDS = _languages_by_word("sender"), _languages_by_word("fields")
_WINDOW, _NARROW, _WIDE = 9, 3, 6
_FEWEST = 2


def begins_original(text: str) -> bool:
    """Tell whether `text` begins with a From: line that has two other fields of its language right below.

    Some programs write a label and its value on a line each.
    """
    first, *others = text.split("\n")[:_WINDOW]
    label = _LABEL.match(first)
    if not label or not (languages := _SENDERS.get(label[1].casefold())):
        return False
    near = _NARROW if first[label.end() :].strip("* \t\xa0") else _WIDE
    below = [line for line in others if line.strip()][:near]
    return sum(_is_field(line, languages) for line in below) >= _FEWEST


def _is_field(line: str, languages: frozenset[str]) -> bool:
    label = _LABEL.match(line[:60])
    found = _FIELDS.get(label[1].casefold()) if label else None
    return bool(found and (_EVERYWHERE in found or _EVERYWHERE in languages or found & languages))
