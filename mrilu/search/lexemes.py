"""Words of a query as PostgreSQL knows them: stemmed, folded, common ones dropped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from mrilu.search.grammar import Group, Query, Term

# A lexeme of a tsquery as PostgreSQL prints it, quotes within it doubled.
LEXEME = re.compile(r"'(?:[^']|'')*'")
_WEIGHED = re.compile(rf"({LEXEME.pattern}):A")

# Of a term's text, the tsquery that PostgreSQL made of it; "" when it has only common words or signs.
Lexemes = Mapping[str, str]


def is_silent(term: Term, lexemes: Lexemes) -> bool:
    """Tell whether the term is to be found in a text, and no text can be found by it: common words or signs only."""
    return term.in_text and not lexemes.get(term.text)


def names_something(query: Query, lexemes: Lexemes) -> bool:
    """Tell whether the query has something to find by, apart from meaning; else it would find whatever is newest."""
    return any(not term.negated and not is_silent(term, lexemes) for term in query.terms())


def in_subject(tsquery: str) -> str:
    """Return a tsquery that holds for the subject alone (weight A)."""
    return LEXEME.sub(lambda match: f"{match[0]}:A", tsquery)


def without_weights(tsquery: str) -> str:
    """Return a tsquery that holds wherever the words stand."""
    return _WEIGHED.sub(lambda match: match[1], tsquery)


def tsquery_of(term: Term, lexemes: Lexemes) -> str:
    """Return the term's tsquery, "" if it says nothing."""
    found = lexemes.get(term.text, "")
    return in_subject(found) if term.operator == "subject" else found


def all_of(groups: Sequence[Group], lexemes: Lexemes) -> str:
    """Return the tsquery that holds where each group has one of its terms; "" if nothing is left to look for."""
    return " & ".join(f"( {one} )" for group in groups if (one := any_of(group, lexemes)))


def any_of(terms: Iterable[Term], lexemes: Lexemes) -> str:
    """Return the tsquery that holds where one of the terms does; "" if nothing is left to look for."""
    return " | ".join(f"( {one} )" for term in terms if (one := tsquery_of(term, lexemes)))
