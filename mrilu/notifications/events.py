"""Events into the outbox, in the caller's transaction: the event's own, or the one that takes up what news.py noted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr

from psycopg import Connection

from models import OPERATOR, Reader
from mrilu.notifications.changes import is_edited
from mrilu.notifications.own import OWN_ID_PATTERN, own_list_id
from mrilu.notifications.searches import condition_of_saved, stand_ins
from mrilu.notifications.subscriptions import word_key
from mrilu.search.grammar import QueryError

logger = logging.getLogger(__name__)

ANY_FOR_MESSAGES = "SELECT EXISTS (SELECT FROM subscription WHERE kind IN ('thread', 'query'))"
LAST_RESTORE = "SELECT coalesce(extract(epoch FROM max(restored_at)), 0)::float8 FROM maildir"
ANY_FOR_WORDS = "SELECT EXISTS (SELECT FROM subscription WHERE kind IN ('word', 'words'))"

# When a row is due: at once, or at the end of the hour of the subscriber's own zone, or at that zone's next
# digest_hour (reckoned on the zone's clock: a day that is an hour longer or shorter keeps the hour).
DUE = """
CASE r.digest
    WHEN 'hourly' THEN date_trunc('hour', %(now)s::timestamptz, r.timezone) + interval '1 hour'
    WHEN 'daily' THEN
        (date_trunc('day', (%(now)s::timestamptz AT TIME ZONE r.timezone) - make_interval(hours => r.digest_hour))
         + interval '1 day' + make_interval(hours => r.digest_hour)) AT TIME ZONE r.timezone
    ELSE %(now)s END
"""

# Searches with operators, of which one of these messages may be a match: they are asked one by one.
OPERATOR_SEARCHES = """
WITH batch AS MATERIALIZED (
    SELECT id, tsvector_to_array(search) || lexemes AS lexemes
      FROM message JOIN unnest(%(fresh)s::bigint[], %(stand_ins)s::text[]) AS f (number, packed) ON f.number = id
     CROSS JOIN LATERAL string_to_array(f.packed, E'\n') AS lexemes
)
SELECT s.id, s.target, array_agg(DISTINCT b.id)
  FROM batch AS b CROSS JOIN LATERAL unnest(b.lexemes) AS one (lexeme)
  JOIN subscription_lexeme AS l ON l.lexeme = one.lexeme JOIN subscription AS s ON s.id = l.subscription
 WHERE s.conditions AND s.confirmed_at IS NOT NULL GROUP BY s.id, s.target ORDER BY s.id
