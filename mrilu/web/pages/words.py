"""The pages of words: definitions with links, languages in the reader's order, versions with differences. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from markupsafe import Markup, escape

from mrilu.dictionary.markup import clean, readable, readable_span, spans
from mrilu.notifications.changes import Change, changes_of
from mrilu.web import addresses
from mrilu.web.pages.texts import visible
from mrilu.web.queries.words import DefinitionRow, VersionRow

MAX_TEXT = 20_000  # characters of a definition that are shown
MOST_COMPARED = 1500  # pieces of a text whose differences are looked for
_PIECES = re.compile(r"\s+|\w+|[^\w\s]")

Show = Callable[[str], str]


class Section(NamedTuple):
    """A language's definitions of a word."""

    tag: str
    language: str
    definitions: list[DefinitionRow]


class Version(NamedTuple):
    """What a version changed: its text with the differences marked, and its other fields."""

    row: VersionRow
    text: Markup
    notes: Markup
    fields: list[Change]


def mentioned(texts: Iterable[str]) -> frozenset[str]:
    """Return the words that texts of the dictionary refer to in braces."""
    found = (span.text for text in texts for span in spans(text[:MAX_TEXT]) if span.kind == "word")
    return frozenset(_bare(word) for phrase in found for word in phrase.split())


def linked(
    text: str,
    known: Collection[str],
    show: Show = visible,
    place: Callable[[str], str] = addresses.of_word,
) -> Markup:
    """Return a definition, or its notes, as HTML: places with small digits, references to known words as links."""
    lines = []
    for line in text[:MAX_TEXT].split("\n"):
        made = []
        for span in spans(line):
            if span.kind == "word":
                made.append(_references(span.text, known, show, place))
            else:
                made.append(escape(show(readable_span(span))))
        lines.append(Markup("").join(made))
    return Markup("\n").join(lines).strip()


def _references(
    phrase: str, known: Collection[str], show: Show, place: Callable[[str], str]
) -> Markup:
    return Markup(" ").join(
        _link(place(_bare(word)), show(word)) if _bare(word) in known else escape(show(word))
        for word in phrase.split()
    )


def _link(place: str, shown: str) -> Markup:
    return Markup('<a lang="jbo" href="{}">{}</a>').format(place, shown)


def word_link(word: str, shown: str, title: str = "") -> Markup:
    """Return a link to a word."""
    place = addresses.of_word(word)
    if not title:
        return _link(place, shown)
    link = '<a lang="jbo" class="gloss" href="{}" title="{}">{}</a>'
    return Markup(link).format(place, title, shown)  # noqa: S704 - formatted, and so escaped


def _bare(word: str) -> str:
    return word.strip("()*.")


def sections(rows: Iterable[DefinitionRow], preferred: Sequence[str]) -> list[Section]:
    """Return the definitions by language, the reader's languages first, then English, then by tag."""
    by_tag: dict[str, Section] = {}
    for row in rows:
        section = by_tag.setdefault(row.tag, Section(row.tag, row.language, []))
        section.definitions.append(row)
    order = [*preferred, "en"]
    return sorted(by_tag.values(), key=lambda one: (_place(one.tag, order), one.tag))


def _place(tag: str, order: Sequence[str]) -> int:
    """Return where a tag stands among those that are preferred; en-simple is English, too."""
    for number, one in enumerate(order):
        if tag == one:
            return 2 * number
        if tag.split("-")[0] == one.split("-")[0]:
            return 2 * number + 1
    return 2 * len(order)


def badges(row: DefinitionRow) -> list[str]:
    """Return what a reader is to know of a definition at a glance: its type, and what speaks against using it."""
    found = [row.type] if row.type else []
    if row.unofficial and not re.search("experimental|obsolete", row.type):
        found.append("unofficial")
    if row.selmaho:
        found.append(row.selmaho)
    return found


def all_rafsi(rows: Iterable[DefinitionRow]) -> list[str]:
    """Return the rafsi of a word, as any of its definitions has them."""
    return list(dict.fromkeys(short for row in rows for short in row.rafsi))


def version(row: VersionRow, show: Show = visible) -> Version:
    """Return a version with what it changed, each text as `show` has it."""
    before, after = row.before or {}, row.content
    fields = [] if not row.before else list(changes_of(before, after))
    return Version(
        row,
        _compared(before, after, "definition", show),
        _compared(before, after, "notes", show),
        [one for one in fields if one.field != "notes"],
    )


def _compared(
    before: dict[str, object], after: dict[str, object], field: str, show: Show
) -> Markup:
    old, new = (
        show(readable(clean(str(one.get(field) or ""))[:MAX_TEXT])) for one in (before, after)
    )
    return difference(old, new) if before else escape(new)


def difference(before: str, after: str) -> Markup:
    """Return the text after a change, with what went and what came marked by words."""
    old, new = _PIECES.findall(before), _PIECES.findall(after)
    if max(len(old), len(new)) > MOST_COMPARED:
        return _marked("del", old) + _marked("ins", new) if old != new else escape("".join(new))
    made = []
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            made.append(escape("".join(new[k:m])))
        else:
            made += [_marked("del", old[i:j]), _marked("ins", new[k:m])]
    return Markup("").join(made)


def _marked(tag: str, pieces: Sequence[str]) -> Markup:
    return Markup(f"<{tag}>{{}}</{tag}>").format("".join(pieces)) if pieces else Markup("")  # noqa: S704 - tags of ours
