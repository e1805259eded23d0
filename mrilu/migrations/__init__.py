"""Numbered schema steps, applied once and in order when the service starts."""

from __future__ import annotations

import logging
from pathlib import Path

from peewee import PostgresqlDatabase
from playhouse.migrations import Runner

from mrilu.migrations import vectors

logger = logging.getLogger(__name__)

# Any number that no other program on the same database is likely to use for its advisory locks.
MIGRATION_LOCK = 0x6D72696C75


def apply(db: PostgresqlDatabase) -> list[str]:
    """Apply the pending steps under a lock and return their names; take up pgvector, if it is there.

    Two services that start at once on one database take turns, so that each step runs once.
    Raises peewee errors when a step fails; that step is rolled back whole.
    """
    with db.connection_context():
        db.execute_sql("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        try:
            names = Runner(db, str(Path(__file__).parent)).up()
            lack = vectors.take_up(db)
        finally:
            db.execute_sql("SELECT pg_advisory_unlock(%s)", (MIGRATION_LOCK,))
    for name in names:
        logger.info("migration applied name=%s", name)
    if lack:
        logger.info("no search by meaning: %s", lack)  # `up` says it to a person
    return names
