"""Saved searches: a query as `search` reads it, kept so that a new message finds the few that may match it.

Matching is inverted: a new message's lexemes look up searches of which it has a required lexeme, instead of every
search looking at every message. Searches with operators (from:, before: ...) are looked up in the same way, by the
words that they name or else by LIST and ANY, and are then asked of the messages as search asks them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from psycopg import Connection

from models import Reader
from mrilu.search.conditions import Condition, condition_of
from mrilu.search.fold import fold
from mrilu.search.grammar import Group, Query, Term, parse
from mrilu.search.lexemes import Lexemes as TextLexemes
from mrilu.search.lexemes import is_silent, names_something, tsquery_of

# What stands in the index of lexemes for searches that name no word: no lexeme of PostgreSQL begins so.
ANY = "\x01"
LIST = "\x01list:"
# A tsquery as PostgreSQL prints it (8.11.2): 'it''s' & ( 'a' <-> 'b' | !'c' )
_TOKEN = re.compile(r"\s*(?:'((?:[^'\\]|''|\\.)*)'(:[*A-D]+)?|(<(?:-|\d+)>|[!&|()]))")
_DOUBLED = re.compile(r"''|\\(.)")

Lexemes = frozenset[str] | None

# Lower-case "or" between two terms: it was an operator of saved searches before they read what search reads.
_OR = re.compile(r"(?<=\S)\s+or\s+(?=\S)")
_QUOTED = re.compile(r'("[^"]*"?)')
LOOK_UP = """
SELECT phraseto_tsquery('mrilu', one)::text FROM unnest(%s::text[]) WITH ORDINALITY AS t (one, n) ORDER BY n
"""


class SavedSearch(NamedTuple):
    """A query as the table holds it.

    `tsquery` holds for every match, as far as words alone can say it ("" for nothing); where `conditions` is False
    it is the whole query. `lexemes`: each match has one of them.
    """

    tsquery: str
    lexemes: frozenset[str]
    conditions: bool


def read_search(
    connection: Connection, text: str, frequency: Callable[[str], float]
) -> SavedSearch | None:
    """Return a query as it is saved; None for one that names nothing that a message must have. Raises QueryError."""
    query = parse_saved(text)
    lexemes = _look_up(connection, query.terms())
    if not names_something(query, lexemes):
        return None
    words_only = [group for group in query.groups if all(term.in_text for term in group)]
    tsquery = _tsquery_of(words_only, lexemes)
    canonical = _canonical(connection, tsquery)
    required = required_lexemes(canonical, frequency)
    conditions = len(words_only) < len(query.groups)
    if required is None and not conditions:
        return None
    return SavedSearch(canonical, required or _stand_in(query), conditions)


def parse_saved(text: str) -> Query:
    """Parse a saved search. Raises QueryError."""
    parts = _QUOTED.split(text)
    return parse("".join(part if part[:1] == '"' else _OR.sub(" OR ", part) for part in parts))


def condition_of_saved(connection: Connection, text: str, reader: Reader) -> Condition:
    """Return what holds for the messages (`s`) that a saved search finds for a reader. Raises QueryError."""
    query = parse_saved(text).asked_by(reader)
    lexemes = _look_up(connection, query.terms())
    return condition_of(query.groups, lexemes)


def stand_ins(list_ids: Iterable[str]) -> list[str]:
    """Return what a message of these lists is looked up by beside its own lexemes."""
    found = [ANY]
    for one in list_ids:
        labels = one.lower().split(".")
        found += [f"{LIST}{'.'.join(labels[:end])}" for end in range(1, len(labels) + 1)]
    return found


def _stand_in(query: Query) -> frozenset[str]:
    """Return what a search that names no word is looked up by: its list, if it must have one, or ANY."""
    for group in query.groups:
        if all(term.operator == "list" and not term.negated for term in group):
            return frozenset(f"{LIST}{term.text.strip('<>').lower()}" for term in group)
    return frozenset([ANY])


def _look_up(connection: Connection, terms: Sequence[Term]) -> TextLexemes:
    """Return the tsquery of each term's text, by text."""
    texts = list(dict.fromkeys(term.text for term in terms if term.in_text))
    if not texts:
        return {}
    rows = connection.execute(LOOK_UP, ([fold(text) for text in texts],))
    return dict(zip(texts, (row[0] for row in rows), strict=True))


