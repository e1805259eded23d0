"""Brings the sentence pairs level with a file, by difference and in one transaction: unchanged rows keep their ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from peewee import PostgresqlDatabase
from psycopg import Connection

from mrilu.downloads.errors import refuse_shrink
from mrilu.sentences.tsv import Pair

KNOWN = "SELECT pair_hash, id, rating FROM sentence"
INSERT = "COPY sentence (pair_hash, lojban, english, rating, added_at, changed_at) FROM STDIN"
RATE = "UPDATE sentence SET rating = %s, changed_at = %s WHERE pair_hash = %s"
DELETE = "DELETE FROM sentence WHERE id = ANY(%s) RETURNING lojban"


@dataclass
class Difference:
    """What to write so that the table holds the file's pairs; `removed` are ids."""

    before: int
    added: list[tuple[UUID, Pair]] = field(default_factory=list)
    rated: list[tuple[UUID, Pair]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)


def compare(known: dict[UUID, tuple[int, str]], pairs: list[Pair]) -> Difference:
    """Compare the table (id and rating by pair_hash) with the file. Pure."""
    found = Difference(before=len(known))
    wanted = {pair.pair_hash(): pair for pair in pairs}
    for key, pair in wanted.items():
        if key not in known:
            found.added.append((key, pair))
        elif known[key][1] != pair.rating:
            found.rated.append((key, pair))
    found.removed = [number for key, (number, _) in known.items() if key not in wanted]
    return found


def store_pairs(
    db: PostgresqlDatabase, pairs: list[Pair], now: datetime, max_shrink: int
) -> tuple[Difference, list[str]]:
    """Make the table what the file says; return the difference and the removed Lojban sentences.

    Call it in a transaction. Raises SourceRefused when there would be more than `max_shrink` percent fewer rows.
    """
    connection = db.connection()
    # No one else writes here, but a run that a person forced may meet the daily one.
    connection.execute("LOCK TABLE sentence IN SHARE ROW EXCLUSIVE MODE")
    known = {row[0]: (row[1], row[2]) for row in connection.execute(KNOWN)}
    found = compare(known, pairs)
    refuse_shrink("muplis", found.before, len(pairs), max_shrink)
    removed = (
        [row[0] for row in connection.execute(DELETE, (found.removed,))] if found.removed else []
    )
    _insert(connection, found.added, now)
    if found.rated:
        connection.cursor().executemany(
            RATE, [(pair.rating, now, key) for key, pair in found.rated]
        )
    return found, removed


def _insert(connection: Connection, added: list[tuple[UUID, Pair]], now: datetime) -> None:
    if not added:
        return
    with connection.cursor().copy(INSERT) as copy:
        for key, pair in added:
            copy.write_row((key, pair.lojban, pair.english, pair.rating, now, now))
