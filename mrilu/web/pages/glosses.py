"""Lojban words in texts, linked to their glosses: only where a run of words is surely Lojban. Pure.

Each word of Lojban may be one of another language ("do", "so", "since"). So a word counts by those beside it: a run is
linked when all of it is Lojban, and enough of it can be nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from typing import NamedTuple

from markupsafe import Markup, escape

from mrilu.web.pages.lujvo import cmavo_parts, lujvo_parts
from mrilu.web.pages.words import word_link

MOST_LINKS = 500  # of a text
MOST_LISTED = 100
LEAST_RUN = 3  # words of a run within other text
MOST_KINDS = 100_000  # words whose kind is remembered
# Brivla that are spelt as words of other languages; most were met in English mail.
HOMOGRAPHS = frozenset(
    "since crane curve sample liste kinda linto crime grace place trade slide space state tense sense dense grande "
    "monde ronde blonde canto pasta banca tanto punto tinto mango mambo samba panda".split()
)
_TOKEN = re.compile(
    r"(?<![\w@/\\$%-])(?<!\w['’])\.?[A-Za-z]+(?:['’,][A-Za-z]+)*\.?(?![\w@/\\$%(=\[-])(?!['’]\w)"
)
_BETWEEN = re.compile(r"[ \t.,?!]*")
_C, _V = "[bcdfgjklmnprstvxz]", "[aeiou]"
_GISMU = re.compile(f"{_C}{_V}{_C}{_C}{_V}|{_C}{_C}{_V}{_C}{_V}")
_APOSTROPHE = re.compile(r"[aeiou]'[aeiou]")
_NAME = re.compile(r"[a-zA-Z'’,]*[bcdfgjklmnprstvxz]")
_NAMING = frozenset(("la", "lai", "la'i", "doi"))
_LINKED = re.compile(r'<a lang="jbo" class="gloss" href="/w/[^"]+" title="([^"]*)">([^<]*)</a>')
# A compound is no entry, and many words of other languages can be read as one ("code": co de).
NOTHING, COMPOUND, NEUTRAL, STRONG = 0, 1, 2, 3


class _Word(NamedTuple):
    """A word in a line, from `start` to `end`, and how surely it is Lojban."""

    start: int
    end: int
    text: str
    kind: int


class Glosses:
    """What each word of the dictionary means, in a line.

    `version` changes with any of it, `words` with which words there are: that alone decides where the links are.
    """

    def __init__(self, meanings: Mapping[str, str]) -> None:
        # The dictionary has ".au" with the dot that every vowel at a word's beginning has; people write either.
        self._entries = {_spelt(word): (word, meaning) for word, meaning in meanings.items()}
        self._kinds: dict[str, int] = {}
        names = sorted(meanings)
        self.words = _digest(names)
        self.version = _digest(f"{word}\t{meanings[word]}" for word in names)

    def of(self, word: str) -> tuple[str, str] | None:
        """Return a word as the dictionary has it and what it means, None if it is no entry."""
        return self._entries.get(_spelt(word))

    def meanings_of(self, words: Iterable[str]) -> str:
        """Return a text that changes with what any of these words means."""
        return _digest(f"{word}\t{self.of(word)}" for word in sorted(words))

    def kind(self, word: str) -> int:
        """Tell how surely a word is Lojban; STRONG is a word of the dictionary that looks like no other language's."""
        known = self._kinds.get(word)
        if known is None:
            if len(self._kinds) >= MOST_KINDS:
                self._kinds.clear()
            known = self._kinds[word] = self._judged(word)
        return known

    def _judged(self, word: str) -> int:
        parts = lujvo_parts(word)
        if word in self._entries:
            # what is no gismu and no lujvo is borrowed, and may be spelt as it was
            strong = _GISMU.fullmatch(word) or parts or _APOSTROPHE.search(word)
            return STRONG if strong and word not in HOMOGRAPHS else NEUTRAL
        sources = cmavo_parts(word) or [one.word for one in parts]
        return COMPOUND if sources and all(one in self._entries for one in sources) else NOTHING


