"""What a saved search asks for at least: lexemes of which a matching message must have one. Pure.

Matching is then inverted: a new message's lexemes look up the few searches that may match it, instead of every
search looking at every message.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# A tsquery as PostgreSQL prints it (8.11.2): 'it''s' & ( 'a' <-> 'b' | !'c' )
_TOKEN = re.compile(r"\s*(?:'((?:[^'\\]|''|\\.)*)'(:[*A-D]+)?|(<(?:-|\d+)>|[!&|()]))")
_DOUBLED = re.compile(r"''|\\(.)")

Lexemes = frozenset[str] | None


def required_lexemes(tsquery: str, frequency: Callable[[str], float]) -> Lexemes:
    """Return lexemes of which every match has one, the rarest choice by `frequency`; None if there are none.

    None means that the query matches what lacks something ("-spam"), which no index can find.
    Raises ValueError for what is no tsquery.
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
