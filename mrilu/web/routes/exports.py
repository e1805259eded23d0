"""The exported dictionaries: each cached file with its size, age and checksum, at an address that stays."""

from __future__ import annotations

from io import SEEK_SET, RawIOBase
from typing import IO, cast

from flask import Blueprint, Response, abort, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.wsgi import FileWrapper

from models import CachedExport
from mrilu.runtime.database import database
from mrilu.web.caching import answer
from mrilu.web.patience import ask_database
from mrilu.web.sending import describe, unchanged

pages = Blueprint("exports", __name__)

PIECE = 1024 * 1024  # bytes that are read at once


@pages.get("/exports/")
def all_exports() -> ResponseReturnValue:
    """List the files."""

    def ask() -> list[dict[str, object]]:
        database()
        return CachedExport.listed()

    found = ask_database(ask)
    return answer("exports", found, make=lambda: render_template("exports.html", exports=found))


@pages.get("/exports/<tag>/<name>/<filename>")
def export(tag: str, name: str, filename: str) -> ResponseReturnValue:
    """Return a file, or (Range, RFC 9110, 14) a part of it; its ETag is its SHA-256."""

    def ask() -> CachedExport | None:
        database()
        return CachedExport.find(tag, name)

    found = ask_database(ask)
    if found is None or found.filename != filename:
        abort(404)

    name = found.filename
    if (same := unchanged(found.sha256, name)) is not None:
        return same
    sent = Response(
        FileWrapper(cast(IO[bytes], _Content(found)), PIECE),
        content_type=found.content_type,
        direct_passthrough=True,
    )
    sent.content_length = found.size
    sent.last_modified = found.built_at
    describe(sent, found.sha256, name)
    sent.make_conditional(request.environ, accept_ranges=True, complete_length=found.size)
    return sent


class _Content(RawIOBase):
    """A cached file that is read from the database as far as it is asked for, a piece at a time.

    Raises LookupError where it was replaced in between: the answer ends early, which its length shows.
    """

    def __init__(self, export: CachedExport) -> None:
        self._export, self._place = export, 0

    def seekable(self) -> bool:
        """Tell that a part may be asked for."""
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Go to a byte of the content."""
        self._place = offset + (0, self._place, self._export.size)[whence]
        return self._place

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size` of them."""
        left = self._export.size - self._place
        wanted = min(left, PIECE if size < 0 else size)
        if wanted <= 0:
            return b""
        piece = ask_database(lambda: self._part(wanted))
        self._place += len(piece)
        return piece

    def _part(self, wanted: int) -> bytes:
        database()
        return self._export.part(self._place, wanted)