def glossed(text: str, glosses: Glosses) -> Markup:
    """Return a text as HTML, escaped, with links from Lojban words to their pages; the titles say what they mean."""
    made, left = [], MOST_LINKS
    for line in text.split("\n"):
        end, parts = 0, []
        for word in _lojban(line, glosses):
            entry = glosses.of(word.text)
            if entry is None or not left:
                continue
            left -= 1
            parts += [escape(line[end : word.start]), word_link(entry[0], word.text, entry[1])]
            end = word.end
        made.append(Markup("").join([*parts, escape(line[end:])]))
    return Markup("\n").join(made)


def words_linked(htmls: Iterable[str]) -> list[tuple[str, str]]:
    """Return the words that have links in texts, each once with its meaning, for those who see no titles."""
    words: dict[str, str] = {}
    for word, meaning in _links(htmls):
        words.setdefault(word, meaning)
        if len(words) == MOST_LISTED:
            break
    return list(words.items())


def words_used(htmls: Iterable[str]) -> frozenset[str]:
    """Return all words that have links in texts."""
    return frozenset(word for word, _ in _links(htmls))


def _links(htmls: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each link's word, as it is looked up, and the meaning that it shows."""
    for html in htmls:
        for match in _LINKED.finditer(html):
            yield _spelt(unescape(match[2])), unescape(match[1])


def _lojban(line: str, glosses: Glosses) -> Iterator[_Word]:
    """Yield the words of those runs of a line that are surely Lojban."""
    runs, words = _runs(line, glosses)
    for run in runs:
        if _is_sure(run, line, whole=len(run) == words):
            yield from run


def _runs(line: str, glosses: Glosses) -> tuple[list[list[_Word]], int]:
    """Return the runs of words that may be Lojban, with nothing but spaces and stops between, and count all words."""
    runs: list[list[_Word]] = [[]]
    words = len(re.findall(r"\w+(?:['’]\w+)*", line))
    for match in _TOKEN.finditer(line):
        word = _word(match, glosses, runs[-1])
        last = runs[-1][-1].end if runs[-1] else match.start()
        if runs[-1] and not _BETWEEN.fullmatch(line, last, match.start()):
            runs.append([])
            word = _word(match, glosses, runs[-1])
        if word.kind:
            runs[-1].append(word)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run], words


def _word(match: re.Match[str], glosses: Glosses, before: list[_Word]) -> _Word:
    dotted = match[0]
    start = match.start() + dotted.startswith(".")
    end = match.end() - dotted.endswith(".")
    text = match.string[start:end]
    kind = glosses.kind(_spelt(text)) if text.islower() else NOTHING
    named = before and _spelt(before[-1].text) in _NAMING
    if not kind and named and _NAME.fullmatch(text):
        kind = NEUTRAL
    alone = match.string[max(0, match.start() - 1) : match.start()] != "."  # "pl..e..ase"
    if kind == NEUTRAL and alone and dotted.startswith(".") and text[0] in "aeiou":
        kind = STRONG
    return _Word(start, end, text, kind)


def _is_sure(run: list[_Word], line: str, *, whole: bool) -> bool:
    strong = sum(word.kind == STRONG for word in run)
    compounds = sum(word.kind == COMPOUND for word in run)
    if not strong or 4 * strong < len(run) or compounds > strong:
        return False
    if strong > 1 and len(run) > 2 or whole and len(run) > 1 and not compounds:
        return True
    # as people write about words: {klama}
    before, after = line[: run[0].start].rstrip(" ."), line[run[-1].end :].lstrip(" .")
    if before.endswith("{") and after.startswith("}"):
        return True
    return len(run) >= LEAST_RUN and not compounds


def _digest(lines: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _spelt(word: str) -> str:
    """Return a word as it is looked up: no dots around, no commas between syllables."""
    return word.strip(".").replace("’", "'").replace(",", "").lower()
