"""What crawlers are told: which pages they may take, and where all of them are listed."""

from __future__ import annotations

from xml.sax.saxutils import escape

from flask import Blueprint, Response, abort, current_app
from flask.typing import ResponseReturnValue

from mrilu.mail.permalinks import hash_of
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import answer
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.readers import current_reader
from mrilu.web.routes.lists import months_of

pages = Blueprint("robots", __name__)

MOST = 50_000  # addresses of one sitemap (sitemaps.org)
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_CLOSED = (
    "/search",
    "/*.eml",
    "/*.gz",
    "/m/*/files/",
    "/m/*/html",
    "/*/raw",
    "/rq",
    "/metrics",
    "/subscribe",
    "/unsubscribe/",
    "/confirm/",
    "/preferences/",
)


@pages.get("/robots.txt")
def robots() -> Response:
    """Close what is not for crawlers: searches, other views of threads, what acts."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in _CLOSED), "Disallow: /*?"]
    lines.append(f"Sitemap: {_site()}/sitemap.xml")
    return Response("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@pages.get("/sitemap.xml")
def sitemap_index() -> Response:
    """List the sitemaps: one for each month of each list."""
    reader = current_reader()
    lists = ask_database(lambda: queries.lists(database(), reader))
    months = [(one.list_id, month) for one in lists for month, _ in months_of(one.list_id)]

    def make() -> Response:
        places = (f"{_site()}{addresses.of_list(*one)}sitemap.xml" for one in months[-MOST:])
        maps = "".join(f"<sitemap><loc>{escape(place)}</loc></sitemap>\n" for place in places)
        return _xml(f"<sitemapindex {_SPACE}>\n{maps}</sitemapindex>\n")

    return answer("sitemaps", months, reader, make=make)


@pages.get("/l/<name>/<month>/sitemap.xml")
def sitemap(name: str, month: str) -> ResponseReturnValue:
    """List the messages of a month that readers may see."""
    list_id, reader = "" if name == addresses.NO_LIST else name.lower(), current_reader()
    since = addresses.month_in(month)
    if since is None or not reader.may_see_list(list_id):
        abort(404)
    until = addresses.month_after(since)
    found = ask_database(lambda: queries.posted(database(), list_id, since, (until, 0), MOST))
    rows = [row for row in found if reader.may_read(row.restrictions, row.list_ids)]

    def make() -> Response:
        urls = "".join(
            f"<url><loc>{escape(_site() + addresses.of_message(hash_of(row.message_id)))}</loc></url>\n"
            for row in rows
        )
        return _xml(f"<urlset {_SPACE}>\n{urls}</urlset>\n")

    return answer("sitemap", list_id, month, [row.version() for row in rows], make=make)


def _xml(text: str) -> Response:
    return Response(_HEAD + text, content_type="application/xml; charset=utf-8")


def _site() -> str:
    return str(current_app.config["SITE_URL"]).rstrip("/")
