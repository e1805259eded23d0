import random
import traceback

import peewee
import psycopg
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from mrilu.runtime.retry import RetryPolicy, is_outside, is_transient, raised_by


def test_delays_double_up_to_the_cap_and_are_spread_over_their_upper_half():
    delays = RetryPolicy(max_attempts=8, initial_delay=2, max_delay=30).delays(random.Random(1))
    assert len(delays) == 7
    for delay, full in zip(delays, (2, 4, 8, 16, 30, 30, 30), strict=True):
        assert full / 2 <= delay <= full


def test_two_jobs_do_not_come_back_together():
    policy = RetryPolicy(max_attempts=30, initial_delay=1, max_delay=3600)
    assert policy.delays(random.Random(1)) != policy.delays(random.Random(2))


@given(st.integers(1, 3000), st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_no_policy_breaks(attempts, initial, most):
    delays = RetryPolicy(attempts, initial, max(initial, most)).delays()
    assert len(delays) == attempts - 1
    assert all(1 <= delay <= max(1, round(max(initial, most))) for delay in delays)


def test_rq_gets_the_full_list():
    retry = RetryPolicy(max_attempts=4, initial_delay=10, max_delay=10).for_rq()
    assert retry.max == 3 and len(retry.intervals) == 3
    assert RetryPolicy(max_attempts=1).for_rq() is None


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (psycopg.OperationalError("server closed the connection"), True),
        (psycopg.errors.DeadlockDetected("deadlock"), True),
        (psycopg.errors.DiskFull("no space left"), True),
        (psycopg.errors.ReadOnlySqlTransaction("a standby"), True),
        (redis.ConnectionError("refused"), True),
        (redis.AuthenticationError("wrong password"), False),
        (psycopg.errors.ProgramLimitExceeded("too long for tsvector"), False),
        (psycopg.DataError("bad value"), False),
        (ValueError("a bug"), False),
    ],
)
def test_only_named_errors_are_transient(error, transient):
    assert is_transient(error) is transient


OUTSIDE = """
ReadOnlySqlTransaction InsufficientPrivilege UndefinedTable UndefinedColumn UndefinedFunction DiskFull OutOfMemory
ConfigurationLimitExceeded AdminShutdown CannotConnectNow TooManyConnections SerializationFailure DeadlockDetected
LockNotAvailable QueryCanceled FeatureNotSupported IoError IdleInTransactionSessionTimeout InvalidPassword DataCorrupted
ForeignKeyViolation
""".split()
CONTENT = """
CharacterNotInRepertoire UntranslatableCharacter StringDataRightTruncation NumericValueOutOfRange NotNullViolation
UniqueViolation CheckViolation ProgramLimitExceeded StatementTooComplex InternalError_
""".split()


@pytest.mark.parametrize("name", OUTSIDE + CONTENT)
def test_only_errors_that_a_mails_content_causes_count_against_it(name):
    assert is_outside(getattr(psycopg.errors, name)) is (name in OUTSIDE)


def test_a_bug_of_ours_may_be_the_mails_doing_but_a_lost_server_is_not():
    assert not any(
        is_outside(kind)
        for kind in (KeyError, UnicodeDecodeError, RecursionError, peewee.DataError)
    )
    assert all(
        is_outside(kind)
        for kind in (redis.ConnectionError, peewee.OperationalError, ImportError, OSError)
    )


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.UndefinedTable(
            'relation "location" does not exist\nLINE 1: SELECT 1\n        ^'
        ),
        peewee.OperationalError("gone\nKeyError: 'in the text'"),
        redis.exceptions.ConnectionError("refused"),
        KeyError("a: b"),
        OSError(),
    ],
)
def test_the_kind_of_error_is_read_from_what_rq_keeps_of_it(error):
    try:
        try:
            raise ValueError("first")
        except ValueError as first:
            raise error from first
    except Exception as caught:
        assert raised_by("".join(traceback.format_exception(caught))) is type(error)


@pytest.mark.parametrize(
    "trace", ["", "killed", "Work-horse terminated", 'a\n  File "x"\nno.such.Error: x']
)
def test_what_is_no_traceback_names_no_error(trace):
    assert raised_by(trace) is None
