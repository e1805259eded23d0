"""What texts with glosses look like, told without making them anew: by the dictionary's words that they hold.

Where the links are depends on which words the dictionary has, and what they say on those that are linked. While neither
changed, texts look as they did, whatever else was said of other words.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from mrilu.web.pages.glosses import Glosses


class Stamp(NamedTuple):
    """`looks` changes with what texts look like; `dictionary`, `meanings`: the glosses that made them so.

    `words` are those that are linked in the texts.
    """

    looks: str
    dictionary: str
    words: frozenset[str]
    meanings: str

    def holds(self, glosses: Glosses) -> bool:
        """Tell whether the texts look with these glosses as they did."""
        return self.dictionary == glosses.words and glosses.meanings_of(self.words) == self.meanings


def stamp_of(looks: str, words: frozenset[str], glosses: Glosses) -> Stamp:
    """Return the stamp of texts that these glosses made look so."""
    return Stamp(looks, glosses.words, words, glosses.meanings_of(words))


class StampsKept:
    """Stamps of pages by what else these depend on; of more than `most` those go that were not asked for longest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._stamps: OrderedDict[str, tuple[Stamp, str]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, page: str, glosses: Glosses) -> Stamp | None:
        """Return the stamp of a page that holds with these glosses, None where none is known to."""
        with self._lock:
            stamp, version = self._stamps.get(page, (None, ""))
        if stamp is None or version != glosses.version and not stamp.holds(glosses):
            return None
        self.keep(page, stamp, glosses)
        return stamp

    def keep(self, page: str, stamp: Stamp, glosses: Glosses) -> None:
        """Keep the stamp of a page, which holds with these glosses."""
        with self._lock:
            self._stamps[page] = (stamp, glosses.version)
            self._stamps.move_to_end(page)
            while len(self._stamps) > self._most:
                self._stamps.popitem(last=False)
