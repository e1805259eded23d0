"""Encoded words decode to what they were: blanks, marks and all."""

from __future__ import annotations

import re
import tarfile
from email.header import decode_header, make_header
from email.message import Message
from email.policy import default

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.mail.parse import parse_message
from mrilu.notifications.addresses import one_line
from mrilu.notifications.headers import encoded_mailbox, encoded_text
from mrilu.settings.table import PROJECT

LISTS = PROJECT.parent / "shared" / "corpora" / "lists.tar.xz"
WORD = re.compile(r"=\?utf-8\?[bq]\?[!-<>@-~=]+\?=\Z")


def decoded(folded: str) -> str:
    """Decode as a strict reader does (RFC 2047, 6.2): the words, and no blank between two encoded ones."""
    unfolded = folded.replace("\r\n ", " ")
    standard = str(make_header(decode_header(unfolded)))
    message = Message(policy=default)
    message["Subject"] = default.header_fetch_parse("Subject", unfolded)
    assert str(message["Subject"]) == standard
    return standard


def assert_survives(text: str, indent: int = 9) -> None:
    folded = encoded_text(text, indent=indent)
    lines = folded.split("\r\n")
    assert all(line.startswith(" ") for line in lines[1:]) and folded.isascii()
    for number, line in enumerate(lines):
        assert len(line) + (indent if number == 0 else 0) <= 76 or "=?" not in line
        for word in line.split():
            assert not word.startswith("=?utf") or (len(word) <= 75 and WORD.match(word))
            assert "=?" not in word or word.startswith("=?")
    assert decoded(folded) == text


@pytest.mark.parametrize(
    "text",
    [
        "Reply: problème réunion très problème français",
        "Reply: commande 12 - la maison du lac avec feu arrière connecté et accessoire (#10)",
        "Reply: [r-sig-genetics] Online Course: Phylogenomics – 1–5 December",
        "plain words only",
        "a=?utf-8?q?not_one?= b",
        "x" * 150,
        "é" * 150,
        "😀" * 60,
        "日本語の件名がとても長い場合にどうなるかを調べるための例文です。" * 3,
        "e\u0301" * 80,
        "👩\u200d👩\u200d👧" * 30,
        "wide\u3000blank and no\xa0break",
        "é two  blanks",
        "ends é",
        "é begins",
        "a " * 90 + "é",
        "Ü _?= =_ ü",
    ],
)
def test_a_subject_decodes_to_what_it_was(text):
    assert_survives(text)


@hypothesis.settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=220))
def test_whatever_the_line_it_decodes_to_what_it_was(text):
    line = one_line(text)
    if line:
        assert_survives(line)


def test_the_real_subjects_beyond_ascii_survive():
    if not LISTS.exists():
        pytest.skip("../shared/corpora/lists.tar.xz is not here")
    found = set()
    with tarfile.open(LISTS) as corpus:
        for member in corpus:
            file = corpus.extractfile(member) if member.isfile() else None
            raw = file.read().partition(b"\n\n")[0] if file else b""
            if b"=?" in raw or not raw.isascii():
                found.add(one_line(parse_message(raw + b"\n\n").subject, 150))
    beyond = [subject for subject in found if not subject.isascii()]
    assert len(beyond) > 100
    for subject in beyond:
        for title in (f"Reply: {subject}", f"Found for “x”: {subject}"):
            assert_survives(one_line(title))


def test_accents_stay_with_their_letters():
    folded = encoded_text("e\u0301" * 80, indent=9)
    parts = [str(make_header(decode_header(word))) for word in folded.split()]
    assert all(part.startswith("e") for part in parts)


@pytest.mark.parametrize("name", ["mrilu", "la .mrilu.", 'a "b" \\c', "郵便", "Ann, Bob", "=?x"])
def test_a_mailbox_keeps_its_name(name):
    folded = encoded_mailbox(name, "n@x.example", indent=6)
    parsed = default.header_fetch_parse("From", folded.replace("\r\n ", " "))
    [mailbox] = parsed.addresses
    assert (mailbox.display_name, mailbox.addr_spec) == (name, "n@x.example")
    assert all(len(line) <= 78 for line in folded.split("\r\n"))


def test_a_long_name_is_folded():
    name = "Mailingliste für schöne Bücher " * 6
    folded = encoded_mailbox(name.strip(), "n@x.example", indent=6)
    assert str(make_header(decode_header(folded))).split() == [*name.split(), "<n@x.example>"]
    assert all(len(line) <= 76 for line in folded.split("\r\n")) and folded.count("\r\n") > 2


def test_a_mailbox_without_a_name_is_the_address():
    assert encoded_mailbox("", "n@x.example", indent=6) == "n@x.example"
