"""The texts of messages as HTML blocks; those last shown are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from mrilu.web.kept import KeptBySize
from mrilu.web.pages.glosses import Glosses, glossed, words_used
from mrilu.web.pages.quotes import Graph, ShownBlock
from mrilu.web.pages.texts import Block, blocks
from mrilu.web.queries.archive import MessageRow
from mrilu.web.readers import shows_addresses
from mrilu.web.stamps_kept import Stamp, stamp_of

MOST = 32 * 1024 * 1024  # bytes of HTML


class MadeText(NamedTuple):
    """A message's text in blocks, with what it looks like and the words that are linked in it."""

    blocks: list[Block]
    looks: str
    words: frozenset[str]


class Texts(NamedTuple):
    """The texts of messages by their numbers, and the stamp of all of them."""

    shown: dict[int, list[ShownBlock]]
    stamp: Stamp


def _size(made: MadeText) -> int:
    return 200 + sum(len(one.html) for one in made.blocks)


_texts: KeptBySize[MadeText] = KeptBySize(MOST, _size)


def made_text(row: MessageRow, glosses: Glosses) -> MadeText:
    """Return a message's text, made once as long as it is shown now and then."""
    # By the text itself: numbers are given anew when a database is.
    digest = _digest(row.body)
    mask = not shows_addresses()

    def make() -> MadeText:
        link = partial(glossed, glosses=glosses)
        made = blocks(row.body, row.own_spans, mask=mask, glossed=link)
        htmls = [one.html for one in made]
        return MadeText(made, _digest("\0".join(htmls)), words_used(htmls))

    return _texts.get((digest, tuple(row.own_spans), mask, glosses.version), make)


def texts_of(rows: Iterable[MessageRow], graph: Graph, glosses: Glosses) -> Texts:
    """Return the texts of messages, with the links of the quote graph and to glosses."""
    made = [(row, made_text(row, glosses)) for row in rows]
    looks = _digest(" ".join(one.looks for _, one in made))
    words = frozenset[str]().union(*(one.words for _, one in made))
    shown = {row.id: graph.shown(row.id, row.hash, one.blocks) for row, one in made}
    return Texts(shown, stamp_of(looks, words, glosses))


def _digest(text: str) -> str:
    told = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(told, digest_size=16).hexdigest()
