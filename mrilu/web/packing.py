"""Pages are sent packed where the client takes it.

Never one with a secret beside what was asked for: of that the length of the packed page would tell (BREACH). So what an
operator or a subscriber sees, and what sets or answers to a password or cookie, is sent as it is.
"""

from __future__ import annotations

from flask import Flask, Response, g, request

from mrilu.web.pages_kept import Page

LEAST = 1000  # bytes that are worth it
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
    kept: Page | None = g.get("page")
    page = kept if kept and kept.content is content else Page(content)
    made.set_data(page.packed())
    made.headers["Content-Encoding"] = "gzip"
    return made


def _is_personal(made: Response) -> bool:
    return bool(request.authorization or request.cookies or "Set-Cookie" in made.headers)
