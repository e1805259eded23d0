"""The newest messages span by span: the same as those of one query over all."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from mrilu.search import newest, statistics
from mrilu.search.conditions import ALWAYS, Condition, both
from mrilu.search.grammar import parse
from mrilu.search.newest import Columns, Enough, Span, find_newest, span_of
from mrilu.search.statistics import Times, statistics_of, times_of, together

# A word in each third message, one of long ago, one that is rare, and one of lately.
MESSAGES = """
INSERT INTO message (identity, message_id, message_id_derived, node, subject, cleaned_subject, orphan, from_name,
    from_address, to_addresses, cc_addresses, sent_at, date_source, list_ids, in_reply_to, reference_ids, body,
    own_spans, parts, has_attachment, signed, encrypted, defects, parser_version, permalink, search)
SELECT md5(n::text)::uuid, n || '@x', false, n, '', '', false, 'Ann ' || n %% 7, 'ann@x', '[]', '[]',
    timestamptz '2000-01-01' + (n * 7919 %% 2000) * interval '1 day', 'date', '{}', '{}', '{}', '', '{}', '[]',
    n %% 50 = 0, false, false, '{}', 1, n,
    to_tsvector('simple', concat_ws(' ', CASE WHEN n %% 3 = 0 THEN 'third' END, CASE WHEN n %% 400 = 1 THEN 'rare' END,
        CASE WHEN n * 7919 %% 2000 < 300 THEN 'old' END, CASE WHEN n * 7919 %% 2000 > 1900 THEN 'new' END, 'every'))
  FROM generate_series(1, 3000) AS n
"""
NEWEST = datetime(2005, 6, 22, tzinfo=UTC)
CONDITIONS = {
    "all": ALWAYS,
    **{
        word: Condition("s.search @@ %s::tsquery", (word,))
        for word in ("third", "rare", "old", "new", "every", "none", "third & !old")
    },
}


@pytest.fixture
def times(database, monkeypatch: pytest.MonkeyPatch) -> Times:
    """Of 3,000 messages of five years; ten are the fewest that are looked at."""
    monkeypatch.setattr(statistics, "SMALL", 10)
    monkeypatch.setattr(statistics, "_known", {})
    for name, value in {"FIRST": 10, "WHOLE": 100}.items():
        monkeypatch.setattr(newest, name, value)
    database.execute_sql(MESSAGES)
    database.execute_sql("ANALYZE message")
    found = times_of(database, NEWEST)
    assert found.statistics is not None
    return found


def plain(database, holds: Condition, limit: int) -> list[int]:
    clause = f"WHERE {holds.sql}" if holds.sql else ""
    sql = f"SELECT s.id FROM message AS s {clause} ORDER BY s.sent_at DESC, s.id DESC LIMIT {limit}"
    return [row[0] for row in database.connection().execute(sql, holds.parameters)]


@pytest.mark.parametrize("limit", [1, 20, 300, 5000])
@pytest.mark.parametrize("name", CONDITIONS)
def test_spans_find_what_one_query_does(database, times, name, limit):
    holds = CONDITIONS[name]
    for share in (1.0, 0.01):
        found = find_newest(database, holds, limit, times, share=share)
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


def test_little_is_read_for_a_common_word(database, times):
    database.execute_sql("SET LOCAL enable_seqscan = off")
    found = find_newest(database, CONDITIONS["every"], 5, times)
    assert len(found.rows) == 5
    walk = newest._Walk(database, CONDITIONS["every"], 5)
    walk.by_spans(times, 1.0)
    assert 0 < walk.among < 300 and len(walk.rows) < 300


def test_a_dear_column_is_asked_of_the_newest_alone(database, times):
    also = Columns(Condition(", s.permalink"), Condition("s.id + %s", (1,)), 30)
    for share in (1.0, 0.01):
        found = find_newest(database, CONDITIONS["third"], 200, times, also=also, share=share)
        expected = plain(database, CONDITIONS["third"], 200)
        assert [row[2] for row in found.rows] == [one + 1 for one in expected[:30]] + [None] * 170
        assert [row[0] for row in found.rows] == expected and all(row[3] for row in found.rows)


def test_what_takes_too_long_ends_with_enough_messages(database, times):
    none_left, much_left = Enough(20, time.monotonic()), Enough(20, time.monotonic() + 600)
    found = find_newest(database, CONDITIONS["every"], 2000, times, enough=none_left)
    assert not found.whole and 20 <= len(found.rows) < 2000
    assert [row[0] for row in found.rows[:20]] == plain(database, CONDITIONS["every"], 20)
    assert find_newest(database, CONDITIONS["every"], 2000, times, enough=much_left).whole
    assert find_newest(database, CONDITIONS["every"], 20, times, enough=none_left).whole


def test_messages_after_the_last_look_are_found(database, times):
    sql = "UPDATE message SET sent_at = '2031-05-05' WHERE permalink = 77"
    database.execute_sql(sql)
    late = times_of(database, datetime(2031, 5, 5, tzinfo=UTC))
    found = find_newest(database, CONDITIONS["every"], 2, late)
    assert found.rows[0][1] == datetime(2031, 5, 5, tzinfo=UTC)


def test_the_span_of_a_query_is_that_of_what_all_hits_have():
    span = span_of(parse("cat after:2003 after:2001 before:2009 before:2008"))
    assert (span.first.year, span.last.year) == (2003, 2008)
    assert span_of(parse("cat OR after:2003")) == Span()
    assert span_of(parse("cat -after:2003")) == Span()


def test_a_small_archive_and_one_not_looked_at_yet_are_read_at_once(database, monkeypatch):
    monkeypatch.setattr(statistics, "_known", {})
    assert times_of(database, None) == Times()


def test_common_words_are_known_with_their_share(database, times):
    texts = statistics_of(database).texts
    assert texts.of("'every'") > 0.9 and 0.25 < texts.of("'third'") < 0.4
    assert texts.of("'third' & 'every'") <= texts.of("'third'")
    assert texts.of("'unheard'") < 0.1


def test_words_together_are_in_fewer_than_each_alone():
    assert together([0.5]) == 0.5
    assert 0.05 < together([0.5, 0.1]) < 0.1
    assert together([]) == 1.0
