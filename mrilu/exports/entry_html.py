"""An entry as XHTML, for EPUB and StarDict: every text escaped, and references links where they lead somewhere."""

from __future__ import annotations

import html
from collections.abc import Callable

from mrilu.dictionary.entries import Entry
from mrilu.dictionary.markup import spans
from mrilu.exports.book import glosses_of
from mrilu.exports.entry_lines import facts, gloss_text, remarks

# Takes a Lojban word as it is shown, and returns where it leads to, None when it leads nowhere.
Target = Callable[[str], str | None]
_TAGS = {"letter": "i", "low": "sub", "high": "sup"}


def entry_html(entry: Entry, target: Target) -> list[str]:
    """Return what an entry says below its headword, in pieces: facts, definition, glosses, places, notes ..."""
    glosses, keywords = glosses_of(entry)
    pieces = [f"<i>{_escaped(facts(entry))}</i>", markup_html(entry.definition, target)]
    if glosses:
        pieces.append(f"› {_escaped('; '.join(map(gloss_text, glosses)))}")
    pieces += [f"<i>x</i><sub>{one.place}</sub> {_escaped(gloss_text(one))}" for one in keywords]
    pieces += [markup_html(text, target) for text in (entry.notes, *remarks(entry)) if text]
    return pieces


def markup_html(text: str, target: Target) -> str:
    """Return a definition or note as XHTML."""
    return "".join(
        word_html(span.text, target)
        if span.kind == "word"
        else _span(_TAGS.get(span.kind), _escaped(span.text))
        for span in spans(text)
    )


def word_html(word: str, target: Target) -> str:
    """Return a Lojban word as XHTML, a link if it leads somewhere."""
    found = target(word)
    if found is None:
        return _span("b", _escaped(word))
    # Readers of StarDict take the address as it stands, without reading "&#x27;" as an apostrophe.
    address = _escaped(found).replace('"', "&quot;")
    return f'<a href="{address}">{_escaped(word)}</a>'


def sense_html(sense: str, leads: list[tuple[str, int]], target: Target) -> str:
    """Return one sense of a word of the other direction: the Lojban words that it leads to, with their places."""
    words = ", ".join(
        word_html(valsi, target) + (f" <i>x</i><sub>{place}</sub>" if place else "")
        for valsi, place in leads
    )
    return f"<i>({_escaped(sense)})</i> {words}" if sense else words


def _span(tag: str | None, escaped: str) -> str:
    return f"<{tag}>{escaped}</{tag}>" if tag else escaped


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)
