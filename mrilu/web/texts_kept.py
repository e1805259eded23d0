"""The texts of messages as HTML blocks; those last shown are kept."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from functools import partial

from mrilu.web.glosses_kept import current_glosses
from mrilu.web.pages.glosses import glossed
from mrilu.web.pages.quotes import Graph, ShownBlock
from mrilu.web.pages.texts import Block, blocks
from mrilu.web.queries.archive import MessageRow
from mrilu.web.readers import shows_addresses


class _Texts:
    """The texts of messages as HTML blocks, those last shown, up to some megabytes of them."""

    LIMIT = 32 * 1024 * 1024

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[object, ...], list[Block]] = OrderedDict()
        self._lock = threading.Lock()
        self._size = 0

    def of(self, row: MessageRow) -> list[Block]:
        """Return a message's blocks."""
        # By the text itself: numbers are given anew when a database is.
        digest = hashlib.blake2b(row.body.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        glosses = current_glosses()
        key = (digest, tuple(row.own_spans), shows_addresses(), glosses.version)
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        made = blocks(
            row.body,
            row.own_spans,
            mask=not shows_addresses(),
            glossed=partial(glossed, glosses=glosses),
        )
        with self._lock:
            if key not in self._made:
                self._made[key] = made
                self._size += _size(made)
            while self._size > self.LIMIT and len(self._made) > 1:
                self._size -= _size(self._made.popitem(last=False)[1])
        return made


def _size(made: list[Block]) -> int:
    return 200 + sum(len(one.html) for one in made)


_texts = _Texts()


def blocks_of(row: MessageRow) -> list[Block]:
    """Return a message's text in blocks, made once as long as it is shown now and then."""
    return _texts.of(row)


def texts_of(rows: Iterable[MessageRow], graph: Graph) -> dict[int, list[ShownBlock]]:
    """Return the texts of messages by their numbers, with the links of the quote graph."""
    return {row.id: graph.shown(row.id, row.hash, blocks_of(row)) for row in rows}
