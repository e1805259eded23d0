"""The dictionary as it was at a moment: of each definition the last version that had been recorded by then.

A definition may have been another word's before: what counts is the word that the version has. Bounded queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from mrilu.search.conditions import Condition
from mrilu.web.queries.words import MOST_DEFINITIONS, DefinitionRow, GlossRow, names_of

# The version `v` was in force at the moment `until`, of which it takes two.
_IN_FORCE = """v.recorded_at < %s AND v.change <> 'gone' AND NOT EXISTS (
    SELECT FROM definition_version AS n
     WHERE n.definition = v.definition AND n.version > v.version AND n.recorded_at < %s)"""
DEFINITIONS = f"""
SELECT d.id, d.source_id, v.content ->> 'word', l.tag, l.name, v.content, v.recorded_at, v.version
  FROM definition_version AS v JOIN definition AS d ON d.id = v.definition JOIN language AS l ON l.id = d.language
 WHERE v.content ->> 'word' = ANY(%s) AND {_IN_FORCE}
 ORDER BY array_position(%s::text[], v.content ->> 'word'), l.tag,
          (v.content ->> 'score')::double precision DESC NULLS LAST, d.id LIMIT {MOST_DEFINITIONS}
"""  # noqa: S608 - all of it is ours
CHANGES = """
SELECT max((recorded_at AT TIME ZONE 'UTC')::date) FILTER (WHERE recorded_at < %s),
       min((recorded_at AT TIME ZONE 'UTC')::date) FILTER (WHERE recorded_at >= %s)
  FROM definition_version WHERE content ->> 'word' = ANY(%s)
"""
KNOWN = f"""
SELECT w.word FROM unnest(%s::text[]) AS w (word)
 WHERE EXISTS (SELECT FROM definition_version AS v WHERE v.content ->> 'word' = w.word AND {_IN_FORCE})
"""  # noqa: S608
# Of each word the best version in the first of these languages that has one.
GLOSSES = f"""
SELECT w.word, best.gloss, best.text FROM unnest(%s::text[]) AS w (word) CROSS JOIN LATERAL (
    SELECT (SELECT string_agg(k.gloss ->> 'text', ', ' ORDER BY k.position)
              FROM jsonb_array_elements(v.content -> 'glosses') WITH ORDINALITY AS k (gloss, position)
             WHERE k.gloss ->> 'place' = '0' AND k.position <= 4) AS gloss, v.content ->> 'definition' AS text
      FROM definition_version AS v JOIN definition AS d ON d.id = v.definition JOIN language AS l ON l.id = d.language
     WHERE v.content ->> 'word' = w.word AND {_IN_FORCE}
     ORDER BY coalesce(array_position(%s::text[], l.tag), 99), l.tag,
              (v.content ->> 'score')::double precision DESC NULLS LAST, d.id LIMIT 1) AS best
"""  # noqa: S608
BEGINNING = "SELECT (min(recorded_at) AT TIME ZONE 'UTC')::date FROM definition_version"


class Changes(NamedTuple):
    """The days (UTC) of the last change before a moment and of the first one after it."""

    before: date | None
    after: date | None


def definitions(db: PostgresqlDatabase, word: str, until: datetime) -> list[DefinitionRow]:
    """Return the definitions of a word at a moment, the best of each language first; those of one spelling only."""
    names = names_of(word)
    rows = [_row(*one) for one in _rows(db, DEFINITIONS, (names, until, until, names))]
    return [row for row in rows if row.word == rows[0].word]


def _row(
    number: int,
    source_id: int,
    word: str,
    tag: str,
    language: str,
    content: dict[str, Any],
    recorded_at: datetime,
    version: int,
) -> DefinitionRow:
    glosses = [one for one in content.get("glosses", ()) if not one["place"]]
    return DefinitionRow(
        number,
        source_id,
        word,
        tag,
        language,
        content["type"],
        list(content["rafsi"]),
        content["unofficial"],
        content["selmaho"],
        content["score"],
        content["definition"],
        content["notes"],
        content["username"],
        content.get("jargon", ""),
        content.get("etymology", ""),
        list(content.get("examples", ())),
        recorded_at,
        version,
        ["; ".join(filter(None, (one["text"], one["sense"]))) for one in glosses],
    )


def changes(db: PostgresqlDatabase, word: str, since: datetime, until: datetime) -> Changes:
    """Return the days of the changes of a word next to the time between two moments, that is, to a day."""
    names = names_of(word)
    return Changes(*_rows(db, CHANGES, (since, until, names))[0]) if names else Changes(None, None)


def known(db: PostgresqlDatabase, words: Iterable[str], until: datetime) -> frozenset[str]:
    """Return those of the words that were in the dictionary at a moment."""
    return frozenset(row[0] for row in _rows(db, KNOWN, (sorted(set(words)), until, until)))


def glosses(
    db: PostgresqlDatabase, words: Iterable[str], tags: Sequence[str], until: datetime
) -> dict[str, GlossRow]:
    """Return what the words meant at a moment, in the first of the languages that had it."""
    found = _rows(db, GLOSSES, (sorted(set(words)), until, until, list(tags)))
    return {row[0]: GlossRow(*row) for row in found}


def beginning(db: PostgresqlDatabase) -> date | None:
    """Return the day (UTC) of the first record of the dictionary."""
    found: date | None = _rows(db, BEGINNING, ())[0][0]
    return found


def live(until: datetime, type: str = "", tag: str = "") -> Condition:
    """Return what holds for the words `w` that were in the dictionary at a moment, with this type, in this language."""
    of_type = "AND v.content ->> 'type' = %s " if type else ""
    of_tag = (
        "AND (SELECT l.tag FROM definition AS d JOIN language AS l ON l.id = d.language WHERE d.id = v.definition) = %s"
        if tag
        else ""
    )
    sql = (
        "EXISTS (SELECT FROM definition_version AS v "  # noqa: S608 - all of it is ours
        f"WHERE v.content ->> 'word' = w.word AND {_IN_FORCE} {of_type}{of_tag})"
    )
    return Condition(sql, (until, until, *filter(None, (type, tag))))


def _rows(db: PostgresqlDatabase, sql: str, parameters: Sequence[object]) -> list[Any]:
    return db.connection().execute(sql, parameters).fetchall()
