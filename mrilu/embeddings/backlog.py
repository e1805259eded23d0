"""Working off what waits: slices of sources, embedded in one thread while another reads and writes."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID

from peewee import PostgresqlDatabase

from mrilu.embeddings.encoder import Encoder
from mrilu.embeddings.sources import KINDS, NEWEST, Source, as_sources, newest_message, rows_waiting
from mrilu.embeddings.store import as_halves, known_hashes, store_sources

logger = logging.getLogger(__name__)

# Sources that are read, embedded and committed together, some seconds of work: enough to sort by length and to keep
# all cores busy (at a slice's end some wait for the last), few enough to lose.
SLICE = {"definition": 2048, "sentence": 2048, "message": 256}
# How far back a run for new mail looks; older ones are left to the hourly run.
RECENT = 5000

Heard = Callable[[Counter[str], float], None]


def slices(
    db: PostgresqlDatabase, model: int, *, recent: bool
) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Yield (kind, rows) until nothing waits: newest first, and mail that arrives during the run before all else.

    With `recent` only the latest messages are looked at.
    """
    top = newest_message(db)
    floor = top - RECENT if recent else 0
    for kind in ("message",) if recent else KINDS:
        before = NEWEST
        while True:
            arrived = rows_waiting(db, model, "message", SLICE["message"], after=top)
            if arrived:
                top = arrived[0][0]
                yield "message", arrived
                continue
            limit = min(before, top + 1) if kind == "message" else before
            rows = rows_waiting(db, model, kind, SLICE[kind], before=limit, after=max(0, floor))
            if not rows:
                break
            before = rows[-1][0]
            yield kind, rows


class Pipeline:
    """Embeds one slice while the one before it is written and the next is read."""

    def __init__(self, db: PostgresqlDatabase, model: int, encoder: Encoder) -> None:
        self.db, self.model, self.encoder = db, model, encoder
        self.counts: Counter[str] = Counter()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._flying: tuple[list[Source], list[UUID], Future[Any]] | None = None

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *failed: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def put(self, kind: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Start to embed these rows' texts, then write the slice that was put before."""
        sources = as_sources(kind, rows, self.encoder)
        texts = self._new_texts(sources)
        future = (
            self._thread.submit(self.encoder.encode, list(texts.values())) if texts else _nothing()
        )
        before, self._flying = self._flying, (sources, list(texts), future)
        self._write(before)

    def finish(self) -> None:
        """Write what is still under way."""
        before, self._flying = self._flying, None
        self._write(before)

    def _embed(self, texts: Sequence[str]) -> Any:
        """Embed these texts after what is under way: an encoder works for one thread."""
        self.counts["embedded"] += len(texts)
        self.counts["copied"] -= len(texts)
        return self._thread.submit(self.encoder.encode, list(texts)).result()

    def _new_texts(self, sources: Sequence[Source]) -> dict[UUID, str]:
        """Return each text that has no vector yet, once, by its hash."""
        texts = {piece.hash: piece.text for source in sources for piece in source.pieces}
        known = known_hashes(self.db, self.model, texts)
        if self._flying:
            known.update(self._flying[1])  # stored before these are
        return {key: text for key, text in texts.items() if key not in known}

    def _write(self, flight: tuple[list[Source], list[UUID], Future[Any]] | None) -> None:
        if flight is None:
            return
        sources, hashes, future = flight
        fresh = dict(zip(hashes, as_halves(future.result()), strict=True)) if hashes else {}
        written = store_sources(self.db, self.model, sources, fresh, self._embed)
        self.counts[f"{sources[0].kind}s"] += len(sources)
        self.counts["embedded"] += len(hashes)
        self.counts["copied"] += max(0, written - len(hashes))


def _nothing() -> Future[Any]:
    done: Future[Any] = Future()
    done.set_result(None)
    return done


def embed_backlog(
    db: PostgresqlDatabase,
    model: int,
    encoder: Encoder,
    *,
    recent: bool,
    seconds: float,
    heard: Heard,
    before_slice: Callable[[], None] = lambda: None,
) -> tuple[Counter[str], bool]:
    """Embed what waits, for at most about so many seconds; return the counts and whether nothing was left out.

    Each slice is committed by itself: whatever ends the process, none of it is done again. `heard` is
    called after each slice with the counts and the seconds since the start, `before_slice` before each.
    """
    began = time.monotonic()
    with Pipeline(db, model, encoder) as pipeline:
        for kind, rows in slices(db, model, recent=recent):
            before_slice()
            pipeline.put(kind, rows)
            passed = time.monotonic() - began
            heard(pipeline.counts, passed)
            if passed > seconds:
                pipeline.finish()
                return pipeline.counts, False
        pipeline.finish()
    return pipeline.counts, True
