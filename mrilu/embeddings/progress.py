"""How far the embeddings are: what waits, what is done, how fast it goes and when it will be complete."""

from __future__ import annotations

from collections import Counter
from typing import Any

from peewee import PostgresqlDatabase

from models import Embedded, EmbeddingModel, lack_of_vectors
from mrilu.embeddings.model import EncoderMissing, find_model
from mrilu.embeddings.sources import KINDS, count_waiting
from mrilu.runtime.heartbeat import beat, last_beat

BEAT = "embedding"
NO_MODEL = 0  # no row has this id: all that there is waits


def report(counts: Counter[str], seconds: float) -> None:
    """Say how far the run has come: sources done and per second since its start."""
    done = sum(counts[f"{kind}s"] for kind in KINDS)
    beat(BEAT, {"done": done, "rate": round(done / seconds, 1) if seconds else 0.0})


def progress(db: PostgresqlDatabase, model: str) -> dict[str, Any]:
    """Return state, model, done and waiting by kind, rate (sources/s while a run works) and ETA in seconds.

    The state is "missing" (with `why`: packages, weights or pgvector), "building" (another model's vectors
    answer until these are complete), "behind" or "level".
    """
    facts: dict[str, Any] = {"model": model}
    if lack := lack_of_vectors(db):
        return facts | {"state": "missing", "why": lack}
    try:
        row = EmbeddingModel.get_or_none(EmbeddingModel.name == find_model(model).name)
    except EncoderMissing as error:
        return facts | {"state": "missing", "why": str(error)}
    waiting = count_waiting(db, row.id if row else NO_MODEL)
    level = not any(waiting.values())
    building = row is not None and not row.current
    state = "building" if building else "level" if level else "behind"
    return (
        facts
        | {"state": state, "done": _done(row), "waiting": waiting}
        | _speed(sum(waiting.values()))
    )


def _done(row: EmbeddingModel | None) -> dict[str, int]:
    done = dict.fromkeys(KINDS, 0)
    if row is not None:
        query = "SELECT kind, count(*) FROM embedded WHERE model = %s GROUP BY kind"
        done.update(Embedded._meta.database.execute_sql(query, (row.id,)).fetchall())
    return done


def _speed(waiting: int) -> dict[str, float | None]:
    facts = last_beat(BEAT)
    rate = facts["rate"] if facts and waiting else None
    return {"rate": rate, "eta": round(waiting / rate) if rate else None}
