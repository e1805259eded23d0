"""How mail programs name things, language by language: `languages.toml` as records."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Language:
    """The words of one language.

    sender and fields: the labels that Outlook puts above an original, "From" and all others.
    wrote: what ends an attribution (regular expressions); opens: the words that begin one.
    original: titles in the rule above an original or a forwarded mail; begins: Apple's line there.
    mine, device: lines of telephones and programs, "…" for the device: any at all in `mine`, a known one in `device`.
    offers: what stands before or behind the name of a program that offers itself ("Get Outlook for iOS").
    notice: how a list's notice to its subscribers begins; unsubscribe: the words for leaving.
    """

    code: str
    sender: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    wrote: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()
    original: tuple[str, ...] = ()
    begins: tuple[str, ...] = ()
    mine: tuple[str, ...] = ()
    device: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    notice: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()


def _read() -> tuple[Language, ...]:
    table = Path(__file__).with_name("languages.toml")
    rows = tomllib.loads(table.read_text(encoding="utf-8"))["language"]
    return tuple(
        Language(row.pop("code"), **{key: tuple(words) for key, words in row.items()})
        for row in rows
    )


LANGUAGES = _read()


def all_words(field: str) -> list[str]:
    """Return the words of all languages in one field, each once, longest first: a longer one begins as a shorter."""
    words = {word for language in LANGUAGES for word in getattr(language, field)}
    return sorted(words, key=lambda word: (-len(word), word))


def pattern_of(words: Iterable[str]) -> str:
    """Return a regular expression for any of the words, which a line of others leaves at its first letters.

    The words are grouped by their beginnings: an alternation of all of them would be tried word by word.
    """
    groups: dict[str, list[str]] = {}
    for word in sorted(set(words)):
        groups.setdefault(word[:1], []).append(word[1:])
    optional = groups.pop("", None) is not None
    parts = [re.escape(first) + pattern_of(rest) for first, rest in groups.items()]
    if not parts:
        return ""
    return (
        f"(?:{'|'.join(parts)}){'?' if optional else ''}"
        if optional or len(parts) > 1
        else parts[0]
    )


def first_letters(words: Iterable[str]) -> str:
    """Return a set of a regular expression with the words' first letters, to leave a line at its first letter."""
    return f"[{re.escape(''.join(sorted({word[0] for word in words})))}]"


def in_capitals_too(words: Iterable[str]) -> list[str]:
    """Return the words as they are and in capitals."""
    return [form for word in words for form in (word, word.upper())]
