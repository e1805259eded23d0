"""Files as answers: names that no header and no disk stumbles over, types that no browser runs, parts (Range)."""

from __future__ import annotations

import re
from typing import IO
from urllib.parse import quote

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

ANY = "application/octet-stream"
_MOST_BYTES = 180  # of a name: file systems take 255, with what a browser adds
_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+_-]{0,100}")
# What a browser shows or runs as a document of this site, if it ever came to open it.
_RUN = re.compile(r"html|xml|svg|script|flash|java|wasm|mathml|manifest|css|x-mixed|mhtml")
_PLAIN_TEXTS = frozenset({"text/plain", "text/csv", "text/x-patch", "text/x-diff", "text/calendar"})
_UNFIT = re.compile(
    '[/\\\\:*?"<>|]|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]'
)


def safe_type(kind: str) -> str:
    """Return the media type if it is one that browsers do not run, else application/octet-stream."""
    kind = kind.lower()
    if not _TYPE.fullmatch(kind) or _RUN.search(kind):
        return ANY
    main = kind.partition("/")[0]
    if main in ("image", "audio", "video", "font", "application") or kind == "message/rfc822":
        return kind
    return kind if kind in _PLAIN_TEXTS else ANY


def safe_name(name: str, fallback: str) -> str:
    """Return a file's name without folders, controls and marks of direction, at most 180 bytes long."""
    text = _UNFIT.sub("_", name.encode("utf-8", "replace").decode()).strip(" .")
    if not text:
        return fallback
    stem, dot, ending = text.rpartition(".")
    tail = f"{dot}{ending}" if stem and len(ending) <= 16 else ""
    head = text[: len(text) - len(tail)].encode()
    return head[: _MOST_BYTES - len(tail.encode())].decode("utf-8", "ignore") + tail


def sent_file(file: IO[bytes], *, size: int, tag: str, kind: str, name: str = "") -> Response:
    """Return an answer with the file, or the part of it that is asked for; `tag` is a strong ETag.

    With a `name` a browser saves it (RFC 6266) instead of showing it.
    """
    answer = Response(
        wrap_file(request.environ, file, 64 * 1024), content_type=kind, direct_passthrough=True
    )
    answer.content_length = size
    describe(answer, tag, name)
    try:
        answer.make_conditional(request.environ, accept_ranges=True, complete_length=size)
    except RequestedRangeNotSatisfiable:
        file.close()
        raise
    return answer


def unchanged(tag: str, name: str = "") -> Response | None:
    """Return 304 where the browser has the file with this ETag, before anything is read."""
    if request.method not in ("GET", "HEAD") or not request.if_none_match.contains_weak(tag):
        return None
    return describe(Response(status=304), tag, name)


def describe(answer: Response, tag: str, name: str) -> Response:
    """Give the answer its ETag, and the name to save it by."""
    answer.set_etag(tag)
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["X-Robots-Tag"] = "noindex"
    if name:
        plain = name.encode("ascii", "replace").decode().replace("?", "_")
        fields = {"filename": plain}
        if plain != name:
            fields["filename*"] = f"UTF-8''{quote(name, safe='')}"
        answer.headers.set("Content-Disposition", "attachment", **fields)
    return answer
