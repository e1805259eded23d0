"""XML that is made to fill memory or to take the square of its length."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable

import pytest

from mrilu.dictionary import jbovlaste_xml
from mrilu.dictionary.jbovlaste_xml import ExportUnreadable, read_export
from mrilu.dictionary.xml_stream import MAX_DEPTH, MAX_ENTRY_CHARS, MAX_FIELDS
from tests.downloads.sources import export, valsi
from tests.mail.test_linear import assert_linear

HEAD = b'<dictionary><direction from="lojban" to="English">'
TAIL = b"</direction></dictionary>"
ENTRY = b"<valsi word='a'><definition>b</definition><definitionid>%d</definitionid></valsi>"


def inside(text: bytes) -> bytes:
    return HEAD + b"<valsi word='a'><definition>" + text + b"</definition></valsi>" + TAIL


BOMBS: dict[str, tuple[int, Callable[[int], bytes]]] = {
    "junk elements": (400_000, lambda n: HEAD + b"<x/>" * (n // 4) + TAIL),
    "junk with text": (400_000, lambda n: HEAD + b"<x>a</x>" * (n // 8) + TAIL),
    "small entries": (100_000, lambda n: HEAD + b"".join(ENTRY % i for i in range(n // 85)) + TAIL),
    "the same entry": (100_000, lambda n: HEAD + ENTRY * (n // 85) + TAIL),
    "entries of nothing": (100_000, lambda n: HEAD + b"<valsi/>" * (n // 8) + TAIL),
    "deep": (400_000, lambda n: HEAD + b"<x>" * (n // 3)),
    "deep in a definition": (400_000, lambda n: inside(b"<x>" * (n // 7) + b"</x>" * (n // 7))),
    "one attribute": (3_000_000, lambda n: HEAD + b'<valsi word="' + b"a" * n + b'"/>' + TAIL),
    "one name": (3_000_000, lambda n: HEAD + b"<" + b"a" * n + b"/>" + TAIL),
    "attributes": (
        400_000,
        lambda n: (
            HEAD + b"<valsi " + b" ".join(b"a%d=''" % i for i in range(n // 10)) + b"/>" + TAIL
        ),
    ),
    "one text": (3_000_000, lambda n: inside(b"a" * n)),
    "line ends": (1_000_000, lambda n: inside(b"\n" * n)),
    "references": (1_000_000, lambda n: inside(b"&lt;" * (n // 4))),
    "comment": (3_000_000, lambda n: HEAD + b"<!--" + b"a" * n + b"-->" + TAIL),
    "instruction": (3_000_000, lambda n: HEAD + b"<?x " + b"a" * n + b"?>" + TAIL),
    "section": (3_000_000, lambda n: inside(b"<![CDATA[" + b"a" * n + b"]]>")),
    "fields": (
        400_000,
        lambda n: HEAD + b"<valsi word='a'>" + b"<x/>" * (n // 4) + b"</valsi>" + TAIL,
    ),
    "a person's fields": (
        400_000,
        lambda n: (
            HEAD + b"<valsi word='a'><user>" + b"<x/>a" * (n // 5) + b"</user></valsi>" + TAIL
        ),
    ),
    "a number": (
        400_000,
        lambda n: inside(
            b"b</definition><definitionid>" + b"9" * n + b"</definitionid><definition>"
        ),
    ),
}


def read(raw: bytes) -> None:
    try:
        read_export(io.BytesIO(raw))
    except ExportUnreadable:
        pass


@pytest.mark.parametrize("name", BOMBS)
def test_reading_takes_time_in_line_with_the_size(name: str) -> None:
    size, make = BOMBS[name]
    assert_linear(read, make, size)


@pytest.mark.parametrize("name", BOMBS)
def test_reading_takes_memory_in_line_with_what_an_entry_may_have(name: str) -> None:
    size, make = BOMBS[name]
    raw = make(4 * size)
    tracemalloc.start()
    try:
        read(raw)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    kept = name in ("small entries", "entries of nothing", "the same entry")
    assert most < 40_000_000 + (25 * len(raw) if kept else 0)


def test_an_entry_that_is_too_large_is_skipped_and_the_others_stay() -> None:
    found = read_export(
        io.BytesIO(
            export(
                valsi("a", 1, definition="x" * (MAX_ENTRY_CHARS + 1)),
                valsi("b", 2, more="<keyword word='x' place='1'/>" * (MAX_FIELDS + 1)),
                valsi("c", 3),
            )
        )
    )
    assert [one.word for one in found.entries] == ["c"]
    assert [one.reason.split(" than ")[1] for one in found.skipped] == [
        "200,000 characters",
        "5,000 fields",
    ]


def test_too_many_entries_and_too_deep_ones_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(jbovlaste_xml, "MAX_ENTRIES", 10)
    with pytest.raises(ExportUnreadable, match="more than 10 entries"):
        read_export(io.BytesIO(HEAD + b"<valsi/>" * 11 + TAIL))
    with pytest.raises(ExportUnreadable, match="deep"):
        read_export(io.BytesIO(HEAD + b"<x>" * MAX_DEPTH))
