"""Subscribing and unsubscribing; every function belongs into the caller's transaction or makes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase
from psycopg import Connection
from psycopg.errors import InvalidParameterValue

from models import Subscriber, Subscription
from mrilu.mail.thread_keys import node_of
from mrilu.notifications.addresses import checked_address, one_line
from mrilu.notifications.searches import required_lexemes
from mrilu.search.fold import fold

MAX_QUERY = 500  # characters
MAX_WORD = 100

SUBSCRIBER = """
INSERT INTO subscriber (address, locale, timezone, digest)
VALUES (%(address)s, coalesce(%(locale)s, 'en'), coalesce(%(timezone)s, 'UTC'), coalesce(%(digest)s, 'none'))
ON CONFLICT (lower(address)) DO UPDATE
   SET locale = coalesce(%(locale)s, subscriber.locale), timezone = coalesce(%(timezone)s, subscriber.timezone),
       digest = coalesce(%(digest)s, subscriber.digest), suppressed_at = NULL, suppressed_reply = ''
RETURNING id
"""
SUBSCRIPTION = """
INSERT INTO subscription (subscriber, kind, target, label, node, search) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (subscriber, kind, target) DO NOTHING RETURNING id
"""
LEXEMES = "INSERT INTO subscription_lexeme (lexeme, subscription) SELECT unnest(%s::text[]), %s"
# The thread's oldest message; a thread that was merged into another leads there.
THREAD_ROOT = """
SELECT m.message_id, m.node, m.subject FROM thread AS t
  JOIN thread_link AS l ON l.thread = coalesce(t.merged_into, t.id) JOIN message AS m ON m.node = l.node
 WHERE t.id = %s ORDER BY m.sent_at, m.id LIMIT 1
"""
SUBJECT_OF = """
SELECT coalesce((SELECT subject FROM message WHERE node = %(node)s ORDER BY sent_at, id LIMIT 1), '')
 WHERE EXISTS (SELECT FROM thread_link WHERE node = %(node)s)
"""
TSQUERY = "SELECT websearch_to_tsquery('mrilu', %s)::text"
COMMON_LEXEMES = """
SELECT most_common_elems::text::text[], most_common_elem_freqs FROM pg_stats
 WHERE schemaname = current_schema() AND tablename = 'message' AND attname = 'search'
   AND most_common_elems IS NOT NULL
"""
DROP = "DELETE FROM subscription WHERE id = ANY(%s) RETURNING subscriber"
# What waits for a subscription that is no more is not sent; a digest that loses its first row is gathered anew.
CANCEL = """
WITH cancelled AS (
    UPDATE notification SET state = 'cancelled', finished_at = now(), reply = 'unsubscribed'
     WHERE subscriber = ANY(%s) AND subscription = ANY(%s) AND state = 'waiting' RETURNING id)
UPDATE notification AS n SET mail = NULL FROM cancelled AS c
 WHERE n.mail = c.id AND n.id <> c.id AND n.state = 'waiting'
