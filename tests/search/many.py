"""3,000 messages of five years, so that an archive is not small."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mrilu.search import newest, statistics
from mrilu.search.statistics import Times, times_of

# A word in each third message, one of long ago, one that is rare, and one of lately.
MESSAGES = """
INSERT INTO message (identity, message_id, message_id_derived, node, subject, cleaned_subject, orphan, from_name,
    from_address, to_addresses, cc_addresses, sent_at, date_source, list_ids, in_reply_to, reference_ids, body,
    own_spans, parts, has_attachment, signed, encrypted, defects, parser_version, permalink, search)
SELECT md5(n::text)::uuid, n || '@x', false, n, '', '', false, 'Ann ' || n %% 7, 'ann@x', '[]', '[]',
    timestamptz '2000-01-01' + (n * 7919 %% 2000) * interval '1 day', 'date', '{}', '{}', '{}', '', '{}', '[]',
    n %% 50 = 0, false, false, '{}', 1, n,
    to_tsvector('simple', concat_ws(' ', CASE WHEN n %% 3 = 0 THEN 'third' END, CASE WHEN n %% 400 = 1 THEN 'rare' END,
        CASE WHEN n * 7919 %% 2000 < 300 THEN 'old' END, CASE WHEN n * 7919 %% 2000 > 1900 THEN 'new' END, 'common'))
  FROM generate_series(1, 3000) AS n
"""
NEWEST = datetime(2005, 6, 22, tzinfo=UTC)


@pytest.fixture
def times(database, monkeypatch: pytest.MonkeyPatch) -> Times:
    """Of 3,000 messages of five years; ten are the fewest that are looked at."""
    monkeypatch.setattr(statistics, "SMALL", 10)
    monkeypatch.setattr(statistics, "_known", {})
    for name, value in {"FIRST": 10, "WHOLE": 100, "FEW": 20, "FEW_READ": 5}.items():
        monkeypatch.setattr(newest, name, value)
    database.execute_sql(MESSAGES)
    database.execute_sql("ANALYZE message")
    found = times_of(database, NEWEST, 3000.0)
    assert found.statistics is not None
    return found
