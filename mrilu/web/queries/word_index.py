"""The words of the dictionary in order, by first letters, pattern, type and language. Pages go on by keyset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from mrilu.search.conditions import Condition, where
from mrilu.search.direct import spellings
from mrilu.web.queries import words_then

A_PAGE = 100
LONGEST = 40  # characters of what is looked for

_LIVE = "EXISTS (SELECT FROM definition AS d WHERE d.word = w.id AND d.gone_at IS NULL)"
_LIVE_IN = (
    "EXISTS (SELECT FROM definition AS d JOIN language AS l ON l.id = d.language "
    "WHERE d.word = w.id AND d.gone_at IS NULL AND l.tag = %s)"
)
# As migration 0034 has it.
_KEY = "ltrim(lower(w.word), '.')"
_ORDER = f'{_KEY} COLLATE "C", w.word COLLATE "C"'
TYPES = f"SELECT w.type, count(*) FROM word AS w WHERE w.type <> '' AND {_LIVE} GROUP BY 1 ORDER BY 2 DESC LIMIT 30"  # noqa: S608
LANGUAGES = """
SELECT l.tag, l.name, count(*) FROM language AS l JOIN definition AS d ON d.language = l.id
 WHERE d.gone_at IS NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT 200
"""
LETTERS = f"SELECT DISTINCT left({_KEY}, 1) FROM word AS w WHERE {_LIVE} ORDER BY 1 LIMIT 200"  # noqa: S608
STATE = "SELECT tag, synced_at FROM language ORDER BY tag LIMIT 200"

EQUALLY = Condition("0")  # how near words are where nothing is asked for but a pattern


class Wanted(NamedTuple):
    """Which words are shown: `text` with * and ?, a type, a language's tag; "" for any.

    `after` is the last word of the page before with its nearness (0 is the word itself, 1 begins so); `until` is the
    moment at which the dictionary is looked at, if not now.
    """

    text: str = ""
    type: str = ""
    tag: str = ""
    after: tuple[int, str] | None = None
    until: datetime | None = None


def words(
    db: PostgresqlDatabase, wanted: Wanted, limit: int = A_PAGE
) -> list[tuple[int, str, str]]:
    """Return the nearness, name and type of the next words: the word itself, what begins so, what has it inside."""
    near, found = _found(wanted.text)
    after = _after(near, *wanted.after) if wanted.after else Condition("")
    clause = where(*(one for one in (found, after, *_in_dictionary(wanted)) if one.sql))
    sql = f"SELECT {near.sql}, w.word, w.type FROM word AS w {clause.sql} ORDER BY 1, {_ORDER} LIMIT %s"  # noqa: S608 - ours
    return _rows(db, sql, (*near.parameters, *clause.parameters, limit))


def _in_dictionary(wanted: Wanted) -> list[Condition]:
    if wanted.until is not None:
        return [words_then.live(wanted.until, wanted.type, wanted.tag)]
    of_type = Condition("w.type = %s", (wanted.type,)) if wanted.type else Condition("")
    return [of_type, Condition(_LIVE_IN, (wanted.tag,)) if wanted.tag else Condition(_LIVE)]


def _after(near: Condition, nearness: int, word: str) -> Condition:
    """Return what holds behind a word; where all are as near, in the form that the index answers."""
    place = f"({_ORDER}) > (ltrim(lower(%s::text), '.'), %s::text)"
    if near == EQUALLY:
        return Condition(place, (word, word))
    compared = f"({near.sql}, {_ORDER}) > (%s, ltrim(lower(%s::text), '.'), %s::text)"
    return Condition(compared, (*near.parameters, nearness, word, word))


def _found(text: str) -> tuple[Condition, Condition]:
    """Return how near a word is to what was asked, and whether it is found at all."""
    if not text:
        return EQUALLY, Condition("")
    if set(text) & set("*?"):
        wanted = text.lower().lstrip(".")
        begins = re.split(r"[*?]", wanted, maxsplit=1)[0]
        like = "".join({"*": "%", "?": "_"}.get(one, _literal(one)) for one in wanted)
        sql = f'{_KEY} LIKE %s AND {_KEY} COLLATE "C" >= %s AND {_KEY} COLLATE "C" < %s'
        return EQUALLY, Condition(sql, (like, begins, begins + "\U0010ffff"))
    names = [one.lower().lstrip(".") for one in spellings(text)]
    bare = text.strip(" .").replace("’", "'").lower()
    near = Condition(
        f"CASE WHEN {_KEY} = ANY(%s) THEN 0 WHEN starts_with({_KEY}, %s) THEN 1 ELSE 2 END",
        (names, bare),
    )
    inside = f"{_KEY} = ANY(%s) OR {_KEY} LIKE %s"
    return near, Condition(f"({inside})", (names, f"%{''.join(map(_literal, bare))}%"))


def _literal(one: str) -> str:
    return f"\\{one}" if one in "%_\\" else one


def facets(db: PostgresqlDatabase) -> tuple[list[Any], list[Any], list[str]]:
    """Return the types and languages with how many words and definitions each has, and the first letters."""
    letters = [row[0] for row in _rows(db, LETTERS, ())]
    return _rows(db, TYPES, ()), _rows(db, LANGUAGES, ()), letters


def state(db: PostgresqlDatabase) -> list[tuple[str, object]]:
    """Return when each language was synced last: what the whole dictionary depends on."""
    return _rows(db, STATE, ())


def _rows(db: PostgresqlDatabase, sql: str, parameters: Sequence[object]) -> list[Any]:
    return db.connection().execute(sql, parameters).fetchall()
