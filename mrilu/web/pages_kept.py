"""Pages that were made: those last shown are kept, as they are and packed, by the digest of what they are made of."""

from __future__ import annotations

import gzip
import threading
from collections import OrderedDict

LEVEL = 5  # of gzip


class Page:
    """The bytes of a page; it is packed when that is first asked for."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._packed: bytes | None = None

    def packed(self) -> bytes:
        """Return the page as gzip (RFC 1952); two may make it at once."""
        if self._packed is None:
            self._packed = gzip.compress(self.content, LEVEL, mtime=0)
        return self._packed


class PagesKept:
    """Pages by their digests; of more than `most` bytes those go that were not shown for longest."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, digest: str) -> Page | None:
        """Return the page of this digest, None where it is not kept."""
        with self._lock:
            if digest in self._pages:
                self._pages.move_to_end(digest)
            return self._pages.get(digest)

    def keep(self, digest: str, page: Page) -> None:
        """Keep a page; one that is larger than all may be is not."""
        if len(page.content) > self._most:
            return
        with self._lock:
            if digest not in self._pages:
                self._pages[digest] = page
                self._size += len(page.content)
            while self._size > self._most:
                self._size -= len(self._pages.popitem(last=False)[1].content)
