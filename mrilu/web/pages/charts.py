"""Charts as SVG, made on the server. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

BAR, GAP, HEIGHT = 6, 1, 48


def months_histogram(
    months: Sequence[tuple[str, int]], address: Callable[[str], str], most: int = 240
) -> Markup:
    """Return a bar for each month from the first to the last ("2024-03", count), each a link to its page."""
    if not months:
        return Markup("")
    known = dict(months[-most:])
    names = list(_through(months[-most:][0][0], months[-1][0]))[-most:]
    top = max(known.values())
    bars = []
    for number, name in enumerate(names):
        count = known.get(name, 0)
        high = max(1, round(HEIGHT * count / top)) if count else 0
        place = f'x="{number * (BAR + GAP)}" y="{HEIGHT - high}" width="{BAR}" height="{high}"'
        bar = Markup(f"<rect {place}><title>{name}: {count:,}</title></rect>")  # noqa: S704 - numbers of ours
        bars.append(Markup('<a href="{}">{}</a>').format(address(name), bar) if count else bar)
    width = len(names) * (BAR + GAP)
    label = f"messages by month, {names[0]} to {names[-1]}"
    head = (
        f'<svg class="hist" viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="none" role="group"'
    )
    return Markup(f'{head} aria-label="{label}">') + Markup("").join(bars) + Markup("</svg>")  # noqa: S704


def _through(first: str, last: str) -> list[str]:
    year, month = int(first[:4]), int(first[5:])
    names = []
    while (name := f"{year:04}-{month:02}") <= last:
        names.append(name)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return names


def years_chart(years: Sequence[tuple[int, int]], label: str, most: int = 60) -> Markup:
    """Return a bar for each year from the first to the last (2003, count), with the numbers as titles."""
    if not years:
        return Markup("")
    known = dict(years)
    span = range(max(years[0][0], years[-1][0] - most + 1), years[-1][0] + 1)
    top = max(known.values())
    wide = 18
    bars = []
    for number, year in enumerate(span):
        count = known.get(year, 0)
        high = max(2, round(HEIGHT * count / top)) if count else 0
        place = f'x="{number * wide}" y="{HEIGHT - high}" width="{wide - 3}" height="{high}"'
        bars.append(f"<rect {place}><title>{year}: {count:,}</title></rect>")
    size = f'viewBox="0 0 {len(span) * wide} {HEIGHT}" preserveAspectRatio="xMinYMax meet"'
    said = Markup('aria-label="{}"').format(f"{label}, {span[0]} to {span[-1]}")
    return Markup(f'<svg class="hist" {size} role="img" {said}>{"".join(bars)}</svg>')  # noqa: S704 - numbers of ours
