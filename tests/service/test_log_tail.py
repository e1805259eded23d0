"""What a log says of a server's end, and what to do about it."""

import pytest

from mrilu.service.log_tail import advice, last_words

STAMP = "2026-11-24 11:00:00.000 UTC [7] "
HINT = f'{STAMP}HINT:  Is another postmaster (PID 4711) using socket file "/d/pg/.s.PGSQL.5432"?\n'


@pytest.mark.parametrize("file", ["/d/pg/.s.PGSQL.5432.lock", "postmaster.pid"])
def test_a_lock_that_is_taken_is_told_with_who_holds_it_and_what_to_do(tmp_path, file):
    log = tmp_path / "postgresql.log"
    log.write_text(f'{STAMP}LOG:  x\n{STAMP}FATAL:  lock file "{file}" already exists\n{HINT}')
    assert last_words(log).endswith("already exists")
    assert (
        "process 4711" in advice(log) and "kill 4711" in advice(log) and "DATA_DIR" in advice(log)
    )


def test_a_lock_of_long_ago_is_not_blamed_for_another_end(tmp_path):
    log = tmp_path / "postgresql.log"
    log.write_text(
        f'{STAMP}FATAL:  lock file "a" already exists\n{HINT}{STAMP}FATAL:  no space left\n'
    )
    assert last_words(log).endswith("no space left") and advice(log) == ""


def test_a_log_that_is_missing_or_empty_is_said_to_be(tmp_path):
    assert last_words(tmp_path / "none") == "it left no log" and advice(tmp_path / "none") == ""
    (tmp_path / "empty").touch()
    assert last_words(tmp_path / "empty") == "its log is empty" and advice(tmp_path / "empty") == ""
