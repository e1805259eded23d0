"""Names of attachments and of charsets, as a stranger writes them."""

from __future__ import annotations

import encodings

import pytest

from mrilu.archive.rows import file_names
from mrilu.mail.headers.file_names import MAX_NAME_BYTES, base_name
from mrilu.mail.parse import parse_message

HEAD = b"From: a@example.org\nSubject: x\n"

NAMES = {
    "../../x": "x",
    "../../etc/cron.d/x/": "x",
    "..\\..\\x": "x",
    "C:\\x\\y.txt": "y.txt",
    "C:x": "x",
    "ab:c.txt": "ab:c.txt",
    "x\u202egpj.exe": "xgpj.exe",
    "a\u2066b\u200fc\ufeff.txt": "abc.txt",
    "a/\u202e/": "a",
    "tab\there.txt": "tab here.txt",
    "..": "",
    ".": "",
    "/": "",
    "///..//": "",
    "\u202e": "",
    ".ssh": ".ssh",
    "résumé 日本.pdf": "résumé 日本.pdf",
}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_name_becomes(name: str) -> None:
    assert base_name(name) == NAMES[name]
    assert base_name(base_name(name)) == base_name(name)


@pytest.mark.parametrize(
    "name", ["a" * 70_000, "日" * 1000 + ".pdf", "a." + "b" * 1000, "\U0001f600" * 100]
)
def test_a_name_is_bounded_and_keeps_its_extension(name: str) -> None:
    short = base_name(name)
    assert MAX_NAME_BYTES - 3 <= len(short.encode()) <= MAX_NAME_BYTES
    assert short.endswith(".pdf") == name.endswith(".pdf")


SOURCES = {
    "filename=": lambda name: (
        HEAD + b"Content-Type: application/x\nContent-Disposition: attachment; filename=\"" + name + b"\"\n\nx\n"
    ),
    "filename*=": lambda name: (
        HEAD + b"Content-Type: application/x\nContent-Disposition: attachment; filename*=utf-8''"
        + b"".join(b"%%%02X" % code for code in name) + b"\n\nx\n"
    ),
    "name=": lambda name: HEAD + b"Content-Type: application/x; name=\"" + name + b"\"\n\nx\n",
    "uuencode": lambda name: HEAD + b"\nhi\nbegin 644 " + name + b"\n#86)C\n`\nend\n",
    "yEnc": lambda name: (
        HEAD + b"\n\n=ybegin line=128 size=3 name=" + name + b"\n\xff\xfe=y\n=yend size=3\n"
    ),
    "uuencoded part": lambda name: (
        HEAD + b"Content-Transfer-Encoding: x-uue\nContent-Type: application/x\n\nbegin 644 " + name
        + b"\n#86)C\n`\nend\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd/", "x\u202egpj.exe", "..", "/", "a" * 240 + "/b"]
)
def test_every_source_of_a_name_gives_a_base_name(source: str, name: str) -> None:
    parts = parse_message(SOURCES[source](name.encode())).parts
    found = list(file_names(parts))
    assert found == ([base_name(name)] if base_name(name) else [])


def test_unknown_charsets_are_not_kept() -> None:
    words = b"\n ".join(
        b"=?x-%d-unknown?q?a?= =?cp%d?q?b?=" % (n, n) for n in range(20_000, 21_000)
    )
    parse_message(b"From: a@example.org\n\nx\n")
    before = len(encodings._cache)
    parse_message(
        HEAD + b"X: y\nCc: " + words + b"\nContent-Type: text/plain; charset=x-9-no\n\n\xe9\n"
    )
    parse_message(b"From: a@example.org\nSubject: " + words + b"\n\nx\n")
    assert len(encodings._cache) - before < 20
