"""The newest messages span by span: the same as those of one query over all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from mrilu.search import statistics
from mrilu.search.conditions import ALWAYS, Condition, both
from mrilu.search.eras import step_of
from mrilu.search.grammar import parse
from mrilu.search.newest import Columns, Enough, Span, find_newest, span_of
from mrilu.search.opening import open_search
from mrilu.search.patience import Deadline
from mrilu.search.statistics import Expected, Times, statistics_of, times_of, together

CONDITIONS = {
    "all": ALWAYS,
    **{
        word: Condition("s.search @@ %s::tsquery", (word,))
        for word in ("third", "rare", "old", "new", "common", "none", "third & !old")
    },
}


def plain(database, holds: Condition, limit: int) -> list[int]:
    clause = f"WHERE {holds.sql}" if holds.sql else ""
    sql = f"SELECT s.id FROM message AS s {clause} ORDER BY s.sent_at DESC, s.id DESC LIMIT {limit}"
    return [row[0] for row in database.connection().execute(sql, holds.parameters)]


@pytest.mark.parametrize("limit", [1, 20, 300, 5000])
@pytest.mark.parametrize("name", CONDITIONS)
def test_spans_find_what_one_query_does(database, times, name, limit):
    holds = CONDITIONS[name]
    for share in (1.0, 0.01, 1e-6):
        for guessed, indexed in ((True, False), (False, bool(holds.sql))):
            expected = Expected(share, share, guessed, indexed=indexed)
            found = find_newest(database, holds, limit, times, expected=expected)
            assert [row[0] for row in found.rows] == plain(database, holds, limit)


@pytest.mark.parametrize("text", ["after:2003 before:2004-03", "before:2001", "after:2005-06-01"])
def test_a_span_of_time_is_kept(database, times, text):
    query = parse(text)
    span = span_of(query)
    bounds = [
        Condition("s.sent_at >= %s", (span.first,)) if span.first else ALWAYS,
        Condition("s.sent_at < %s", (span.last,)) if span.last else ALWAYS,
    ]
    for word in ("third", "old", "new", "none"):
        holds = both(*bounds, CONDITIONS[word])
        found = find_newest(database, holds, 50, times, span)
        assert [row[0] for row in found.rows] == plain(database, holds, 50)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for one in plan.get("Plans", ()):
        yield from nodes(one)


def read_by(database, monkeypatch, search) -> int:
    """Return how many messages the statements of a search read in the table."""
    statements = []
    usual = psycopg.Cursor.execute

    def noted(self, sql, parameters=(), **how):
        statements.append((sql, parameters))
        return usual(self, sql, parameters, **how)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Cursor, "execute", noted)
        search()
    rows = 0.0
    for sql, parameters in statements:
        if "hits" in sql:
            explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"
            (plan,) = database.connection().execute(explained, parameters).fetchone()[0]
            for node in nodes(plan["Plan"]):
                if node.get("Alias") == "s" and node["Node Type"] != "Subquery Scan":
                    rows += node["Actual Rows"] * node["Actual Loops"]
    return round(rows)


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_little_is_read_for_a_common_word(database, times, monkeypatch, share):
    database.execute_sql("SET LOCAL enable_seqscan = off")

    def five() -> None:
        expected = Expected(share, share, guessed=False)
        found = find_newest(database, CONDITIONS["common"], 5, times, expected=expected)
        assert len(found.rows) == 5

    assert 0 < read_by(database, monkeypatch, five) < 100


def test_a_word_that_is_few_times_there_is_asked_for_at_once(database, times, monkeypatch):
    database.execute_sql("SET LOCAL enable_seqscan = off")

    def all_rare() -> None:
        expected = Expected(0.003, 0.003, guessed=False)
        assert (
            len(find_newest(database, CONDITIONS["rare"], 20, times, expected=expected).rows) == 8
        )

    assert read_by(database, monkeypatch, all_rare) == 8


def test_the_newest_messages_are_known_more_finely_than_the_last_look_has_them(
    database, times, monkeypatch
):
    monkeypatch.setattr(statistics, "LEAST_PART", 1)
    monkeypatch.setattr(statistics, "FINER", 3)
    monkeypatch.setattr(statistics, "_known", {})
    # half a year without a message, behind which there is one: the last part is mostly empty
    database.execute_sql("UPDATE message SET sent_at = '2005-12-24' WHERE permalink = 77")
    database.execute_sql("ANALYZE message")
    calendar = statistics_of(database, 3000.0).calendar
    first = calendar.before(step_of(datetime(2005, 12, 24, tzinfo=UTC)) + 1, 20)
    assert first is not None and first <= step_of(datetime(2005, 6, 20, tzinfo=UTC))


def test_a_dear_column_is_asked_of_the_newest_alone(database, times):
    also = Columns(Condition(", s.permalink"), Condition("s.id + %s", (1,)), 30)
    for share in (1.0, 0.01):
        found = find_newest(
            database, CONDITIONS["third"], 200, times, also=also, expected=Expected(share, share)
        )
        expected = plain(database, CONDITIONS["third"], 200)
        assert [row[2] for row in found.rows] == [one + 1 for one in expected[:30]] + [None] * 170
        assert [row[0] for row in found.rows] == expected and all(row[3] for row in found.rows)


def test_what_takes_too_long_ends_with_enough_messages(database, times):
    none_left, much_left = Enough(20, time.monotonic()), Enough(20, time.monotonic() + 600)
    found = find_newest(database, CONDITIONS["common"], 2000, times, enough=none_left)
    assert not found.whole and 20 <= len(found.rows) < 2000
    assert [row[0] for row in found.rows[:20]] == plain(database, CONDITIONS["common"], 20)
    assert find_newest(database, CONDITIONS["common"], 2000, times, enough=much_left).whole
    assert find_newest(database, CONDITIONS["common"], 20, times, enough=none_left).whole


def test_messages_after_the_last_look_are_found(database, times):
    sql = "UPDATE message SET sent_at = '2031-05-05' WHERE permalink = 77"
    database.execute_sql(sql)
    late = times_of(database, datetime(2031, 5, 5, tzinfo=UTC), 3000.0)
    found = find_newest(database, CONDITIONS["common"], 2, late)
    assert found.rows[0][1] == datetime(2031, 5, 5, tzinfo=UTC)


def test_the_span_of_a_query_is_that_of_what_all_hits_have():
    span = span_of(parse("cat after:2003 after:2001 before:2009 before:2008"))
    assert (span.first.year, span.last.year) == (2003, 2008)
    assert span_of(parse("cat OR after:2003")) == Span()
    assert span_of(parse("cat -after:2003")) == Span()


def test_a_small_archive_and_one_not_looked_at_yet_are_read_at_once(database, monkeypatch):
    monkeypatch.setattr(statistics, "_known", {})
    assert times_of(database, None, -1.0) == Times()


def test_what_is_known_is_read_again_when_postgresql_has_looked_again(database, times, monkeypatch):
    known = statistics_of(database, 3000.0)
    database.execute_sql("DELETE FROM message WHERE id %% 3 = 0")
    database.execute_sql("ANALYZE message")
    assert statistics_of(database, 3000.0) is known
    assert statistics_of(database, 2000.0).calendar.messages == 2000
    opening = open_search(database, Deadline(5), [])
    assert opening.counted == 2000.0


def test_common_words_are_known_with_their_share(database, times):
    texts = statistics_of(database, 3000.0).texts
    assert texts.of("'common'") > 0.9 and 0.25 < texts.of("'third'") < 0.4
    assert texts.of("'third' & 'common'") <= texts.of("'third'")
    assert texts.of("'unheard'") < 0.1


def test_words_together_are_in_fewer_than_each_alone():
    assert together([0.5]) == 0.5
    assert 0.05 < together([0.5, 0.1]) < 0.1
    assert together([]) == 1.0
