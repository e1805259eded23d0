"""Style, script and icon at addresses that hold their hash: a browser keeps them, a new version has a new address."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from flask import Blueprint, Flask, Response, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue

pages = Blueprint("assets", __name__)

FOR_GOOD = "public, max-age=31536000, immutable"  # RFC 8246
DIGEST_CHARS = 12
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SOURCES = (".py", ".html", ".xml", *_KINDS)


class Asset(NamedTuple):
    """A static file, as it is and packed."""

    kind: str
    digest: str
    content: bytes
    packed: bytes


def load(app: Flask) -> None:
    """Read the application's static files, and let templates say `asset("frame.css")` for an address."""
    folder = Path(str(app.static_folder))
    found = {path.name: _asset(path) for path in sorted(folder.iterdir()) if path.suffix in _KINDS}
    app.extensions["assets"] = found
    app.jinja_env.globals["asset"] = lambda name: url_for(
        "assets.asset", digest=found[name].digest, name=name
    )


def rendering_of(folder: Path) -> str:
    """Return a digest of all that pages are made by: it changes whenever pages of the same rows may look different."""
    return _digest(
        part
        for path in sorted(folder.rglob("*"))
        if path.suffix in _SOURCES
        for part in (path.relative_to(folder).as_posix().encode(), path.read_bytes())
    )


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    packed = gzip.compress(content, 9, mtime=0)
    return Asset(_KINDS[path.suffix], _digest((content,)), content, packed)


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=DIGEST_CHARS // 2)
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()


@pages.get("/a/<digest>/<name>")
def asset(digest: str, name: str) -> ResponseReturnValue:
    """Return a static file; the address of another version leads to the present one."""
    found: Asset | None = current_app.extensions["assets"].get(name)
    if found is None:
        abort(404)
    if digest != found.digest:
        return redirect(url_for("assets.asset", digest=found.digest, name=name))
    takes_packed = request.accept_encodings["gzip"] > 0
    made = Response(found.packed if takes_packed else found.content, content_type=found.kind)
    if takes_packed:
        made.headers["Content-Encoding"] = "gzip"
    made.headers["Cache-Control"] = FOR_GOOD
    made.vary.add("Accept-Encoding")
    return made
