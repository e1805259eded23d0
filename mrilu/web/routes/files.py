"""What a message's file holds: its attachments, its HTML letter, and the mail as it lies there."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from uuid import UUID

from flask import Blueprint, Response, abort, current_app, render_template
from flask.typing import ResponseReturnValue

from models import Message
from mrilu.mail.message import Limits
from mrilu.runtime.database import database
from mrilu.web.caching import answer
from mrilu.web.downloads import stored as files
from mrilu.web.downloads.parts import content_of, html_of, images_of, numbered
from mrilu.web.downloads.raw_masking import LONGEST, masked_lines, masked_mail
from mrilu.web.downloads.stored import FileAway, FileChanged, FileGone, Stored
from mrilu.web.pages import html_mail
from mrilu.web.part_links import name_of
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries.archive import MessageRow
from mrilu.web.readers import current_reader, shows_addresses
from mrilu.web.routes.messages import not_shown
from mrilu.web.sending import safe_type, sent_file, unchanged

logger = logging.getLogger(__name__)
pages = Blueprint("files", __name__)

_NUMBER = re.compile(r"(?:(\d{1,4})-)?(\d{1,6})")


class _Unseen(Exception):
    """The reader does not see this message; `answer` is what is said instead."""

    def __init__(self, said: ResponseReturnValue) -> None:
        self.answer = said


@pages.errorhandler(_Unseen)
def _say(error: _Unseen) -> ResponseReturnValue:
    return error.answer


@pages.errorhandler(FileAway)
@pages.errorhandler(FileChanged)
@pages.errorhandler(FileGone)
def _excuse(error: Exception) -> ResponseReturnValue:
    gone = isinstance(error, FileGone)
    shown_page = render_template(
        "error.html", code=404 if gone else 503, name=str(type(error).__doc__)
    )
    return shown_page, 404 if gone else 503, {} if gone else {"Retry-After": "600"}


@pages.get("/m/<message_hash>/files/<number>/<name>")
def attachment(message_hash: str, number: str, name: str) -> ResponseReturnValue:
    """Return one file or attached mail of a message; texts are masked."""
    match = _NUMBER.fullmatch(number)
    if match is None:
        abort(404)
    row = _row(message_hash, int(match[1] or 1))
    wanted = next((one for one in numbered(row.parts) if one.number == int(match[2])), None)
    if wanted is None or not wanted.is_file:
        abort(404)
    kind = str(wanted.node.get("type", ""))
    mask = not shows_addresses() and kind.startswith(("text/", "message/"))
    tag = f"{wanted.node['sha256']}{'-masked' if mask else ''}"
    saved_as = name_of(wanted)
    if (same := unchanged(tag, saved_as)) is not None:
        return same
    with _opened(row) as stored:
        file = content_of(stored, wanted, _limits(), _room())
    if mask:
        with file:
            lines = iter(lambda: file.readline(LONGEST), b"")
            file = _spooled((masked_mail if kind.startswith("message/") else masked_lines)(lines))
    size = file.seek(0, 2)
    file.seek(0)
    return sent_file(file, size=size, tag=tag, kind=safe_type(kind), name=saved_as)


@pages.get("/m/<message_hash>/html")
@pages.get("/m/<message_hash>/html/<int:nth>")
def letter(message_hash: str, nth: int = 1) -> ResponseReturnValue:
    """Show the HTML letter of a message, made harmless, under a policy that lets it load and run nothing."""
    row = _row(message_hash, nth)
    found = next((one for one in numbered(row.parts) if one.is_html), None)
    if found is None:
        abort(404)
    mask = not shows_addresses()

    def make() -> Response:
        with _opened(row) as stored:
            html = html_of(stored, found, _limits())
            named = "cid:" in html.lower()
            images = images_of(stored, row.parts, _limits(), _room()) if named else {}
        made = Response(
            html_mail.harmless(html, images, mask=mask), content_type="text/html; charset=utf-8"
        )
        return made

    made = answer("html", row.version(), mask, make=make)
    made.headers["Content-Security-Policy"] = html_mail.POLICY
    made.headers["X-Robots-Tag"] = "noindex"
    return made


@pages.get("/m/<message_hash>/raw")
@pages.get("/m/<message_hash>/raw/<int:nth>")
def raw(message_hash: str, nth: int = 1) -> ResponseReturnValue:
    """Return the mail as its file holds it; addresses are masked line by line, Message-IDs are not."""
    return raw_answer(_row(message_hash, nth), "text/plain; charset=utf-8")


def raw_answer(row: MessageRow, kind: str, name: str = "") -> Response:
    """Return a message's file, masked where the settings say so."""
    mask = not shows_addresses()
    with _opened(row) as stored:
        file = spooled_raw(stored, mask=mask)
    digest = hashlib.blake2b(digest_size=16)
    for piece in iter(lambda: file.read(1024 * 1024), b""):
        digest.update(piece)
    size = file.tell()
    file.seek(0)
    return sent_file(file, size=size, tag=digest.hexdigest(), kind=kind, name=name)


def spooled_raw(stored: Stored, *, mask: bool) -> IO[bytes]:
    """Return the mail in an unnamed file, masked or not."""
    stored.file.seek(0)
    lines: Callable[[], bytes] = lambda: stored.file.readline(LONGEST)  # noqa: E731
    found = iter(lines, b"")
    file = _spooled(masked_mail(found) if mask else found)
    file.seek(0)
    return file


def _spooled(pieces: Iterable[bytes]) -> IO[bytes]:
    file = TemporaryFile(dir=_room())
    file.writelines(pieces)
    return file


def _row(message_hash: str, nth: int) -> MessageRow:
    """Return the `nth` message with this hash (numbers count all, so that none shifts). Raises _Unseen, 404."""
    rows = ask_database(lambda: queries.at_hash(database(), message_hash))
    if not 1 <= nth <= len(rows):
        abort(404)
    row, reader = rows[nth - 1], current_reader()
    if not reader.may_read(row.restrictions, row.list_ids):
        raise _Unseen(not_shown([row], reader))
    return row


@contextmanager
def _opened(row: MessageRow) -> Iterator[Stored]:
    def ask() -> tuple[UUID, list[files.Place]]:
        database()
        return Message.get_by_id(row.id).identity, files.places_of(row.id)

    identity, places = ask_database(ask)
    with files.opened(places, identity, _limits(), _room()) as stored:
        yield stored


def _limits() -> Limits:
    limits: Limits = current_app.config["LIMITS"]
    return limits


def _room() -> Path:
    """Return the folder for what has to be unpacked."""
    room: Path = current_app.config["DOWNLOADS"]
    room.mkdir(parents=True, exist_ok=True)
    return room
