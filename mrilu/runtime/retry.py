"""Exponential back-off with a cap and jitter, for named transient errors only; and whose fault an error is."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass

import peewee
import psycopg
import psycopg.errors
import redis
from rq import Retry

from mrilu.runtime.errors import NotConfigured
from mrilu.settings.fields import SettingError

# What a second try can cure: a server that restarts, a deadlock, a serialization failure, a full disk.
TRANSIENT: tuple[type[Exception], ...] = (
    psycopg.OperationalError,
    peewee.OperationalError,
    psycopg.InterfaceError,
    peewee.InterfaceError,
    redis.ConnectionError,
    redis.TimeoutError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)

# What one mail's content can cause: a value that does not fit, a text too large to index.
CONTENT: tuple[type[BaseException], ...] = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
    psycopg.errors.InternalError_,  # XX000 is what PostgreSQL says where it has no word for it
    peewee.DataError,
    peewee.IntegrityError,
    UnicodeError,
)
# A message that was removed at this very moment is not a fault of the mail's.
NOT_CONTENT = psycopg.errors.ForeignKeyViolation
# A database that is full, old, read-only or not ours to write to; an installation that lacks something.
OUTSIDE: tuple[type[BaseException], ...] = (
    psycopg.Error,
    peewee.PeeweeException,
    redis.RedisError,
    OSError,
    ImportError,
    NotConfigured,
    SettingError,
)


def is_transient(error: BaseException) -> bool:
    """Tell whether a later try may succeed. "Program limit exceeded" (class 54) is about the data itself."""
    if isinstance(error, psycopg.errors.ProgramLimitExceeded | redis.AuthenticationError):
        return False
    return isinstance(error, TRANSIENT)


def is_outside(kind: type[BaseException]) -> bool:
    """Tell whether an error of this kind is the servers' or the installation's, never a mail's own."""
    if issubclass(kind, CONTENT):
        return issubclass(kind, NOT_CONTENT)
    return issubclass(kind, OUTSIDE)


def raised_by(trace: str) -> type[BaseException] | None:
    """Return the kind of exception that a formatted traceback ends with; None if this process does not know it."""
    last_frame = trace.rpartition('\n  File "')[2]
    named = (line.partition(":")[0] for line in last_frame.splitlines()[1:] if line[:1].strip())
    module, _, name = next(named, "").rpartition(".")
    kind = getattr(sys.modules.get(module or "builtins"), name, None) if name else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseException) else None


@dataclass(frozen=True)
class RetryPolicy:
    """How often and when a job is tried again; the delays are in seconds."""

    max_attempts: int = 8
    initial_delay: float = 1.0
    max_delay: float = 300.0

    def delays(self, rng: random.Random | None = None) -> list[int]:
        """Return the wait before each further try, in whole seconds (rq stores integers).

        The delay doubles from `initial_delay` up to `max_delay`; "equal jitter" then takes a random
        point of its upper half, so that jobs that failed together do not come back together.
        """
        draw = rng or random.Random()  # noqa: S311 - spreads load, guards nothing
        return [self._jittered(attempt, draw) for attempt in range(self.max_attempts - 1)]

    def _jittered(self, attempt: int, draw: random.Random) -> int:
        # The exponent is capped too: 2**5000 is not a float.
        full = min(self.initial_delay * 2 ** min(attempt, 62), self.max_delay)
        return max(1, round(draw.uniform(full / 2, full)))

    def for_rq(self) -> Retry | None:
        """Return rq's form, with the full list (rq repeats the last delay of a short one)."""
        waits = self.delays()
        return Retry(max=len(waits), interval=waits) if waits else None
