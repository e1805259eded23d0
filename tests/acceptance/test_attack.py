"""Mails that are made to hold up their reader, and a good one that comes behind them."""

from __future__ import annotations

import time

from tests.acceptance.conftest import Service
from tests.factories import deliver, mail

# What a reader of the list notices; a busy machine is given more.
SECONDS = 5.0
HEAD = b"From: a@example.org\nSubject: attack\nDate: Tue, 9 Nov 2021 10:00:00 +0000\n"


def attacks() -> list[bytes]:
    """Return ten mails, each of which took an older reader 10 s to hours."""
    html = HEAD + b"Content-Type: text/html\n\n"
    return [
        html + b"<p " + b" ".join(b"a%d=1" % number for number in range(260_000)) + b">word",
        html + b"<select>" + b"<option></option>" * 100_000 + b"</select>word",
        html + b"".join(b"<b id=%d>" % number for number in range(20_000)) + b"<p>x" * 20_000,
        HEAD + b"\nbegin 644" + b" " * 100_000 + b"x" * 300 + b"\n",
        b'From: "' + b"a@" * 100_000 + b"\nSubject: x\n\nx\n",
        b"From: a@example.org\nMessage-ID: " + b"a" * 200_000 + b" b\n\nx\n",
        HEAD + b'Content-Type: text/plain; x="' + b'\\"' * 100_000 + b"\n\nx\n",
        HEAD + b"List-Id: " + "é".encode() * 900 + b" \n\nx\n",
        HEAD + b"Content-Type: text/plain; charset=utf-8\n\na" + "\u0591\u05b0".encode() * 500_000,
        HEAD
        + b"References: "
        + b" ".join(b"<%d@x>" % number for number in range(10_000))
        + b"\n\nx\n",
    ]


def test_while_ten_attack_mails_are_imported_a_good_mail_is_in_at_once(service: Service) -> None:
    service.start()
    deliver(service.maildir, mail("<first@x>"))
    service.until(lambda: service.imported() == 1)
    for raw in attacks():
        deliver(service.maildir, raw)
    deliver(service.maildir, mail("<good@x>"))
    began = time.monotonic()
    found = "SELECT count(*) FROM message WHERE message_id = 'good@x'"
    service.until(lambda: service._connected().execute(found).fetchone() == (1,))
    assert time.monotonic() - began < SECONDS
    service.until(lambda: service.ledger()["waiting"] == 0)
    assert service.ledger()["level"]
