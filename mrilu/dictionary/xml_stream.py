"""The entries of an XML file that no one vouches for, one at a time, in bounded memory and linear time.

expat reads a tag anew each time that more of it comes (libexpat 2.5; CVE-2023-52425), keeps every open element, and a
tree of all elements is many times the file. So a tag has a largest size, nesting a largest depth, an entry is kept
alone, and what nests deeper in it than fields do is text. There is no DTD, and so no entity but XML's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO
from xml.etree.ElementTree import Element
from xml.parsers import expat

CHUNK = 64 * 1024
MAX_TAG_BYTES = 1024 * 1024
MAX_DEPTH = 200_000
MAX_ENTRY_CHARS = 200_000
MAX_FIELDS = 5000
# Of jbovlaste's exports, and of lensisku's: there the language is told in <metadata>.
ENTRIES = ("valsi", "nlword", "entry", "language")
# The attribute of an entry that says why it is too large; no XML attribute has such a name.
OVERSIZED = " oversized"

_ENTRY_DEPTH = 3  # <dictionary><direction><valsi>
_PERSON = "user"  # the one field of jbovlaste that has fields
_KEYWORDS = ("gloss_keywords", "place_keywords")  # lensisku's, whose fields have fields


class ExportUnreadable(ValueError):
    """The file is not an export of jbovlaste or lensisku."""


def entries(file: IO[bytes]) -> Iterator[tuple[str, Element]]:
    """Yield each <valsi>, <nlword>, <entry> and <language> with the language that its <direction> leads to.

    Raises ExportUnreadable when it is not XML, has a DTD, another root, or more in one tag or depth than entries have.
    """
    reader = _Reader()
    while chunk := file.read(CHUNK):
        yield from reader.feed(chunk)
    yield from reader.feed(b"")


class _Reader:
    """Collects an entry's element: its fields, and theirs where they have some; all else in it is their text."""

    def __init__(self) -> None:
        self._expat = expat.ParserCreate()
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text
        self._expat.StartDoctypeDeclHandler = self._refuse_dtd
        self._fed = self._depth = 0
        self._language = ""
        self._entry: Element | None = None
        # Where text goes: the entry, a field of it, a field's field; and what has come for it.
        self._open: list[Element] = []
        self._words: list[str] = []
        self._chars = self._fields = 0
        self._whole: list[tuple[str, Element]] = []

    def feed(self, data: bytes) -> list[tuple[str, Element]]:
        """Read on; return the entries that ended. No data: the file has ended."""
        self._fed += len(data)
        try:
            self._expat.Parse(data, not data)
        except (expat.ExpatError, LookupError) as error:
            # LookupError: an encoding that Python does not know
            raise ExportUnreadable(f"{type(error).__name__}: {error}") from error
        except ValueError as error:
            if isinstance(error, ExportUnreadable):
                raise
            raise ExportUnreadable(f"{type(error).__name__}: {error}") from error
        if self._fed - max(0, self._expat.CurrentByteIndex) > MAX_TAG_BYTES:
            raise ExportUnreadable(f"a tag or comment has more than {MAX_TAG_BYTES:,} bytes")
        whole, self._whole = self._whole, []
        return whole

    def _refuse_dtd(self, name: str, *_: object) -> None:
        raise ExportUnreadable(f"it has a DTD ({name[:50]})")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 and name != "dictionary":
            raise ExportUnreadable(f"the root element is <{name[:50]}>, not <dictionary>")
        if self._depth > MAX_DEPTH:
            raise ExportUnreadable(f"elements are nested more than {MAX_DEPTH:,} deep")
        if self._depth == 2:
            self._language = attributes.get("to", "")[:100]
        elif self._depth == _ENTRY_DEPTH and name in ENTRIES:
            self._entry = Element(name, attributes)
            self._open, self._words = [self._entry], []
            self._chars = self._fields = 0
            self._count(attributes)
        elif self._entry is not None and self._holds_fields():
            self._take_text()
            field = Element(name, attributes)
            self._fields += 1
            self._count(attributes)
            if self._chars <= MAX_ENTRY_CHARS and self._fields <= MAX_FIELDS:
                self._open[-1].append(field)
            self._open.append(field)

    def _holds_fields(self) -> bool:
        """Tell whether an element that begins here is a field, and not just text with markup."""
        return self._depth == _ENTRY_DEPTH + len(self._open) and self._may_hold_fields()

    def _may_hold_fields(self) -> bool:
        """Tell whether what is open is the entry itself, its person, its keywords or one of them."""
        if len(self._open) == 1:
            return self._open[0].tag != "language"
        field = self._open[1].tag
        if field in _KEYWORDS:
            return len(self._open) < 4
        return len(self._open) == 2 and field == _PERSON

    def _end(self, name: str) -> None:
        if self._entry is not None and self._depth == _ENTRY_DEPTH + len(self._open) - 1:
            self._take_text()
            self._open.pop()
            if not self._open:
                self._end_entry(self._entry)
        self._depth -= 1

    def _end_entry(self, entry: Element) -> None:
        if self._chars > MAX_ENTRY_CHARS:
            entry.set(OVERSIZED, f"it has more than {MAX_ENTRY_CHARS:,} characters")
        elif self._fields > MAX_FIELDS:
            entry.set(OVERSIZED, f"it has more than {MAX_FIELDS:,} fields")
        self._whole.append((self._language, entry))
        self._entry = None

    def _text(self, text: str) -> None:
        if self._entry is not None:
            self._chars += len(text)
            if self._chars <= MAX_ENTRY_CHARS:
                self._words.append(text)

    def _count(self, attributes: dict[str, str]) -> None:
        self._chars += sum(len(name) + len(value) for name, value in attributes.items())

    def _take_text(self) -> None:
        """Give a field its text; what stands between fields is of no use."""
        if self._words and not self._may_hold_fields():
            self._open[-1].text = (self._open[-1].text or "") + "".join(self._words)
        self._words = []
