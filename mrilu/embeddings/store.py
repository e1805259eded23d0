"""Writing vectors: each text's once, copied to all that say the same; a chunk of sources is one transaction."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from peewee import PostgresqlDatabase

from mrilu.embeddings.sources import KINDS, Source
from mrilu.embeddings.text import RECIPE

# As pgvector sends and receives it: the length, an unused short, then big-endian halves.
Vector = bytes
# Gives float32 (texts, dimensions).
Embed = Callable[[Sequence[str]], Any]

_KNOWN = "SELECT DISTINCT ON (text_hash) text_hash, vector FROM embedding WHERE model = %s AND text_hash = ANY(%s)"
_HASHES = "SELECT DISTINCT text_hash FROM embedding WHERE model = %s AND text_hash = ANY(%s)"
_HELD = "SELECT owner, chunk, text_hash, start FROM embedding WHERE model = %s AND kind = %s AND owner = ANY(%s)"
_DELETE = "DELETE FROM embedding WHERE model = %s AND kind = %s AND owner = ANY(%s)"
_COPY = "COPY embedding (model, kind, owner, chunk, text_hash, start, vector) FROM STDIN (FORMAT BINARY)"
_NOTE = """
INSERT INTO embedded (model, kind, owner, state, recipe, chunks)
SELECT %s, %s, owner, state, %s, chunks
  FROM unnest(%s::bigint[], %s::uuid[], %s::smallint[]) AS one (owner, state, chunks)
ON CONFLICT (model, kind, owner) DO UPDATE
   SET state = excluded.state, recipe = excluded.recipe, chunks = excluded.chunks
"""
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)  # PostgreSQL, COPY, "Binary Format"
_COPY_END = struct.pack("!h", -1)
_IS_GONE = "kind = '{kind}' AND NOT EXISTS (SELECT FROM {kind} AS s WHERE s.id = owner {live})"
_LIVE = {"definition": "AND s.gone_at IS NULL", "sentence": "", "message": ""}


def as_halves(vectors: Any) -> list[Vector]:
    """Return float32 (n, dimensions) as n values of the type halfvec."""
    head = struct.pack("!hh", vectors.shape[1], 0)
    return [head + row.tobytes() for row in vectors.astype(">f2")]


def known_hashes(db: PostgresqlDatabase, model: int, hashes: Iterable[UUID]) -> set[UUID]:
    """Return those texts that this model has embedded already."""
    return {row[0] for row in db.execute_sql(_HASHES, (model, list(hashes)))}


def store_sources(
    db: PostgresqlDatabase,
    model: int,
    sources: Sequence[Source],
    fresh: Mapping[UUID, Vector],
    embed: Embed,
) -> int:
    """Write the vectors of these sources, of one kind; `fresh` are those just made. Return the rows written.

    Sources whose pieces are what they were keep their rows. `embed` is for texts whose vector was stored when
    `fresh` was made and is gone: the only row that had it has changed since.
    """
    if not sources:
        return 0
    kind = sources[0].kind
    with db.atomic():
        changed = _changed(db, model, kind, sources)
        rows = list(_rows(changed, _vectors(db, model, changed, fresh, embed)))
        if changed:
            db.execute_sql(_DELETE, (model, kind, [source.owner for source in changed]))
            _copy(db, model, kind, rows)
        columns = zip(*((one.owner, one.state, len(one.pieces)) for one in sources), strict=True)
        db.execute_sql(_NOTE, (model, kind, RECIPE, *map(list, columns)))
    return len(rows)


def _changed(
    db: PostgresqlDatabase, model: int, kind: str, sources: Sequence[Source]
) -> list[Source]:
    held: dict[int, set[tuple[int, UUID, int]]] = {}
    for owner, *piece in db.execute_sql(_HELD, (model, kind, [source.owner for source in sources])):
        held.setdefault(owner, set()).add(tuple(piece))
    wanted = {
        one.owner: {(piece.chunk, piece.hash, piece.start) for piece in one.pieces}
        for one in sources
    }
    return [one for one in sources if held.get(one.owner, set()) != wanted[one.owner]]


def _vectors(
    db: PostgresqlDatabase,
    model: int,
    sources: Sequence[Source],
    fresh: Mapping[UUID, Vector],
    embed: Embed,
) -> dict[UUID, Vector]:
    """Return the vector of each piece's text: a fresh one, one that is stored for the same text, or one made now."""
    texts = {
        piece.hash: piece.text
        for source in sources
        for piece in source.pieces
        if piece.hash not in fresh
    }
    found = dict(fresh)
    if texts:
        with db.connection().cursor(binary=True) as cursor:
            found.update(cursor.execute(_KNOWN, (model, list(texts))).fetchall())
    if missing := [one for one in texts if one not in found]:
        found.update(zip(missing, as_halves(embed([texts[one] for one in missing])), strict=True))
    return found


def _rows(
    sources: Sequence[Source], vectors: Mapping[UUID, Vector]
) -> Iterable[tuple[int, int, bytes, int, Vector]]:
    for source in sources:
        for piece in source.pieces:
            yield source.owner, piece.chunk, piece.hash.bytes, piece.start, vectors[piece.hash]


def _copy(
    db: PostgresqlDatabase,
    model: int,
    kind: str,
    rows: Iterable[tuple[int, int, bytes, int, Vector]],
) -> None:
    name = kind.encode()
    begin = struct.pack(f"!hihi{len(name)}s", 7, 2, model, len(name), name)
    with db.connection().cursor().copy(_COPY) as copy:
        copy.write(_COPY_HEAD)
        for owner, chunk, text_hash, start, vector in rows:
            middle = struct.pack(
                "!iqihi16siii", 8, owner, 2, chunk, 16, text_hash, 4, start, len(vector)
            )
            copy.write(begin + middle + vector)
        copy.write(_COPY_END)


def forget_gone(db: PostgresqlDatabase) -> int:
    """Drop the vectors of deleted sources, of all models; return the number of sources."""
    gone = 0
    for kind in KINDS:
        is_gone = _IS_GONE.format(kind=kind, live=_LIVE[kind])
        with db.atomic():
            query = f"DELETE FROM embedded WHERE {is_gone} RETURNING owner"  # noqa: S608 - the kinds are ours
            rows = db.execute_sql(query).fetchall()
            if rows:
                owners = [row[0] for row in rows]
                db.execute_sql(
                    "DELETE FROM embedding WHERE kind = %s AND owner = ANY(%s)", (kind, owners)
                )
        gone += len(rows)
    return gone