def _tsquery_of(groups: Sequence[Group], lexemes: TextLexemes) -> str:
    """Return the tsquery that holds where all the groups of words do; silent terms say nothing, as in search."""
    audible = [[term for term in group if not is_silent(term, lexemes)] for group in groups]
    return " & ".join(f"( {_any_of_group(group, lexemes)} )" for group in audible if group)


def _any_of_group(group: Sequence[Term], lexemes: TextLexemes) -> str:
    return " | ".join(
        f"{'!' if term.negated else ''}( {tsquery_of(term, lexemes)} )" for term in group
    )


def _canonical(connection: Connection, tsquery: str) -> str:
    row = connection.execute("SELECT %s::tsquery::text", (tsquery,)).fetchone()
    return row[0] if row else ""


def required_lexemes(tsquery: str, frequency: Callable[[str], float]) -> Lexemes:
    """Return lexemes of which every match has one, the rarest choice by `frequency`; None if there are none.

    None means that the query matches what lacks something ("-spam"), which no index can find.
    Raises ValueError for what is not a tsquery.
    """
    tokens = _tokens(tsquery)
    if not tokens:
        return None
    found = _any_of(tokens, frequency)
    if tokens:
        raise ValueError(f"not a tsquery: {tsquery!r}")
    return found


def _tokens(tsquery: str) -> list[tuple[str, str]]:
    """Return (kind, text) pairs in reverse order: the next one is popped off the end."""
    tokens, place = [], 0
    text = tsquery.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"not a tsquery: {tsquery!r}")
        place = match.end()
        if match[3]:
            tokens.append((match[3][0], ""))
        else:
            prefix = match[2] is not None and "*" in match[2]
            tokens.append(
                ("prefix" if prefix else "lexeme", _DOUBLED.sub(lambda m: m[1] or "'", match[1]))
            )
    return tokens[::-1]


def _any_of(tokens: list[tuple[str, str]], frequency: Callable[[str], float]) -> Lexemes:
    """Read an OR of ANDs: an alternative without a required lexeme leaves the whole without one."""
    union: set[str] | None = set()
    while True:
        found = _all_of(tokens, frequency)
        union = None if union is None or found is None else union | found
        if not (tokens and tokens[-1][0] == "|"):
            return None if union is None else frozenset(union)
        tokens.pop()


def _all_of(tokens: list[tuple[str, str]], frequency: Callable[[str], float]) -> Lexemes:
    """Read an AND (or a phrase): the part with the rarest lexemes is requirement enough."""
    parts = [_operand(tokens, frequency)]
    while tokens and tokens[-1][0] in ("&", "<"):
        tokens.pop()
        parts.append(_operand(tokens, frequency))
    known = [part for part in parts if part is not None]
    return min(known, key=lambda part: (sum(map(frequency, part)), sorted(part))) if known else None


def _operand(tokens: list[tuple[str, str]], frequency: Callable[[str], float]) -> Lexemes:
    if not tokens:
        raise ValueError("a tsquery ends too early")
    kind, text = tokens.pop()
    if kind == "lexeme":
        return frozenset([text])
    if kind == "!":
        _operand(tokens, frequency)
        return None
    if kind == "(":
        inner = _any_of(tokens, frequency)
        if not tokens or tokens.pop()[0] != ")":
            raise ValueError("a tsquery lacks a bracket")
        return inner
    if kind == "prefix":
        return None
    raise ValueError(f"a tsquery has {kind!r} where an operand belongs")