"""


class NotSubscribable(ValueError):
    """There is nothing to subscribe to by this word, thread or query."""


class Wish(NamedTuple):
    """What to subscribe to, as the table wants it; `lexemes` are those of a saved search (see searches)."""

    kind: str
    target: str
    label: str
    node: int | None = None
    search: str | None = None
    lexemes: tuple[str, ...] = ()


def word_key(word: str) -> str:
    """Return the form by which words are compared: folded, without letter case and outer dots."""
    return fold(word).casefold().strip(" .")


def wish_for_word(word: str) -> Wish:
    """A new or edited definition of this word, which the dictionary may not have yet."""
    label = one_line(word)
    if not word_key(label) or len(label) > MAX_WORD:
        raise NotSubscribable(f"{label[:MAX_WORD]!r} is no word")
    return Wish("word", word_key(label), label)


def wish_for_thread(connection: Connection, thread: str) -> Wish:
    """Replies in a thread, named by its number or by the Message-ID of a mail in it."""
    name = thread.strip().strip("<>")
    if name.isascii() and name.isdecimal() and len(name) < 19:
        root = connection.execute(THREAD_ROOT, (int(name),)).fetchone()
        if root is None:
            raise NotSubscribable(f"the archive has no thread {name}")
        return Wish("thread", root[0], one_line(root[2]), root[1])
    subject = connection.execute(SUBJECT_OF, {"node": node_of(name)}).fetchone()
    if subject is None:
        raise NotSubscribable(f"the archive knows no message <{one_line(name)}>")
    return Wish("thread", name, one_line(subject[0]), node_of(name))


def wish_for_query(connection: Connection, query: str) -> Wish:
    """New messages that a query finds: words, "phrases", or, -not."""
    label = one_line(query, MAX_QUERY + 1)
    if len(label) > MAX_QUERY:
        raise NotSubscribable(f"a saved search has {MAX_QUERY} characters at most")
    row = connection.execute(TSQUERY, (fold(label),)).fetchone()
    tsquery = row[0] if row else ""
    lexemes = required_lexemes(tsquery, _frequencies(connection))
    if not lexemes:
        raise NotSubscribable(
            f"{label!r} names no word that must be in a message (very common words do not count)"
        )
    return Wish("query", " ".join(label.split()), label, None, tsquery, tuple(sorted(lexemes)))


def _frequencies(connection: Connection) -> Callable[[str], float]:
    """Return how often a lexeme occurs, by ANALYZE's statistics; where they say nothing, long ones count as rare."""
    row = connection.execute(COMMON_LEXEMES).fetchone()
    common: dict[str, float] = dict(zip(*row, strict=False)) if row else {}
    return lambda lexeme: common.get(lexeme, 0.0) + 1e-6 / (1 + len(lexeme))


def subscribe(db: PostgresqlDatabase, address: str, wish: Wish, **facts: str | None) -> bool:
    """Subscribe an address; False when it was subscribed already. A suppressed address gets another chance.

    `facts`: locale, timezone, digest; what is not given stays. Raises InvalidAddress or NotSubscribable.
    """
    chosen: dict[str, Any] = {"locale": None, "timezone": None, "digest": None, **facts}
    with db.atomic():
        connection = db.connection()
        try:
            row = connection.execute(
                SUBSCRIBER, {"address": checked_address(address), **chosen}
            ).fetchone()
        except InvalidParameterValue as error:
            raise NotSubscribable(
                f"PostgreSQL knows no time zone {chosen['timezone']!r}"
            ) from error
        assert row is not None
        values = (row[0], wish.kind, wish.target, wish.label, wish.node, wish.search)
        made = connection.execute(SUBSCRIPTION, values).fetchone()
        if made and wish.lexemes:
            connection.execute(LEXEMES, (list(wish.lexemes), made[0]))
    return made is not None


def unsubscribe(
    db: PostgresqlDatabase, subscriber: int, kind: str = "", target: str = ""
) -> list[Subscription]:
    """Give up a subscriber's subscriptions, all of a kind or one of them; return those that are no more."""
    chosen = [
        one
        for one in Subscription.of(subscriber)
        if kind in ("", one.kind) and target in ("", one.target)
    ]
    drop_subscriptions(db, [one.id for one in chosen])
    return chosen


def drop_subscriptions(db: PostgresqlDatabase, ids: list[int]) -> int:
    """Delete subscriptions and cancel what waits for them; return how many there were."""
    with db.atomic():
        connection = db.connection()
        whose = [row[0] for row in connection.execute(DROP, (ids,))]
        connection.execute(CANCEL, (list(set(whose)), ids))
    return len(whose)


def find_subscriber(address: str) -> Subscriber | None:
    """Return the subscriber of an address. Raises InvalidAddress."""
    return Subscriber.with_address(checked_address(address))
