"""Bars side by side: by the hour, and small ones in a line of text. Each chart has its words beside it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

BAR, GAP, HEIGHT = 6, 1, 48
SPARK_BAR, SPARK_HEIGHT = 3, 16


class Bar(NamedTuple):
    """One bar: its parts from the bottom up as (class, value), and what a pointer is told."""

    parts: tuple[tuple[str, float], ...]
    title: str


def bars(made: Sequence[Bar], label: str, *, logarithmic: bool = False) -> Markup:
    """Return the bars as a picture as wide as the page; `label` says what it shows.

    By a logarithmic scale a bar has one part, and its height tells the value's order of magnitude.
    """
    top = max(
        (_scaled(sum(value for _, value in one.parts), logarithmic) for one in made), default=0
    )
    shown = [
        _stack(one, number * (BAR + GAP), HEIGHT / top if top else 0.0, logarithmic)
        for number, one in enumerate(made)
    ]
    size = (max(1, len(made) * (BAR + GAP) - GAP), HEIGHT)
    head = Markup(
        '<svg class="hist" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
    )
    return head.format(*size, label) + Markup("").join(shown) + Markup("</svg>")


def sparkline(values: Sequence[tuple[str, float]], label: str) -> Markup:
    """Return small bars, each (class, value), as a picture in a line of text."""
    top = max((value for _, value in values), default=0.0)
    shown = []
    for number, (kind, value) in enumerate(values):
        high = max(1.0, SPARK_HEIGHT * value / top) if top else 1.0
        shown.append(_bar(kind, number * (SPARK_BAR + GAP), SPARK_HEIGHT - high, SPARK_BAR, high))
    wide = max(1, len(values) * (SPARK_BAR + GAP) - GAP)
    head = Markup(
        '<svg class="spark" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">'
    )
    return head.format(wide, SPARK_HEIGHT, label) + Markup("").join(shown) + Markup("</svg>")


def _stack(one: Bar, left: int, scale: float, logarithmic: bool) -> Markup:
    parts, bottom = [], float(HEIGHT)
    for kind, value in one.parts:
        high = max(1.0, _scaled(value, logarithmic) * scale) if value else 0.0
        bottom = max(0.0, bottom - high)
        if high:
            parts.append(_bar(kind, left, bottom, BAR, high))
    return Markup("<g><title>{}</title>{}</g>").format(one.title, Markup("").join(parts))


def _scaled(value: float, logarithmic: bool) -> float:
    return math.log10(1 + 1000 * value) if logarithmic else value


def _bar(kind: str, left: float, top: float, wide: float, high: float) -> Markup:
    return Markup('<rect class="{}" x="{:g}" y="{:.2f}" width="{:g}" height="{:.2f}"/>').format(
        kind, left, top, wide, high
    )
