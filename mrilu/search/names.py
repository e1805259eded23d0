"""Whom from: means, and which lists list: does: looked up in two short tables; an index has their messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from peewee import PostgresqlDatabase

from mrilu.search.grammar import Query, Term

# More senders than this are not looked for by their numbers: they have written so much that it is soon found.
MOST_SENDERS, MOST_LISTS = 300, 100

_SENDERS = """
SELECT DISTINCT key FROM sender WHERE name ILIKE %s OR address ILIKE %s LIMIT %s
"""
_LISTS = """
SELECT DISTINCT name FROM known_list WHERE lower(name) = %s OR starts_with(lower(name), %s) LIMIT %s
"""
# With fewer letters in a row there are no trigrams to find them by.
_FINDABLE = re.compile(r"[^\W_]{3}")


def like(text: str) -> str:
    """Return the pattern that finds `text` anywhere, signs of patterns taken as they are."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def list_names(text: str) -> tuple[str, str]:
    """Return the name of a list as list: has it, and how longer ones begin: r-help finds r-help.r-project.org."""
    name = text.strip("<>").lower()
    return name, f"{name}."


def with_names(db: PostgresqlDatabase, query: Query) -> Query:
    """Return the query with what its operators name, where that is not too much."""
    known: dict[str, Callable[[PostgresqlDatabase, Term], Term]] = {"from": _sent, "list": _listed}

    def told(term: Term) -> Term:
        return (
            term if term.negated or term.operator not in known else known[term.operator](db, term)
        )

    return Query(tuple(tuple(told(term) for term in group) for group in query.groups))


def _sent(db: PostgresqlDatabase, term: Term) -> Term:
    if not _FINDABLE.search(term.text):
        return term
    facts = (like(term.text), like(term.text), MOST_SENDERS + 1)
    rows = db.connection().execute(_SENDERS, facts, prepare=False).fetchall()
    return (
        term if len(rows) > MOST_SENDERS else replace(term, senders=tuple(row[0] for row in rows))
    )


def _listed(db: PostgresqlDatabase, term: Term) -> Term:
    rows = db.connection().execute(_LISTS, (*list_names(term.text), MOST_LISTS + 1)).fetchall()
    return term if len(rows) > MOST_LISTS else replace(term, lists=tuple(row[0] for row in rows))
