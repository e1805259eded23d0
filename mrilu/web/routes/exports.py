"""The exported dictionaries: each cached file with its size, age and checksum, at an address that stays."""

from __future__ import annotations

from io import BytesIO

from flask import Blueprint, Response, abort, render_template, send_file
from flask.typing import ResponseReturnValue

from models import CachedExport
from mrilu.runtime.database import database
from mrilu.web.caching import answer
from mrilu.web.patience import ask_database

pages = Blueprint("exports", __name__)


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

    def read() -> bytes:
        database()
        return b"".join(found.pieces())

    try:
        content = ask_database(read)
    except LookupError:  # it was replaced in between: the next request gets the new one
        return Response("the file is being replaced\n", 503, {"Retry-After": "1"})
    sent = send_file(
        BytesIO(content),
        mimetype=found.content_type,
        as_attachment=True,
        download_name=found.filename,
        etag=found.sha256,
        last_modified=found.built_at,
    )
    sent.headers["Cache-Control"] = "no-cache"
    return sent
