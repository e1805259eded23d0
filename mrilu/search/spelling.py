"""Words with a slip in them: found by trigrams, ranked by the number of slips."""

from __future__ import annotations

from peewee import PostgresqlDatabase
from rapidfuzz.distance import OSA

from mrilu.search.conditions import Condition, both, where

LONGEST = 40  # characters; longer texts are not words
# Two letters exchanged in a word of five leave a fifth of its trigrams.
LEAST_SIMILAR = 0.18
CANDIDATES = 300

_SIMILAR = """
SELECT s.id, lower(w.word) AS spelled, similarity(w.word, %s) AS alike
  FROM word AS w JOIN definition AS s ON s.word = w.id WHERE w.word %% %s AND {holds}
UNION ALL
SELECT s.id, lower(k.text), similarity(lower(k.text), %s)
  FROM keyword AS k JOIN definition AS s ON s.id = k.definition
 WHERE k.direction = 'from' AND lower(k.text) %% %s AND k.place = 0 AND {holds}
 ORDER BY alike DESC, id LIMIT %s
"""


def find_alike(db: PostgresqlDatabase, text: str, holds: Condition) -> list[int]:
    """Return definitions of words, or with gloss words, that `text` may be a slip for; fewest slips first."""
    if len(text) > LONGEST or len(text) < 3:
        return []
    wanted = text.lower()
    sql = _SIMILAR.format(holds=both(holds).sql or "true")
    own, scope = (wanted, wanted), holds.parameters
    with db.atomic():
        db.execute_sql(f"SET LOCAL pg_trgm.similarity_threshold = {LEAST_SIMILAR}")
        rows = (
            db.connection()
            .execute(sql, (*own, *scope, *own, *scope, CANDIDATES), prepare=False)
            .fetchall()
        )
    # Letters put in, left out, changed or exchanged with the next (Damerau 1964)
    allowed = max(1, len(wanted) // 4)
    slips = [
        (count, -alike, one)
        for one, spelled, alike in rows
        if (count := OSA.distance(wanted, spelled)) <= allowed
    ]
    return list(dict.fromkeys(one for _, _, one in sorted(slips)))


def is_spelt_right(db: PostgresqlDatabase, tsquery: str, holds: Condition) -> bool:
    """Tell whether a definition has the word in its text or gloss words; common words ("") are known to be right."""
    clause = where(Condition("s.search @@ %s::tsquery", (tsquery,)), holds)
    found = f"SELECT EXISTS (SELECT FROM definition AS s {clause.sql})"  # noqa: S608 - the conditions are ours
    return not tsquery or bool(db.execute_sql(found, clause.parameters).fetchone()[0])
