"""Years as bars, each a link to the search in that year. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from mrilu.search.facets import Facet

BAR, GAP, HEIGHT = 12, 2, 48
MOST, LEAST = 120, 40  # years; of few the bars are as wide as of LEAST


def years_histogram(years: Sequence[Facet], address: Callable[[Facet], str]) -> Markup:
    """Return a bar for each year from the first to the last, as high as it has messages; "" for less than two."""
    shown = years[-MOST:]
    if len(shown) < 2:
        return Markup("")
    known = {int(one.name): one for one in shown}
    first, last = max(min(known), max(known) - MOST + 1), max(known)
    top = max(one.messages for one in shown)
    bars = [
        _bar(known[year], (year - first) * (BAR + GAP), top, address(known[year]))
        for year in range(first, last + 1)
        if year in known
    ]
    width = max(LEAST, last - first + 1) * (BAR + GAP)
    head = Markup(
        '<svg class="hist" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="messages found by year, {} to {}">'
    ).format(width, HEIGHT, first, last)
    return head + Markup("").join(bars) + Markup("</svg>")


def _bar(one: Facet, left: int, top: int, place: str) -> Markup:
    high = max(1, round(HEIGHT * one.messages / top))
    # put together without Markup.format, which takes a hundredth of a page's time for each bar
    return Markup(  # noqa: S704 - what is foreign is escaped
        f'<a href="{escape(place)}"><rect x="{left}" y="{HEIGHT - high}" width="{BAR}" height="{high}">'
        f"<title>{escape(one.name)}: {one.messages:,}</title></rect></a>"
    )
