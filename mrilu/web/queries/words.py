"""The words of the dictionary: their definitions, what was said before, and what is beside them. Bounded queries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from models import EmbeddingModel
from mrilu.search.conditions import Condition
from mrilu.search.direct import spellings
from mrilu.search.fold import fold
from mrilu.search.meaning import find_near

LONGEST = 100  # characters of a word that is looked up
MOST_DEFINITIONS = 300
MOST_SENTENCES = 10
MOST_MENTIONS = 60
MOST_VERSIONS = 100  # of a page
MOST_ALIKE = 8

# An earlier version kept type, rafsi and "unofficial" with the word alone (migration 0016).
_FACTS = """coalesce(d.type, w.type), CASE WHEN d.type IS NULL THEN w.rafsi ELSE d.rafsi END,
       CASE WHEN d.type IS NULL THEN w.unofficial ELSE d.unofficial END"""
DEFINITIONS = f"""
SELECT d.id, d.source_id, w.word, l.tag, l.name, {_FACTS}, d.selmaho, d.score, d.text, d.notes, d.username,
       d.jargon, d.etymology, d.examples, d.changed_at,
       (SELECT count(*) FROM definition_version AS v WHERE v.definition = d.id),
       ARRAY(SELECT concat_ws('; ', k.text, nullif(k.sense, '')) FROM keyword AS k
              WHERE k.definition = d.id AND k.place = 0 ORDER BY k.position LIMIT 20)
  FROM word AS w JOIN definition AS d ON d.word = w.id JOIN language AS l ON l.id = d.language
 WHERE w.word = ANY(%s) AND d.gone_at IS NULL
 ORDER BY array_position(%s::text[], w.word), l.tag, d.score DESC NULLS LAST, d.id LIMIT {MOST_DEFINITIONS}
"""  # noqa: S608 - all of it is ours
VERSIONS = """
SELECT v.id, l.tag, l.name, d.source_id, v.version, v.change, v.bulk, v.recorded_at, v.content, older.content
  FROM word AS w JOIN definition AS d ON d.word = w.id JOIN language AS l ON l.id = d.language
  JOIN definition_version AS v ON v.definition = d.id
  LEFT JOIN definition_version AS older ON older.definition = v.definition AND older.version = v.version - 1
 WHERE w.word = %s AND v.id < %s ORDER BY v.id DESC LIMIT %s
"""
# The index of migration 0034 answers this.
SENTENCES = """
SELECT lojban, english, rating FROM sentence
 WHERE to_tsvector('simple', folded(translate(lojban, '.,?!/', '     '))) @@ phraseto_tsquery('simple', %s)
 ORDER BY length(replace(rating, '👎', '')) - length(replace(rating, '👍', '')) DESC, length(lojban), id LIMIT %s
"""
MENTIONED = """
SELECT DISTINCT w.word FROM definition AS d JOIN word AS w ON w.id = d.word
 WHERE mentions(d.text || ' ' || d.notes) @> ARRAY[%s::text] AND d.gone_at IS NULL AND w.word <> %s
 ORDER BY w.word LIMIT %s
"""
KNOWN = """
SELECT w.word FROM word AS w
 WHERE w.word = ANY(%s) AND EXISTS (SELECT FROM definition AS d WHERE d.word = w.id AND d.gone_at IS NULL)
"""
# Of each word the best definition in the first of these languages that has one.
GLOSSES = """
SELECT w.word, best.gloss, best.text FROM word AS w CROSS JOIN LATERAL (
    SELECT (SELECT string_agg(k.text, ', ' ORDER BY k.position) FROM keyword AS k
             WHERE k.definition = d.id AND k.place = 0 AND k.position <= 4) AS gloss, d.text
      FROM definition AS d JOIN language AS l ON l.id = d.language WHERE d.word = w.id AND d.gone_at IS NULL
     ORDER BY coalesce(array_position(%s::text[], l.tag), 99), l.tag, d.score DESC NULLS LAST, d.id LIMIT 1) AS best
 WHERE w.word = ANY(%s)
"""
MEANINGS = """
SELECT DISTINCT ON (w.word) w.word, left(d.text, 400),
       (SELECT string_agg(k.text, ', ' ORDER BY k.position) FROM keyword AS k
         WHERE k.definition = d.id AND k.place = 0 AND k.position <= 3)
  FROM definition AS d JOIN word AS w ON w.id = d.word JOIN language AS l ON l.id = d.language
 WHERE d.gone_at IS NULL
 ORDER BY w.word, l.tag <> 'en', l.tag, d.score DESC NULLS LAST, d.id LIMIT 200000
"""
OF_RAFSI = """
SELECT DISTINCT w.word, w.type FROM word AS w
 WHERE (w.rafsi @> ARRAY[%s::text] OR w.word ~ ('^' || %s || '[aeiou]$') AND w.word ~ '^.{5}$')
   AND EXISTS (SELECT FROM definition AS d WHERE d.word = w.id AND d.gone_at IS NULL)
 ORDER BY w.type LIKE '%%experimental%%', w.word LIMIT 1
"""
ALIKE = """
SELECT w.word FROM word AS w
 WHERE (w.word %% %s
        OR ltrim(lower(w.word), '.') COLLATE "C" >= %s AND ltrim(lower(w.word), '.') COLLATE "C" < %s)
   AND EXISTS (SELECT FROM definition AS d WHERE d.word = w.id AND d.gone_at IS NULL)
 ORDER BY similarity(w.word, %s) DESC, w.word LIMIT %s
