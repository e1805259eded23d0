"""Pages are sent packed where the client takes it.

Never one with a secret beside what was asked for: of that the length of the packed page would tell (BREACH). So what an
operator or a subscriber sees, and what sets or answers to a password or cookie, is sent as it is.
"""

from __future__ import annotations

import gzip

from flask import Flask, Response, current_app, request

from mrilu.web.kept import KeptBySize

LEAST = 1000  # bytes that are worth it
LEVEL = 5
MOST_KEPT = 16 * 1024 * 1024  # bytes of packed pages
_PACKED = {
    "text/html",
    "text/plain",
    "application/json",
    "application/xml",
    "application/atom+xml",
    "image/svg+xml",
}
# The parts of the site that everyone sees alike.
_OPEN = {
    "start",
    "lists",
    "threads",
    "messages",
    "words",
    "search",
    "feeds",
    "robots",
    "exports",
    "why",
    "api",
}


def pack(app: Flask) -> None:
    """Have the application's answers packed."""
    app.extensions["packed_pages"] = KeptBySize(MOST_KEPT, len)
    app.after_request(_pack)


def _pack(made: Response) -> Response:
    if request.blueprint not in _OPEN or made.mimetype not in _PACKED or made.is_streamed:
        return made
    made.vary.add("Accept-Encoding")
    if made.status_code != 200 or "Content-Encoding" in made.headers or _is_personal(made):
        return made
    content = made.get_data() if not made.direct_passthrough else b""
    if len(content) < LEAST or not request.accept_encodings["gzip"] > 0:
        return made
    made.set_data(_packed(made, content))
    made.headers["Content-Encoding"] = "gzip"
    return made


def _packed(made: Response, content: bytes) -> bytes:
    """Return the content packed; of a page with an ETag as it was packed before."""
    tag = made.get_etag()[0]
    if not tag:
        return gzip.compress(content, LEVEL, mtime=0)
    store: KeptBySize[bytes] = current_app.extensions["packed_pages"]
    key = (tag, made.mimetype, len(content))
    return store.get(key, lambda: gzip.compress(content, LEVEL, mtime=0))


def _is_personal(made: Response) -> bool:
    return bool(request.authorization or request.cookies or "Set-Cookie" in made.headers)
