"""The mails that use a word: how many in each year, the first, the newest. The index of search answers, bounded."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from models import Reader, visible_to
from mrilu.search.fold import fold
from mrilu.search.patience import SearchTooSlow, within

MOST = 2000  # mails that are read through for one word
NEWEST = 5
SECONDS = 3.0

LEXEMES = "SELECT phraseto_tsquery('mrilu', %s)::text"
CANDIDATES = """
SELECT s.id, s.sent_at FROM message AS s WHERE s.search @@ %s::tsquery AND {visible} LIMIT %s
"""
# The index knows stems: "since" and "sincing" are one to it. The text itself decides.
EXACT = """
SELECT s.id, extract(year FROM s.sent_at AT TIME ZONE 'UTC')::int FROM message AS s
 WHERE s.id = ANY(%s) AND (s.body ~* %s OR s.subject ~* %s) ORDER BY s.sent_at, s.id
"""


class Uses(NamedTuple):
    """How many mails have a word in each year (UTC), with ids of the first and the newest.

    `unknown` says why nothing was counted: "common" (of too many mails, or in each) or "slow".
    """

    years: tuple[tuple[int, int], ...] = ()
    first: int | None = None
    newest: tuple[int, ...] = ()
    unknown: str = ""

    @property
    def total(self) -> int:
        """The number of mails."""
        return sum(count for _, count in self.years)


def uses(db: PostgresqlDatabase, word: str, reader: Reader) -> Uses:
    """Return the uses of a word in the mails that the reader may see."""
    try:
        with within(db, SECONDS):
            return _uses(db, word, reader)
    except SearchTooSlow:
        return Uses(unknown="slow")


def _uses(db: PostgresqlDatabase, word: str, reader: Reader) -> Uses:
    connection = db.connection()
    row = connection.execute(LEXEMES, (fold(word),)).fetchone()
    if not row or not row[0]:
        return Uses(unknown="common")
    visible = visible_to(reader, "s")
    sql = CANDIDATES.format(visible=visible.sql or "true")
    facts: tuple[Any, ...] = (row[0], *visible.parameters, MOST + 1)
    candidates = [one[0] for one in connection.execute(sql, facts, prepare=False)]
    if len(candidates) > MOST:
        return Uses(unknown="common")
    exact = pattern_of(word)
    found = connection.execute(EXACT, (candidates, exact, exact)).fetchall()
    if not found:
        return Uses()
    years = Counter(year for _, year in found)
    ids = [number for number, _ in found]
    return Uses(tuple(sorted(years.items())), ids[0], tuple(reversed(ids[-NEWEST:])))


def pattern_of(word: str) -> str:
    """Return the regular expression (PostgreSQL's) of a word that stands alone, however its apostrophes are written."""
    spelt = re.sub(r"(?<=[aeiouyAEIOUY])'(?=[aeiouyAEIOUY])", "\x00", word)
    escaped = "".join(
        "['’h]" if one == "\x00" else one if one.isalnum() or one.isspace() else f"\\{one}"
        for one in spelt
    )
    return rf"(?<![\w'’]){escaped}(?![\w'’])"