"""
ANY_OPERATORS = "SELECT EXISTS (SELECT FROM subscription WHERE conditions)"
LISTS = "SELECT id, list_ids FROM message WHERE id = ANY(%s)"

# Searches are found by the messages' lexemes (see searches) and only then compared. "|| ''" makes a copy of the
# vector in memory: it would be fetched from its TOAST table again for each comparison. Authors are not notified of
# their own mail; a reply in a followed thread that a search matches too is a reply.
NOTIFY_MESSAGES = f"""
WITH batch AS MATERIALIZED (
    SELECT id, node, lower(from_address) AS author, search || ''::tsvector AS search FROM message
     WHERE id = ANY(%(fresh)s) AND sent_at > %(since)s
       AND lower(from_address) IS DISTINCT FROM %(own)s
       AND NOT %(own_list)s = ANY(list_ids) AND message_id !~* %(own_id)s
       AND restrictions & %(hidden)s = 0 AND NOT list_ids && %(closed)s::text[]
       AND NOT EXISTS (SELECT FROM removed_message AS r WHERE r.identity = message.identity)
), words AS MATERIALIZED (
    SELECT id, unnest(tsvector_to_array(search)) AS lexeme FROM batch
), candidates AS MATERIALIZED (
    SELECT w.id, l.subscription FROM words AS w JOIN subscription_lexeme AS l USING (lexeme)
), threads AS MATERIALIZED (
    SELECT b.id, l.thread FROM batch AS b JOIN thread_link AS l USING (node)
), followed AS MATERIALIZED (
    SELECT f.thread, s.id, s.subscriber FROM (SELECT DISTINCT thread FROM threads) AS t
      JOIN thread_link AS f USING (thread) JOIN subscription AS s ON s.kind = 'thread' AND s.node = f.node
     WHERE s.confirmed_at IS NOT NULL
), found AS MATERIALIZED (
    SELECT b.id AS message, b.author, s.id, s.subscriber, 'query' AS kind
      FROM candidates AS c JOIN batch AS b USING (id) JOIN subscription AS s ON s.id = c.subscription
     WHERE NOT s.conditions AND s.confirmed_at IS NOT NULL AND b.search @@ s.search
    UNION ALL
    SELECT b.id, b.author, s.id, s.subscriber, 'query'
      FROM unnest(%(matched)s::bigint[], %(matching)s::bigint[]) AS m (message, subscription)
      JOIN batch AS b ON b.id = m.message JOIN subscription AS s ON s.id = m.subscription
    UNION ALL
    SELECT b.id, b.author, f.id, f.subscriber, 'thread'
      FROM threads AS t JOIN followed AS f USING (thread) JOIN batch AS b ON b.id = t.id
), readers AS MATERIALIZED (
    SELECT r.id, lower(r.address) AS address, r.digest <> 'none' AS digest, {DUE} AS due FROM subscriber AS r
     WHERE r.suppressed_at IS NULL AND r.id IN (SELECT subscriber FROM found)
)
INSERT INTO notification (subscriber, subscription, kind, subject, digest, next_attempt_at, created_at)
SELECT DISTINCT ON (f.subscriber, f.message)
       f.subscriber, f.id, f.kind, f.message, r.digest, r.due, %(now)s
  FROM found AS f JOIN readers AS r ON r.id = f.subscriber
 WHERE r.address IS DISTINCT FROM f.author
 ORDER BY f.subscriber, f.message, f.kind DESC, f.id
ON CONFLICT (subscriber, subject, (kind = 'word')) DO NOTHING
"""  # noqa: S608 - DUE is ours

# is_new: the word has no older definition in the language.
CHANGED_DEFINITIONS = """
SELECT v.id, w.word, v.change, v.content, b.content,
       v.change = 'added' AND NOT EXISTS (
           SELECT FROM definition AS o JOIN definition_version AS f ON f.definition = o.id AND f.version = 1
            WHERE o.word = d.word AND o.language = d.language AND o.id <> d.id AND f.recorded_at < v.recorded_at)
  FROM definition_version AS v
  JOIN definition AS d ON d.id = v.definition JOIN word AS w ON w.id = d.word
  LEFT JOIN definition_version AS b ON b.definition = v.definition AND b.version = v.version - 1
 WHERE d.language = %(language)s AND v.recorded_at = %(recorded_at)s AND NOT v.bulk
   AND v.change IN ('added', 'returned', 'edited')
 ORDER BY v.id
"""

NOTIFY_DEFINITIONS = f"""
INSERT INTO notification (subscriber, subscription, kind, subject, digest, next_attempt_at, created_at)
SELECT s.subscriber, s.id, 'word', c.version, r.digest <> 'none', {DUE}, %(now)s
  FROM unnest(%(versions)s::bigint[], %(words)s::text[], %(new)s::boolean[]) AS c (version, word, is_new)
  JOIN subscription AS s ON s.kind = 'word' AND s.target = c.word OR s.kind = 'words' AND c.is_new
  JOIN subscriber AS r ON r.id = s.subscriber
 WHERE r.suppressed_at IS NULL AND s.confirmed_at IS NOT NULL
   AND (s.languages = '{{}}' OR (SELECT lower(tag) FROM language WHERE id = %(language)s) = ANY (s.languages))
 ORDER BY s.subscriber, c.version, s.kind
