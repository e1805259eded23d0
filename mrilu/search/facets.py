"""How what a search finds is spread: over years, lists and authors; counts that a narrower search bears out.

Only messages that hold every term count, be it that ranking shows others behind them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from mrilu.search.conditions import Condition

NEWEST = 1000  # messages that are looked at; where there are more, the newest
MOST_AUTHORS, MOST_LISTS = 8, 12
# Of a message: its year (UTC), lists, and author's name and address. As one text an array is read more quickly.
FACTS = Condition(
    ", date_part('year', s.sent_at AT TIME ZONE 'UTC')::int, array_to_string(s.list_ids, E'\\n'), s.from_name,"
    " s.from_address"
)


class Facet(NamedTuple):
    """A value, how many of the messages have it, and the terms that narrow the search down to it."""

    name: str
    messages: int
    terms: str


class Facets(NamedTuple):
    """Of `total` messages; `more` tells that these are the newest of a larger number."""

    total: int
    more: bool
    years: list[Facet]
    lists: list[Facet]
    authors: list[Facet]


def facets_of(rows: Sequence[tuple[Any, ...]]) -> Facets:
    """Return the facets of messages, the newest first, each by its FACTS; of more than NEWEST the rest is left out."""
    years, lists, names, addresses = zip(*rows[:NEWEST], strict=True) if rows else ((),) * 4
    authors = Counter(zip(names, addresses, strict=True))
    return Facets(len(years), len(rows) > NEWEST, _years(years), _lists(lists), _authors(authors))


def _years(found: Sequence[int]) -> list[Facet]:
    """Return the years from the first to the last."""
    return [
        Facet(str(year), number, f"after:{year:04} before:{year + 1:04}")
        for year, number in sorted(Counter(found).items())
    ]


def _lists(found: Sequence[str]) -> list[Facet]:
    counts: Counter[str] = Counter()
    for names, messages in Counter(found).items():
        counts.update(dict.fromkeys(names.split("\n") if names else (), messages))
    return [
        Facet(name, number, f"list:{name}")
        for name, number in counts.most_common(MOST_LISTS)
        if _is_word(name)
    ]


def _authors(found: Counter[tuple[str, str]]) -> list[Facet]:
    """Return who wrote most, by name; counted as from: finds them, anywhere in names and addresses."""
    names: Counter[str] = Counter()
    for (name, _), messages in found.items():
        names[name] += messages
    # as one text each, with what no name has in between
    people = [("\0".join(person).lower(), messages) for person, messages in found.items()]
    likely = (name for name, _ in names.most_common() if name.strip() and '"' not in name)
    made = []
    for name in islice(likely, MOST_AUTHORS):
        low = name.strip().lower()
        number = sum(messages for person, messages in people if low in person)
        made.append(Facet(name.strip(), number, f'from:"{name.strip()}"'))
    return sorted(made, key=lambda one: -one.messages)


def _is_word(name: str) -> bool:
    return bool(name) and not any(sign.isspace() or sign == '"' for sign in name)
