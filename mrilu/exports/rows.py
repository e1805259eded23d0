"""Reads one language's book from the database, and a hash of exactly what would be read."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from mrilu.dictionary.entries import Entry, Gloss, Reverse
from mrilu.exports.book import Book, ordered_book, uncollected

# The best definition of each word comes first: the highest score, then the one that has stood longest. Facts of a
# definition that an earlier version wrote (type IS NULL) are the word's. The glosses are looked up one by one: a join
# of both whole sets took minutes where PostgreSQL had no statistics yet, in the night after a first sync.
DEFINITIONS = """
WITH live AS (
    SELECT definition.*, row_number() OVER (
               PARTITION BY definition.word ORDER BY score DESC NULLS LAST, source_id) AS nth
      FROM definition WHERE language = %(language)s AND gone_at IS NULL
)
SELECT live.nth, word.word, coalesce(live.type, word.type) AS type,
       CASE WHEN live.type IS NULL THEN word.unofficial ELSE live.unofficial END AS unofficial,
       CASE WHEN live.type IS NULL THEN word.rafsi ELSE live.rafsi END AS rafsi,
       live.selmaho, live.username, live.realname, live.text, live.source_id, live.notes, live.score,
       coalesce((SELECT json_agg(json_build_array(k.text, k.sense, k.place) ORDER BY k.position, k.id)
                   FROM keyword AS k WHERE k.definition = live.id AND k.direction = 'from'), '[]') AS glosses,
       live.jargon, live.etymology, live.examples, live.tags
  FROM live JOIN word ON word.id = live.word
"""

REVERSE_ENTRIES = """
SELECT DISTINCT text, sense, valsi, place FROM keyword WHERE language = %(language)s AND direction = 'to'
"""

# Changed and gone definitions both make a new edition.
EDITION = """
SELECT coalesce(max(greatest(changed_at, gone_at)), '1970-01-01'::timestamptz)::date::text
  FROM definition WHERE language = %(language)s
"""

# Of the very rows that are exported, in PostgreSQL: 0.1 s for 20,000 entries, which reading them takes five times over.
SOURCE_HASH = f"""
SELECT md5(concat(
    (SELECT string_agg(md5(entry::text), '' ORDER BY entry.word COLLATE "C", entry.nth)
       FROM ({DEFINITIONS}) AS entry), '|',
    (SELECT string_agg(md5(entry::text), '' ORDER BY entry::text COLLATE "C") FROM ({REVERSE_ENTRIES}) AS entry), '|',
    ({EDITION}), '|', (SELECT concat(tag, '|', name) FROM language WHERE id = %(language)s)))
"""  # noqa: S608 - our own statements


def source_hash(connection: Connection, language: int) -> str:
    """Return a hash of all that the language's book holds (32 hexadecimal digits)."""
    return str(_one(connection, SOURCE_HASH, language))


def read_book(connection: Connection, language: int, tag: str, name: str) -> Book:
    """Return the language's book, entries and reverse entries in the order of the alphabet."""
    facts = {"language": language}
    with uncollected():
        rows = connection.execute(DEFINITIONS, facts).fetchall()
        best = [_entry(row) for row in rows if row[0] == 1]
        further = [_entry(row) for row in sorted(rows, key=lambda row: row[0]) if row[0] > 1]
        reverse = [Reverse(*row) for row in connection.execute(REVERSE_ENTRIES, facts)]
        edition = str(_one(connection, EDITION, language))
        return ordered_book(tag, name, edition, best, reverse, further)


def _entry(row: tuple[Any, ...]) -> Entry:
    _, *fields = row
    entry = Entry._make(fields)
    return entry._replace(
        rafsi=tuple(entry.rafsi),
        glosses=tuple(Gloss(*gloss) for gloss in entry.glosses),
        examples=tuple(entry.examples),
        tags=tuple(entry.tags),
    )


def _one(connection: Connection, statement: Any, language: int) -> Any:
    row = connection.execute(statement, {"language": language}).fetchone()
    assert row is not None
    return row[0]
