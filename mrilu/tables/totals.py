"""Running totals of what jobs did; most are kept by triggers on job_run (mrilu/migrations/0006_operations.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from peewee import CompositeKey, DoubleField, SmallIntegerField, TextField, fn
from playhouse.postgres_ext import DateTimeTZField

from mrilu.tables.base import BaseModel, db

ADD = """
INSERT INTO total (name, job, label, shard, value)
SELECT %(name)s, %(job)s, label, pg_backend_pid() %% 16, value
  FROM unnest(%(labels)s::text[], %(values)s::double precision[]) AS one (label, value) ORDER BY label
ON CONFLICT (name, job, label, shard) DO UPDATE SET value = total.value + excluded.value
"""
ADD_HOURLY = """
INSERT INTO hour (hour, name, label, shard, value)
SELECT date_trunc('hour', now(), 'UTC'), name, label, pg_backend_pid() %% 16, value
  FROM unnest(%(names)s::text[], %(labels)s::text[], %(values)s::double precision[]) AS one (name, label, value)
 ORDER BY name, label
ON CONFLICT (hour, name, label, shard) DO UPDATE SET value = hour.value + excluded.value
"""
MEASURE = """
INSERT INTO hour (hour, name, label, shard, value)
SELECT date_trunc('hour', now(), 'UTC'), %(name)s, label, 0, value
  FROM unnest(%(labels)s::text[], %(values)s::double precision[]) AS one (label, value) ORDER BY label
ON CONFLICT (hour, name, label, shard) DO UPDATE SET value = excluded.value
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


class Hour(BaseModel):
    """A part of what was counted in one hour, or what was measured in it last."""

    hour = DateTimeTZField()
    name = TextField()
    label = TextField()
    shard = SmallIntegerField()
    value = DoubleField()

    class Meta:
        primary_key = CompositeKey("hour", "name", "label", "shard")

    @classmethod
    def add(cls, counted: Mapping[str, Mapping[str, float]]) -> None:
        """Add to this hour's sums, by name and label, in the caller's transaction."""
        rows = [
            (name, label, one) for name, found in counted.items() for label, one in found.items()
        ]
        if rows:
            names, labels, values = map(list, zip(*rows, strict=True))
            facts = {"names": names, "labels": labels, "values": values}
            db.connection().execute(ADD_HOURLY, facts)

    @classmethod
    def measure(cls, name: str, values: Mapping[str, float]) -> None:
        """Note what was measured now, by label; the last measure of an hour stays."""
        facts = {"name": name, "labels": list(values), "values": list(values.values())}
        db.connection().execute(MEASURE, facts)

    @classmethod
    def since(cls, since: datetime, name: str) -> dict[tuple[datetime, str], float]:
        """Return the sums from an hour on, by hour (UTC) and label."""
        rows = db.execute_sql(
            "SELECT hour, label, sum(value) FROM hour WHERE hour >= %s AND name = %s GROUP BY 1, 2",
            (since, name),
        )
        return {(hour.astimezone(UTC), label): value for hour, label, value in rows.fetchall()}

    @classmethod
    def expire(cls, before: datetime) -> int:
        """Delete the hours before that time; return how many rows."""
        return int(cls.delete().where(cls.hour < before).execute())
