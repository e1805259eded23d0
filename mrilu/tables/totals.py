"""Running totals of what jobs did; most are kept by triggers on job_run (mrilu/migrations/0006_operations.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from peewee import CompositeKey, DoubleField, SmallIntegerField, TextField, fn

from mrilu.tables.base import BaseModel, db

ADD = """
INSERT INTO total (name, job, label, shard, value)
SELECT %(name)s, %(job)s, label, pg_backend_pid() %% 16, value
  FROM unnest(%(labels)s::text[], %(values)s::double precision[]) AS one (label, value) ORDER BY label
ON CONFLICT (name, job, label, shard) DO UPDATE SET value = total.value + excluded.value
"""


class Total(BaseModel):
    """A part of one running total; the parts of all shards add up to it."""

    name = TextField()
    job = TextField()
    label = TextField()
    shard = SmallIntegerField()
    value = DoubleField()

    class Meta:
        primary_key = CompositeKey("name", "job", "label", "shard")

    @classmethod
    def add(cls, name: str, job: str, values: Mapping[str, float]) -> None:
        """Add to the totals of `name` and `job`, by label, in the caller's transaction."""
        if values:
            facts = {
                "name": name,
                "job": job,
                "labels": list(values),
                "values": list(values.values()),
            }
            db.connection().execute(ADD, facts)

    @classmethod
    def of_items(cls, job: str, labels: Iterable[str]) -> int:
        """Return how many items of these labels the runs of a job have counted so far."""
        chosen = (cls.name == "items") & (cls.job == job) & cls.label.in_(list(labels))
        return int(cls.select(fn.coalesce(fn.sum(cls.value), 0)).where(chosen).scalar())
