import random

import psycopg
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from jobs.retry import RetryPolicy, is_transient


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
        (redis.ConnectionError("refused"), True),
        (redis.AuthenticationError("wrong password"), False),
        (psycopg.errors.ProgramLimitExceeded("too long for tsvector"), False),
        (psycopg.DataError("bad value"), False),
        (ValueError("a bug"), False),
    ],
)
def test_only_named_errors_are_transient(error, transient):
    assert is_transient(error) is transient
