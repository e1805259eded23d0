"""Mails that are a prefix, a pump many times, and a suffix: what a pattern that backtracks is slow on.

The pieces are what the parser looks for, put together at random: a list of known attacks would find those alone.
`python -m tests.mail.pumps SECONDS` tries others each time; tests/mail/test_pumps.py the same ones at each run.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from mrilu.archive.rows import index_texts
from mrilu.mail.mbox import is_mbox
from mrilu.mail.message import RejectedMail
from mrilu.mail.parse import parse_message

SIZE = 30_000  # bytes of pumps
TIMES, MOST = 4, 8  # four times the bytes take 4 times as long; 16 times is the square
# A linear reader takes some hundredths of a second for such a mail on a busy machine.
FLOOR_SECONDS = 0.4
ALARM_SECONDS = 20

HEAD = b"From: a@example.org\nSubject: x\nDate: Mon, 06 Oct 2025 09:12:44 +0200\n"

_CHARACTERS = [bytes((code,)) for code in b" \t\"'\\<>@(),;:.=*?%&#[]{}/-_+~!|^$a1Z0"]
_LETTERS = ["é".encode(), "日".encode(), b"\xe9", "\u0301".encode(), b"\x1b$B", b"\x00"]
_HEADER = [
    *_CHARACTERS, *_LETTERS, b'\\"', b"\n ", b"\n\t", b"=?utf-8?q?", b"=?utf-8?b?", b"?=", b"=41", b"%41", b"*0*=",
    b"utf-8''", b"; x=", b'x="', b"<a@b>", b"a@b, ", b"Re: ", b"[x] ", b"(x", b"mailto:", b"10:00 ", b"Jan ", b"+0000",
]  # fmt: skip
_BODY = [
    *_CHARACTERS, *_LETTERS, b"\n", b"\r\n", b"\n\n", b"> ", b">>", b"-- \n", b"begin 644 x\n", b"end\n",
    b"M" + b"a" * 60, b"=ybegin line=1 name=x\n", b"=yend\n", b"=\n", b"=20", b"--b\n", b"--b--\n", b"From ",
    b"On Jan 1, a wrote:\n",
    b"-----Original Message-----\n", b"From: a\n", b"-----BEGIN PGP SIGNATURE-----\n", b"http://a.b/", b"a@b.c",
]  # fmt: skip
_HTML = [
    *_CHARACTERS, *_LETTERS, b"<a ", b"<p>", b"</p>", b"<b id=1>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<table>",
    b"<tr><td>", b"<select>", b"<option>", b"<style>", b"</style>", b"<script>", b"</", b"/>", b"<br>", b"&amp;",
    b"&#1;", b"x=1 ", b"x='", b'x="', b"<div style=display:none>", b"<blockquote>", b"</blockquote>", b"<svg>",
    b"<template>",
    b"<frameset>", b"<form>", b"<?", b"<!DOCTYPE ", b"<pre>\n", b"<li>", b"<ul>", b"<h1>", b"<font>", b"</font>",
]  # fmt: skip

_FIELDS = (
    "From", "To", "Cc", "Reply-To", "Sender", "Subject", "Date", "Message-ID", "References", "In-Reply-To", "List-Id",
    "List-Post", "X-Mailing-List", "Mailing-List", "Received", "Content-Type", "Content-Disposition",
    "Content-Transfer-Encoding", "Content-ID", "X-Original-From", "Delivered-To", "Precedence", "X",
)  # fmt: skip

Make = Callable[[bytes], bytes]


def _field(name: str) -> Make:
    return lambda text: name.encode() + b": " + text + b"\n" + HEAD + b"\nx\n"


def _after(head: bytes) -> Make:
    return lambda text: HEAD + head + b"\n\n" + text


ENTRIES: dict[str, tuple[Make, list[bytes]]] = {
    **{name: (_field(name), _HEADER) for name in _FIELDS},
    "parameters": (
        lambda text: HEAD + b"Content-Type: text/plain; charset=" + text + b"\n\nx\n",
        _HEADER,
    ),
    "text": (_after(b"X: y"), _BODY),
    "flowed": (_after(b"Content-Type: text/plain; format=flowed; delsp=yes"), _BODY),
    "quoted-printable": (_after(b"Content-Transfer-Encoding: quoted-printable"), _BODY),
    "base64": (_after(b"Content-Transfer-Encoding: base64"), _BODY),
    "uuencode": (_after(b"Content-Transfer-Encoding: x-uuencode"), _BODY),
    "multipart": (_after(b"Content-Type: multipart/mixed; boundary=b"), _BODY),
    "digest": (_after(b"Content-Type: multipart/digest; boundary=b"), _BODY),
    "nested": (_after(b"Content-Type: message/rfc822"), _HEADER + _BODY),
    "calendar": (_after(b"Content-Type: text/calendar"), _BODY),
    "iso-2022-jp": (_after(b"Content-Type: text/plain; charset=iso-2022-jp"), _BODY),
    "utf-7": (_after(b"Content-Type: text/plain; charset=utf-7"), _BODY),
    "html": (_after(b"Content-Type: text/html"), _HTML),
    "html in parts": (
        lambda text: HEAD + b"Content-Type: multipart/alternative; boundary=b\n\n--b\n\nx\n"
        b"--b\nContent-Type: text/html\n\n" + text + b"\n--b--\n",
        _HTML,
    ),
    "nothing else": (lambda text: text, _HEADER + _BODY),
}  # fmt: skip


class Case(NamedTuple):
    """One shape of a mail for one entry of the parser."""

    entry: str
    prefix: bytes
    pump: bytes
    suffix: bytes

    def mail(self, size: int) -> bytes:
        """Return it with some `size` bytes of pumps."""
        make, _ = ENTRIES[self.entry]
        return make(self.prefix + self.pump * (size // len(self.pump)) + self.suffix)


class TooSlow(Exception):
    """Reading takes more than its share of time; the message has the case."""


def cases(entry: str, seed: int | str) -> Iterator[Case]:
    """Yield shapes without end, the same for the same seed."""
    chance = random.Random(f"{entry} {seed}")  # noqa: S311 - nothing secret
    pieces = ENTRIES[entry][1]

    def some(least: int, most: int) -> bytes:
        return b"".join(chance.choices(pieces, k=chance.randint(least, most)))

    while True:
        yield Case(entry, some(0, 3), some(1, 3), some(0, 2))


def assert_linear(case: Case) -> None:
    """Raise TooSlow when reading it is slow and takes more than in line with its size."""
    few = _seconds(case, SIZE)
    if few <= FLOOR_SECONDS:
        return
    less, more = _seconds(case, SIZE // TIMES), _seconds(case, SIZE)
    if more > max(FLOOR_SECONDS, MOST * less):
        raise TooSlow(
            f"{case}: {SIZE // TIMES} bytes of pumps take {less:.2f} s, {SIZE} {more:.2f} s"
        )


def _seconds(case: Case, size: int) -> float:
    raw = case.mail(size)
    began = time.process_time()
    with _alarm(case):
        is_mbox(raw)
        try:
            index_texts(parse_message(raw))
        except RejectedMail:
            pass
    return time.process_time() - began


@contextmanager
def _alarm(case: Case) -> Iterator[None]:
    """End what takes for ever: patterns look for signals while they backtrack."""

    def ring(*_: object) -> None:
        raise TooSlow(f"{case}: more than {ALARM_SECONDS} s")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, ALARM_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def main() -> int:
    """Try new shapes for as many seconds as the first word says; the exit code: 1 when one is too slow."""
    seed, until, tried = str(time.time_ns()), time.monotonic() + float(sys.argv[1]), 0
    streams = [cases(entry, seed) for entry in ENTRIES]
    while time.monotonic() < until:
        for stream in streams:
            try:
                assert_linear(next(stream))
            except TooSlow as error:
                print(error)
                return 1
            tried += 1
    print(
        f"{tried} shapes of {len(ENTRIES)} entries take time in line with their size (seed {seed})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
