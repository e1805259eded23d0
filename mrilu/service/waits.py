"""Who keeps whom waiting in PostgreSQL: the sessions that hold what others want, by name."""

from __future__ import annotations

from typing import NamedTuple

import psycopg

from models import session_options
from mrilu.archive.lock import THREAD_LOCK
from mrilu.runtime.errors import first_line

PATIENCE = 2.0  # seconds that a session may wait before it is worth a word
# A bigint advisory lock is split in two: the high half is classid, the low one objid (pg_locks).
HOLDERS = """
SELECT holder.pid, coalesce(host(holder.client_addr), 'this machine'), coalesce(holder.application_name, ''),
       coalesce(holder.state, ''), extract(epoch FROM clock_timestamp() - holder.xact_start)::float8,
       count(DISTINCT waiting.pid), bool_or(EXISTS (
           SELECT FROM pg_locks AS l WHERE l.pid = holder.pid AND l.granted AND l.locktype = 'advisory'
              AND (l.classid::bigint << 32 | l.objid::bigint) = %(imports)s)),
       (SELECT string_agg(DISTINCT l.relation::regclass::text, ', ') FROM pg_locks AS l JOIN pg_locks AS w
            ON w.relation = l.relation AND w.pid = ANY(array_agg(waiting.pid)) AND NOT w.granted
         WHERE l.pid = holder.pid AND l.granted AND l.locktype = 'relation')
  FROM pg_stat_activity AS waiting
 CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocking (pid)
  JOIN pg_stat_activity AS holder ON holder.pid = blocking.pid
 WHERE waiting.datname = current_database() AND waiting.wait_event_type = 'Lock'
   AND clock_timestamp() - waiting.state_change > %(patience)s * interval '1 second'
   AND NOT EXISTS (SELECT FROM unnest(pg_blocking_pids(holder.pid)))
 GROUP BY holder.pid, holder.client_addr, holder.application_name, holder.state, holder.xact_start
 ORDER BY 5 DESC NULLS LAST
"""


class Holder(NamedTuple):
    """A session that others wait for: `seconds` since its transaction began, `waiting` sessions, `tables` they want."""

    pid: int
    place: str
    program: str
    state: str
    seconds: float
    waiting: int
    imports: bool
    tables: str

    def __str__(self) -> str:
        """Name it for a person."""
        held = "the lock of all imports" if self.imports else self.tables or "a lock"
        program = self.program or "a program without a name"
        return (
            f"session {self.pid} ({program}, from {self.place}, {self.state or 'state unknown'}) "
            f"holds {held} since {self.seconds or 0:.0f} s, {self.waiting} wait for it"
        )


def holders(connection: psycopg.Connection) -> list[Holder]:
    """Return the sessions that keep others waiting and wait for none themselves, the oldest first."""
    arguments = {"imports": THREAD_LOCK, "patience": PATIENCE}
    return [Holder(*row) for row in connection.execute(HOLDERS, arguments)]


def told(url: str) -> str:
    """Return what keeps the sessions of the database `url` waiting, in a line; never raises psycopg errors."""
    options = session_options(url, statement_timeout=5) | {"connect_timeout": 5}
    try:
        with psycopg.connect(url, autocommit=True, **options) as link:
            found = holders(link)
    except psycopg.Error as error:
        return first_line(error)
    return "; ".join(map(str, found)) or "it is at work"
