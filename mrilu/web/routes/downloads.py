"""Messages and threads for mail programs."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, cast

from flask import Blueprint, Response, abort, send_file
from flask.typing import ResponseReturnValue

from models import Reader
from mrilu.mail.permalinks import hash_of
from mrilu.runtime.database import database
from mrilu.web.caching import answer
from mrilu.web.keyset import BEGINNING
from mrilu.web.pages.mails import as_mail, mbox
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries.archive import IN_THREAD, MessageRow
from mrilu.web.readers import current_reader, readable, shows_addresses
from mrilu.web.routes.messages import not_shown

pages = Blueprint("downloads", __name__)

IN_MEMORY = 1024 * 1024  # bytes of an mbox that is made; more goes to a temporary file


@pages.get("/m/<message_hash>/message.eml")
def mail(message_hash: str) -> ResponseReturnValue:
    """Return a message for a mail program."""
    reader = current_reader()
    rows = ask_database(lambda: queries.at_hash(database(), message_hash))
    seen = readable(rows, reader)
    if not seen:
        return not_shown(rows, reader)
    mask = not shows_addresses()

    def make() -> Response:
        made = Response(as_mail(seen[0], mask=mask), content_type="message/rfc822")
        made.headers.set("Content-Disposition", "attachment", filename=f"{message_hash}.eml")
        return made

    return answer("eml", seen[0].version(), mask, make=make)


@pages.get("/t/<message_hash>/t.mbox.gz")
def thread(message_hash: str) -> ResponseReturnValue:
    """Return all messages of a thread that the reader may see, as a packed mbox."""
    rows = ask_database(lambda: queries.at_hash(database(), message_hash))
    if not rows:
        abort(404)
    number, reader, mask = rows[0].thread, current_reader(), not shows_addresses()
    state = ask_database(lambda: queries.thread_state(database(), number))

    def make() -> Response:
        file = cast(IO[bytes], SpooledTemporaryFile(IN_MEMORY))
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
            for one in mbox(_all_of(number, reader), mask=mask):
                packed.write(one)
        file.seek(0)
        name = f"{hash_of(state.first)}.mbox.gz"
        return send_file(file, "application/gzip", as_attachment=True, download_name=name)

    if not next(_all_of(number, reader), None):
        abort(404)
    return answer("mbox", state, reader, mask, make=make)


def _all_of(thread_number: int, reader: Reader) -> Iterator[MessageRow]:
    """Yield a thread's messages that the reader may see, oldest first, a page at a time."""
    after = (BEGINNING, 0)
    while True:
        place = after
        rows = ask_database(
            lambda: queries.thread_messages(database(), thread_number, place)  # noqa: B023 - asked at once
        )
        yield from readable(rows, reader)
        if len(rows) < IN_THREAD:
            return
        after = (rows[-1].sent_at, rows[-1].id)
