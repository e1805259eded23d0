"""The runs of jobs, in the database so that they outlive a flush of Redis."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import TextField
from playhouse.postgres_ext import BinaryJSONField, DateTimeTZField, IdentityField

from mrilu.tables.base import BaseModel, db


class JobRun(BaseModel):
    """One run of one job: when, how it ended, what it did. It outlives a flush of Redis.

    `slot` is the time that the schedule asked for (None: a person asked). The database lets a slot be
    running or done once, and a job run once at a time (mrilu/queues/runs.py).
    """

    id = IdentityField()
    job = TextField()
    rq_id = TextField()
    started_at = DateTimeTZField()
    ended_at = DateTimeTZField(null=True)
    outcome = TextField()
    counts = BinaryJSONField(index=False)
    error = TextField()
    slot = DateTimeTZField(null=True)
    worker = TextField(default="")

    @classmethod
    def record(
        cls,
        job: str,
        rq_id: str,
        started: datetime,
        ended: datetime,
        counts: dict[str, Any],
        error: str = "",
    ) -> int:
        """Write the row of a run that has ended, well if `error` is "", in the caller's transaction; return its id."""
        outcome = "failed" if error else "done"
        return cls.insert(
            job=job,
            rq_id=rq_id,
            started_at=started,
            ended_at=ended,
            outcome=outcome,
            counts=counts,
            error=error,
        ).execute()

    @classmethod
    def claim(
        cls, job: str, rq_id: str, slot: datetime | None, worker: str, started: datetime
    ) -> int | None:
        """Open the row of a run that starts; None when its slot is done or the job runs already."""
        cursor = db.execute_sql(
            "INSERT INTO job_run (job, rq_id, slot, worker, started_at, outcome) "
            "VALUES (%s, %s, %s, %s, %s, 'running') ON CONFLICT DO NOTHING RETURNING id",
            (job, rq_id, slot, worker, started),
        )
        row = cursor.fetchone()
        return row[0] if row else None

    @classmethod
    def close(
        cls, run: int, outcome: str, ended: datetime, counts: dict[str, Any], error: str
    ) -> bool:
        """End a running row as "done" or "failed"; False when it was ended before."""
        query = cls.update(outcome=outcome, ended_at=ended, counts=counts, error=error)
        return query.where(cls.id == run, cls.outcome == "running").execute() == 1

    @classmethod
    def running(cls, job: str | None = None) -> list[JobRun]:
        """Return the runs that have not ended, of one job or of all."""
        rows = cls.select().where(cls.outcome == "running")
        return list(rows.where(cls.job == job) if job else rows)

    @classmethod
    def latest(cls) -> list[JobRun]:
        """Return each job's most recent run, by the job's name."""
        rows = cls.select().distinct([cls.job]).order_by(cls.job, cls.started_at.desc())
        return list(rows)

    @classmethod
    def expire(cls, before: datetime) -> int:
        """Delete the runs that ended before that time, but the last of each job; return how many."""
        cursor = db.execute_sql(
            "DELETE FROM job_run WHERE ended_at < %s AND id NOT IN "
            "(SELECT DISTINCT ON (job) id FROM job_run ORDER BY job, started_at DESC)",
            (before,),
        )
        return cursor.rowcount
