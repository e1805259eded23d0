"""The processor time of a mail is looked at inside the loops that it can make long."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator

import pytest

from mrilu.mail import clock
from mrilu.mail.headers.addresses import parse_addresses
from mrilu.mail.message import RejectedMail
from mrilu.mail.own_words.quotes import own_spans
from mrilu.mail.parse import parse_message
from mrilu.mail.text.guess import guess_charset
from mrilu.mail.text.mixed import decode_mixed
from mrilu.mail.text.transfer import decode_base64

LONG: dict[str, Callable[[], object]] = {
    "addresses": lambda: parse_addresses(", ".join(f'"A, {n}" <a{n}@x>' for n in range(1000))),
    "quotes": lambda: own_spans("own\n> theirs\n" * 1000),
    "charset": lambda: decode_mixed(
        "caf\u00e9\n".encode() * 1000 + b"\xe9\n", lambda data: "cp1252", None
    ),
    "guess": lambda: guess_charset("продолжение следует ".encode("koi8-r") * 20),
    "transfer": lambda: decode_base64(base64.b64encode(b"word") * 1000),
}


@pytest.fixture(autouse=True)
def unlimited() -> Iterator[None]:
    yield
    clock.stop()


@pytest.mark.parametrize("name", LONG)
def test_a_mail_whose_time_is_up_is_refused_inside_the_loop(name: str) -> None:
    LONG[name]()
    clock.start(-1.0)
    with pytest.raises(RejectedMail, match="too-slow|more than"):
        LONG[name]()


def test_time_that_passes_while_the_process_is_frozen_does_not_count(monkeypatch) -> None:
    clock.start(5.0)
    now = time.monotonic()
    monkeypatch.setattr(clock.time, "monotonic", lambda: now + 3600)
    clock.check_time()


def test_after_a_mail_there_is_no_limit() -> None:
    parse_message(b"From: a@x\n\nwords\n")
    clock.check_time()
    LONG["quotes"]()
