"""The texts of messages as HTML blocks; those last shown are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import partial

from mrilu.web.glosses_kept import current_glosses
from mrilu.web.kept import KeptBySize
from mrilu.web.pages.glosses import glossed
from mrilu.web.pages.quotes import Graph, ShownBlock
from mrilu.web.pages.texts import Block, blocks
from mrilu.web.queries.archive import MessageRow
from mrilu.web.readers import shows_addresses

MOST = 32 * 1024 * 1024  # bytes of HTML


def _size(made: list[Block]) -> int:
    return 200 + sum(len(one.html) for one in made)


_texts: KeptBySize[list[Block]] = KeptBySize(MOST, _size)


def blocks_of(row: MessageRow) -> list[Block]:
    """Return a message's text in blocks, made once as long as it is shown now and then."""
    # By the text itself: numbers are given anew when a database is.
    digest = hashlib.blake2b(row.body.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    glosses, mask = current_glosses(), not shows_addresses()

    def make() -> list[Block]:
        return blocks(row.body, row.own_spans, mask=mask, glossed=partial(glossed, glosses=glosses))

    return _texts.get((digest, tuple(row.own_spans), mask, glosses.version), make)


def texts_of(rows: Iterable[MessageRow], graph: Graph) -> dict[int, list[ShownBlock]]:
    """Return the texts of messages by their numbers, with the links of the quote graph."""
    return {row.id: graph.shown(row.id, row.hash, blocks_of(row)) for row in rows}
