"""Places in a list or a thread by date and number, as addresses carry them (keyset paging)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from mrilu.web.queries.archive import BEGINNING, END, MessageRow

__all__ = ["BEGINNING", "END", "mark_of", "place_at"]


def mark_of(row: MessageRow) -> str:
    """Return how an address names the place of a message."""
    return mark_at((row.sent_at, row.id))


def mark_at(place: tuple[datetime, int] | None) -> str:
    """Return how an address names a place, "" for none."""
    return f"{place[0].timestamp():.6f}-{place[1]}" if place else ""


def place_at(mark: str) -> tuple[datetime, int] | None:
    """Return the (date, id) that a mark in an address means."""
    match = re.fullmatch(r"(-?\d{1,12}\.\d{6})-(\d{1,18})", mark)
    if not match:
        return None
    try:
        return datetime.fromtimestamp(float(match[1]), UTC), int(match[2])
    except (ValueError, OverflowError, OSError):
        return None