"""
VECTOR = (
    "SELECT vector::text FROM embedding WHERE model = %s AND kind = 'definition' AND owner = %s "
    "ORDER BY chunk LIMIT 1"
)
NAMES = (
    "SELECT d.id, w.word FROM definition AS d JOIN word AS w ON w.id = d.word WHERE d.id = ANY(%s)"
)


class DefinitionRow(NamedTuple):
    """A definition that is in the dictionary; `versions` counts what was recorded of it, `glosses` are its words."""

    id: int
    source_id: int
    word: str
    tag: str
    language: str
    type: str
    rafsi: list[str]
    unofficial: bool
    selmaho: str
    score: float | None
    text: str
    notes: str
    username: str
    jargon: str
    etymology: str
    examples: list[str]
    changed_at: datetime
    versions: int
    glosses: list[str]


class VersionRow(NamedTuple):
    """A definition after one change; `before` is the version that came before it, None for the first."""

    id: int
    tag: str
    language: str
    source_id: int
    version: int
    change: str
    bulk: bool
    recorded_at: datetime
    content: dict[str, Any]
    before: dict[str, Any] | None


class SentenceRow(NamedTuple):
    """A Lojban sentence with its English; `rating` says how good the pair is."""

    lojban: str
    english: str
    rating: str


class GlossRow(NamedTuple):
    """A word with its gloss words ("" if it has none) and its definition."""

    word: str
    gloss: str | None
    text: str


def definitions(db: PostgresqlDatabase, word: str) -> list[DefinitionRow]:
    """Return the definitions of a word in all languages, the best of each first; those of one spelling only."""
    names = names_of(word)
    rows = [DefinitionRow(*row) for row in _rows(db, DEFINITIONS, (names, names))]
    return [row for row in rows if row.word == rows[0].word]


def names_of(word: str) -> list[str]:
    """Return how the dictionary may spell a word that is asked for, the likeliest first; none for what is no word."""
    if not word.isprintable() or len(word) > LONGEST:
        return []
    names = spellings(word)
    # where the dictionary writes the dot that stands before each vowel
    return list(dict.fromkeys([word, word.strip(" ."), *names, f".{names[-1]}"]))


def versions(db: PostgresqlDatabase, word: str, before: int) -> list[VersionRow]:
    """Return what was recorded of a word's definitions, newest first, below the number `before`."""
    return [VersionRow(*row) for row in _rows(db, VERSIONS, (word, before, MOST_VERSIONS))]


def sentences(db: PostgresqlDatabase, word: str) -> list[SentenceRow]:
    """Return sentences that have exactly this word, the best pairs first."""
    return [SentenceRow(*row) for row in _rows(db, SENTENCES, (fold(word), MOST_SENTENCES))]


def mentioned_by(db: PostgresqlDatabase, word: str) -> list[str]:
    """Return the words whose definitions or notes refer to this one."""
    return [row[0] for row in _rows(db, MENTIONED, (word, word, MOST_MENTIONS))]


def known(db: PostgresqlDatabase, words: Iterable[str]) -> frozenset[str]:
    """Return those of the words that are in the dictionary."""
    return frozenset(row[0] for row in _rows(db, KNOWN, (sorted(set(words)),)))


def glosses(
    db: PostgresqlDatabase, words: Iterable[str], tags: Sequence[str]
) -> dict[str, GlossRow]:
    """Return the glosses of the words that are in the dictionary, in the first of the languages that has them."""
    found = _rows(db, GLOSSES, (list(tags), sorted(set(words))))
    return {row[0]: GlossRow(*row) for row in found}


def meanings(db: PostgresqlDatabase) -> list[GlossRow]:
    """Return all words with what they mean, in English where they have that."""
    return [GlossRow(word, gloss, text) for word, text, gloss in _rows(db, MEANINGS, ())]


def of_rafsi(db: PostgresqlDatabase, rafsi: str) -> str | None:
    """Return the word that has this rafsi (an official one first), or of which it is all but the last letter."""
    rows = _rows(db, OF_RAFSI, (rafsi, rafsi)) if rafsi.replace("'", "").isalpha() else []
    return rows[0][0] if rows else None


def alike(db: PostgresqlDatabase, word: str) -> list[str]:
    """Return words of the dictionary that are spelt nearly so, the nearest first."""
    wanted = word.lower()[:LONGEST]
    if not wanted.isprintable() or not wanted:
        return []
    last = wanted + "\U0010ffff"
    return [row[0] for row in _rows(db, ALIKE, (wanted, wanted, last, wanted, MOST_ALIKE))]


def nearest(db: PostgresqlDatabase, definition: DefinitionRow, limit: int = 12) -> list[str]:
    """Return the words whose definitions in the same language mean nearly the same; none where nothing is embedded."""
    model = EmbeddingModel.searched()
    if model is None:
        return []
    vectors = _rows(db, VECTOR, (model.id, definition.id))
    if not vectors:
        return []
    same = Condition(
        "s.gone_at IS NULL AND s.language = (SELECT id FROM language WHERE tag = %s)",
        (definition.tag,),
    )
    near = find_near(db, model, "word", json.loads(vectors[0][0]), same)
    ids = [one.id for one in near[: 3 * limit]]
    names = dict(_rows(db, NAMES, (ids,)))
    found = dict.fromkeys(names[one] for one in ids if one in names)
    return [one for one in found if one != definition.word][:limit]


def _rows(db: PostgresqlDatabase, sql: str, parameters: Sequence[object]) -> list[Any]:
    return db.connection().execute(sql, parameters).fetchall()