ON CONFLICT (subscriber, subject, (kind = 'word')) DO NOTHING
"""  # noqa: S608 - DUE is ours


@dataclass(frozen=True)
class NewsRules:
    """Which new mail is news: dated at most `notify_days` ago and not sent by ourselves.

    Our own mail is known by `mail_from` (MAIL_FROM, as in a From field) and by the List-Id of `site_url`. Subscribers
    hear of what `reader` may see.
    """

    notify_days: int
    mail_from: str
    site_url: str
    reader: Reader = OPERATOR


def notify_new_messages(
    connection: Connection,
    fresh: Mapping[int, float],
    rules: NewsRules,
    now: datetime | None = None,
) -> int:
    """Write the outbox rows for messages that were just stored and threaded; return how many.

    `fresh` has when their files arrived (seconds since 1970), by id. Mail older than `rules` say is not news:
    an old archive may be imported beside a living one. Nor is what lay there when a backup was restored: it was
    notified before. Nor is a message that was removed with its files and came back, nor our own mail: a notification
    that is archived would be news for ever.
    """
    if not fresh or not is_there_any(connection, ANY_FOR_MESSAGES):
        return 0
    now = now or datetime.now(UTC)
    (restored,) = connection.execute(LAST_RESTORE).fetchone() or (0.0,)
    news = [number for number, arrived in fresh.items() if arrived >= restored]
    pairs = _operator_matches(connection, news, rules.reader)
    facts = {
        "matched": [message for message, _ in pairs],
        "matching": [subscription for _, subscription in pairs],
        "fresh": news,
        "since": now - timedelta(days=rules.notify_days),
        "now": now,
        "own": parseaddr(rules.mail_from)[1].lower() or None,
        "own_list": own_list_id(rules.site_url),
        "own_id": OWN_ID_PATTERN,
        "hidden": rules.reader.hidden,
        "closed": list(rules.reader.closed_lists),
    }
    return connection.execute(NOTIFY_MESSAGES, facts).rowcount


def notify_changed_definitions(connection: Connection, language: int, recorded_at: datetime) -> int:
    """Write the outbox rows for the definition versions of one language recorded at that moment; return how many.

    Versions of a source that was read for the first time ("bulk") are not notified.
    """
    if not is_there_any(connection, ANY_FOR_WORDS):
        return 0
    facts = {"language": language, "recorded_at": recorded_at}
    rows = connection.execute(CHANGED_DEFINITIONS, facts).fetchall()
    changed = [
        (number, word_key(word), is_new)
        for number, word, change, content, before, is_new in rows
        if change != "edited" or is_edited(before or {}, content)
    ]
    if not changed:
        return 0
    versions, words, new = (list(column) for column in zip(*changed, strict=True))
    known = {"versions": versions, "words": words, "new": new, "language": language}
    return connection.execute(NOTIFY_DEFINITIONS, {**known, "now": recorded_at}).rowcount


def _operator_matches(
    connection: Connection, fresh: list[int], reader: Reader
) -> list[tuple[int, int]]:
    """Return (message, subscription) for the searches with operators that find one of the messages."""
    if not fresh or not is_there_any(connection, ANY_OPERATORS):
        return []
    lists = connection.execute(LISTS, (fresh,)).fetchall()
    facts = {
        "fresh": [number for number, _ in lists],
        "stand_ins": ["\n".join(stand_ins(ids)) for _, ids in lists],
    }
    pairs: list[tuple[int, int]] = []
    for subscription, query, candidates in connection.execute(OPERATOR_SEARCHES, facts).fetchall():
        try:
            condition = condition_of_saved(connection, query, reader)
        except QueryError as error:
            logger.error("saved search cannot be read subscription=%d: %s", subscription, error)
            continue
        asked = (
            f"SELECT s.id FROM message AS s WHERE s.id = ANY(%s) AND ({condition.sql or 'true'})"  # noqa: S608
        )
        found = connection.execute(asked, (candidates, *condition.parameters), prepare=False)
        pairs += [(row[0], subscription) for row in found]
    return pairs


def is_there_any(connection: Connection, statement: str) -> bool:
    """Return what the statement, an EXISTS, says."""
    row = connection.execute(statement).fetchone()
    return bool(row and row[0])
