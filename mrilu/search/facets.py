"""How what a search finds is spread: over years, lists and authors; counts that a narrower search bears out.

Only messages that hold every term count, be it that ranking shows others behind them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC
from typing import NamedTuple

from peewee import PostgresqlDatabase

from models import Reader, visible_to
from mrilu.search.conditions import Condition, both, condition_of
from mrilu.search.grammar import Query, parse
from mrilu.search.lexemes import Lexemes, look_up, names_something
from mrilu.search.names import with_names
from mrilu.search.newest import find_newest, span_of
from mrilu.search.patience import within
from mrilu.search.statistics import share_found, times_of

NEWEST = 1000  # messages that are looked at; where there are more, the newest
MOST_AUTHORS, MOST_LISTS = 8, 12


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


class _Found(NamedTuple):
    year: int
    lists: list[str]
    name: str
    address: str


def facets(db: PostgresqlDatabase, text: str, reader: Reader, seconds: float) -> Facets | None:
    """Return the facets of a search for messages, None where it names nothing. Raises QueryError, SearchTooSlow."""
    query = parse(text).asked_by(reader)
    with within(db, seconds):
        query = with_names(db, query)
        lexemes = look_up(db, query.terms())
        if not names_something(query, lexemes):
            return None
        scope = Condition(*visible_to(reader, "s"))
        found = _newest(db, query, lexemes, scope)
    kept = found[:NEWEST]
    return Facets(len(kept), len(found) > NEWEST, _years(kept), _lists(kept), _authors(kept))


def _newest(
    db: PostgresqlDatabase, query: Query, lexemes: Lexemes, scope: Condition
) -> list[_Found]:
    holds = both(condition_of(query.groups, lexemes), scope)
    times = times_of(db)
    share = share_found(query, lexemes, times.statistics.texts) if times.statistics else 1.0
    columns = Condition(", s.list_ids, s.from_name, s.from_address")
    rows = find_newest(db, holds, NEWEST + 1, times, span_of(query), columns, share).rows
    return [_Found(row[1].astimezone(UTC).year, *row[2:]) for row in rows]


def _years(found: Iterable[_Found]) -> list[Facet]:
    """Return the years from the first to the last."""
    counts = Counter(one.year for one in found)
    return [
        Facet(str(year), number, f"after:{year:04} before:{year + 1:04}")
        for year, number in sorted(counts.items())
    ]


def _lists(found: Iterable[_Found]) -> list[Facet]:
    counts = Counter(name for one in found for name in set(one.lists))
    return [
        Facet(name, number, f"list:{name}")
        for name, number in counts.most_common(MOST_LISTS)
        if _is_word(name)
    ]


def _authors(found: list[_Found]) -> list[Facet]:
    """Return who wrote most, by name; counted as from: finds them, anywhere in names and addresses."""
    names = Counter(one.name for one in found if one.name.strip() and '"' not in one.name)
    people = Counter((one.name.lower(), one.address.lower()) for one in found)
    made = []
    for name, _ in names.most_common(MOST_AUTHORS):
        low = name.strip().lower()
        number = sum(
            messages for person, messages in people.items() if any(low in text for text in person)
        )
        made.append(Facet(name.strip(), number, f'from:"{name.strip()}"'))
    return sorted(made, key=lambda one: -one.messages)


def _is_word(name: str) -> bool:
    return bool(name) and not any(sign.isspace() or sign == '"' for sign in name)
