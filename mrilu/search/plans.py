"""How a search's statements are planned: anew each time, or once for all values where there is one good plan only.

PostgreSQL plans for what it is asked, which takes as long as many a search itself. That is of use where one value is
found by an index and another is not. Where the index of search knows all that is asked for there is nothing to choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg.pq import TransactionStatus

_ONE_PLAN = "SELECT set_config('plan_cache_mode', 'force_generic_plan', true)"
_AS_USUAL = "RESET plan_cache_mode"


def rows_of(
    connection: Connection, sql: str, parameters: Sequence[Any], *, one_plan: bool
) -> list[Any]:
    """Return the rows of a statement."""
    if not one_plan:
        return connection.execute(sql, parameters, prepare=False).fetchall()
    usual = connection.info.transaction_status == TransactionStatus.IDLE
    # sent together: what is set for the transaction ends with them
    with connection.pipeline():
        connection.execute(_ONE_PLAN)
        found = connection.execute(sql, parameters, prepare=True)
        if not usual:
            connection.execute(_AS_USUAL)
    return found.fetchall()
