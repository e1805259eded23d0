"""The entries of a word as programs are told them."""

from __future__ import annotations

from typing import NamedTuple

from peewee import PostgresqlDatabase

from mrilu.notifications.compose import readable_definition

MOST = 1000  # of one word, in all languages
# An earlier version kept type and rafsi with the word alone (migration 0016).
ENTRIES = """
SELECT d.source_id, w.word, l.tag, coalesce(d.type, w.type),
       CASE WHEN d.type IS NULL THEN w.rafsi ELSE d.rafsi END, d.text, d.notes
  FROM word AS w JOIN definition AS d ON d.word = w.id JOIN language AS l ON l.id = d.language
 WHERE w.word = ANY(%s) AND d.gone_at IS NULL ORDER BY l.tag, d.score DESC NULLS LAST, d.id LIMIT %s
"""


class Entry(NamedTuple):
    """A definition of a word; `number` is jbovlaste's definitionid."""

    number: int
    word: str
    language: str
    type: str
    rafsi: list[str]
    definition: str
    notes: str


def entries(db: PostgresqlDatabase, word: str) -> list[Entry]:
    """Return the definitions of a word in all languages, the best of each first."""
    spelt = [word, word.strip(" .")]
    found = [Entry(*row) for row in db.connection().execute(ENTRIES, (spelt, MOST))]
    return [
        one._replace(
            definition=readable_definition(one.definition), notes=readable_definition(one.notes)
        )
        for one in found
    ]
