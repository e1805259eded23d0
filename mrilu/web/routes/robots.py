"""What crawlers are told: which pages they may take, and where all of them are listed."""

from __future__ import annotations

from datetime import timedelta
from xml.sax.saxutils import escape

from flask import Blueprint, Response, abort, current_app, url_for
from flask.typing import ResponseReturnValue

from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import answer
from mrilu.web.keyset import BEGINNING
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.readers import current_reader, readable
from mrilu.web.routes.lists import list_named

pages = Blueprint("robots", __name__)

MOST = 50_000  # addresses of one sitemap (sitemaps.org)
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_CLOSED = (
    "/search",
    "/*/similar/",
    "/*.eml",
    "/*.gz",
    "/m/*/files/",
    "/m/*/html",
    "/*/raw",
    "/rq",
    "/metrics",
    "/status",
    "/login",
    "/subscribe",
    "/unsubscribe/",
    "/confirm/",
    "/preferences/",
)


@pages.get("/robots.txt")
def robots() -> Response:
    """Close what is not for crawlers: searches, other views of threads, what acts."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in _CLOSED), "Disallow: /*?"]
    parts = range(1, 1 + max(1, -(-len(_sitemaps()) // MOST)))
    lines += [f"Sitemap: {_site()}{url_for('robots.sitemap_index', part=part)}" for part in parts]
    return Response("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@pages.get("/sitemap.xml", defaults={"part": 1})
@pages.get("/sitemap-<int:part>.xml")
def sitemap_index(part: int) -> Response:
    """List the sitemaps: one for each month of each list, or for each day of a month with too many messages for one.

    An index may not name another (sitemaps.org): robots.txt names each part of it.
    """
    found = _sitemaps()[(part - 1) * MOST : part * MOST]
    if not found and part != 1:
        abort(404)

    def make() -> Response:
        places = (f"{_site()}{place}" for place in found)
        maps = "".join(f"<sitemap><loc>{escape(place)}</loc></sitemap>\n" for place in places)
        return _xml(f"<sitemapindex {_SPACE}>\n{maps}</sitemapindex>\n")

    return answer("sitemaps", found, make=make)


def _sitemaps() -> list[str]:
    """Return the addresses of all sitemaps."""
    reader = current_reader()
    lists = [one.list_id for one in ask_database(lambda: queries.lists(database(), reader))]
    months = ask_database(lambda: queries.months_of_all(database(), sorted(lists)))
    return [
        f"{addresses.of_list(list_id, month)}sitemap{day}.xml"
        for list_id, month, messages in months
        for day in (_days_of(month) if messages > MOST else ("",))
    ]


def _days_of(month: str) -> list[str]:
    since = addresses.month_in(month) or BEGINNING
    return [f"-{day + 1:02}" for day in range((addresses.month_after(since) - since).days)]


@pages.get("/l/<name>/<month>/sitemap.xml", defaults={"day": ""})
@pages.get("/l/<name>/<month>/sitemap-<day>.xml")
def sitemap(name: str, month: str, day: str) -> ResponseReturnValue:
    """List the messages of a month, or of one of its days, that readers may see."""
    list_id, reader = list_named(name), current_reader()
    since = addresses.month_in(month)
    if since is None or (day and f"-{day}" not in _days_of(month)):
        abort(404)
    until = addresses.month_after(since)
    if day:
        since += timedelta(days=int(day) - 1)
        until = since + timedelta(days=1)
    found = ask_database(lambda: queries.posted(database(), list_id, since, (until, 0), MOST))
    rows = readable(found, reader)

    def make() -> Response:
        urls = "".join(
            f"<url><loc>{escape(_site() + addresses.of_message(row.hash))}</loc></url>\n"
            for row in rows
        )
        return _xml(f"<urlset {_SPACE}>\n{urls}</urlset>\n")

    return answer("sitemap", list_id, month, day, [row.version() for row in rows], make=make)


def _xml(text: str) -> Response:
    return Response(_HEAD + text, content_type="application/xml; charset=utf-8")


def _site() -> str:
    return str(current_app.config["SITE_URL"]).rstrip("/")
