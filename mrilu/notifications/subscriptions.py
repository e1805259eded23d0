"""Subscribing and unsubscribing; every function runs in the caller's transaction or makes one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase
from psycopg import Connection
from psycopg.errors import InvalidParameterValue

from models import OPERATOR, Reader, Subscriber, Subscription, visible_to
from mrilu.mail.thread_keys import node_of
from mrilu.notifications.addresses import checked_address, one_line
from mrilu.notifications.searches import SavedSearch, read_search
from mrilu.search.fold import fold
from mrilu.search.grammar import QueryError
from mrilu.settings.parsers import zone

MAX_QUERY = 500  # characters
MAX_WORD = 100

MAX_LANGUAGES = 20
_TAG = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,8}){0,4}")

SUBSCRIBER = """
INSERT INTO subscriber (address, locale, timezone, digest, digest_hour)
VALUES (%(address)s, coalesce(%(locale)s, 'en'), coalesce(%(timezone)s, 'UTC'), coalesce(%(digest)s, 'none'),
        coalesce(%(digest_hour)s, 0))
ON CONFLICT (lower(address)) DO UPDATE
   SET locale = coalesce(%(locale)s, subscriber.locale), timezone = coalesce(%(timezone)s, subscriber.timezone),
       digest = coalesce(%(digest)s, subscriber.digest),
       digest_hour = coalesce(%(digest_hour)s, subscriber.digest_hour), suppressed_at = NULL, suppressed_reply = ''
RETURNING id
"""
# One that waits for its confirmation is confirmed by this; other languages replace those of before.
SUBSCRIPTION = """
INSERT INTO subscription AS s (subscriber, kind, target, label, node, search, conditions, languages)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (subscriber, kind, target) DO UPDATE SET confirmed_at = coalesce(s.confirmed_at, now()),
   languages = excluded.languages
RETURNING id, xmax = 0
"""
PENDING_SUBSCRIPTION = """
INSERT INTO subscription (subscriber, kind, target, label, node, search, conditions, languages, confirmed_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, NULL)
ON CONFLICT (subscriber, kind, target) DO NOTHING RETURNING id, true
"""
LEXEMES = "INSERT INTO subscription_lexeme (lexeme, subscription) SELECT unnest(%s::text[]), %s"
# The thread's oldest message; a thread that was merged into another leads there.
THREAD_ROOT = """
SELECT m.message_id, m.node, m.subject FROM thread AS t
  JOIN thread_link AS l ON l.thread = coalesce(t.merged_into, t.id) JOIN message AS m ON m.node = l.node
 WHERE t.id = %s AND {visible} ORDER BY m.sent_at, m.id LIMIT 1
"""
SUBJECT_OF = """
SELECT m.subject FROM message AS m WHERE m.node = %s AND {visible} ORDER BY m.sent_at, m.id LIMIT 1
"""
# A message that never came, but that others in its thread refer to.
IS_REFERRED_TO = """
SELECT '' WHERE NOT EXISTS (SELECT FROM message WHERE node = %s) AND EXISTS (
       SELECT FROM thread_link AS o JOIN thread_link AS l USING (thread) JOIN message AS m ON m.node = l.node
        WHERE o.node = %s AND {visible})
"""
COMMON_LEXEMES = """
SELECT most_common_elems::text::text[], most_common_elem_freqs FROM pg_stats
 WHERE schemaname = current_schema() AND tablename = 'message' AND attname = 'search'
   AND most_common_elems IS NOT NULL
"""
DROP = "DELETE FROM subscription WHERE id = ANY(%s) RETURNING subscriber"
# What waits for a deleted subscription is not sent; a digest that loses its first row is gathered again. PostgreSQL
# (7.8.4) lets only one of two changes of a row in one statement happen: what is cancelled is not also gathered again.
CANCEL = """
WITH cancelled AS (
    UPDATE notification SET state = 'cancelled', finished_at = now(), reply = 'unsubscribed'
     WHERE subscriber = ANY(%(subscribers)s) AND subscription = ANY(%(subscriptions)s) AND state = 'waiting'
    RETURNING id)
UPDATE notification AS n SET mail = NULL FROM cancelled AS c
 WHERE n.mail = c.id AND n.subscription <> ALL (%(subscriptions)s) AND n.state = 'waiting'
"""


class NotSubscribable(ValueError):
    """There is nothing to subscribe to by this word, thread or query."""


class Target(NamedTuple):
    """What to subscribe to, as the table holds it; `lexemes` are those of a saved search (see searches).

    `languages` are the tags of the definitions that count, () for all of them.
    """

    kind: str
    target: str
    label: str
    node: int | None = None
    search: str | None = None
    lexemes: tuple[str, ...] = ()
    conditions: bool = False
    languages: tuple[str, ...] = ()

    def values(self) -> tuple[Any, ...]:
        """Return the columns of a subscription from kind on."""
        return (*self[:5], self.conditions, list(self.languages))


def word_key(word: str) -> str:
    """Return the form by which words are compared: folded, without letter case and outer dots."""
    return fold(word).casefold().strip(" .")


def target_for_word(word: str, languages: Sequence[str] = ()) -> Target:
    """Return the target for new and edited definitions of a word, which the dictionary may not have yet."""
    label = one_line(word)
    if not word_key(label) or len(label) > MAX_WORD:
        raise NotSubscribable(f"{label[:MAX_WORD]!r} is not a word")
    return Target("word", word_key(label), label, languages=checked_languages(languages))


def target_for_new_words(languages: Sequence[str] = ()) -> Target:
    """Return the target for every word that gets its first definition in a language."""
    chosen = checked_languages(languages)
    return Target("words", "*", ", ".join(chosen) or "*", languages=chosen)


def checked_languages(tags: Sequence[str]) -> tuple[str, ...]:
    """Return language tags (BCP 47) as the dictionary has them, each once. Raises NotSubscribable."""
    found = tuple(dict.fromkeys(tag.strip().lower() for tag in tags if tag.strip()))
    for tag in found:
        if not _TAG.fullmatch(tag):
            raise NotSubscribable(f"{one_line(tag, 40)!r} is not a language tag such as en or ja")
    if len(found) > MAX_LANGUAGES:
        raise NotSubscribable(f"a subscription has at most {MAX_LANGUAGES} languages")
    return found


def target_for_thread(connection: Connection, thread: str, reader: Reader = OPERATOR) -> Target:
    """Return the target for replies in a thread, named by its number or by the Message-ID of a mail in it.

    Raises NotSubscribable, also for what the reader may not see: it is as if it were not there.
    """
    seen = visible_to(reader, "m")
    visible = seen.sql or "true"
    name = thread.strip().strip("<>")
    if name.isascii() and name.isdecimal() and len(name) < 19:
        root = connection.execute(
            THREAD_ROOT.format(visible=visible), (int(name), *seen.parameters)
        ).fetchone()
        if root is None:
            raise NotSubscribable(f"the archive has no thread {name}")
        return Target("thread", root[0], one_line(root[2]), root[1])
    node = node_of(name)
    subject = (
        connection.execute(SUBJECT_OF.format(visible=visible), (node, *seen.parameters)).fetchone()
        or connection.execute(
            IS_REFERRED_TO.format(visible=visible), (node, node, *seen.parameters)
        ).fetchone()
    )
    if subject is None:
        raise NotSubscribable(f"the archive knows no message <{one_line(name)}>")
    return Target("thread", name, one_line(subject[0]), node_of(name))


def target_for_query(connection: Connection, query: str) -> Target:
    """Return the target for new messages that a query finds, written as for `search`.

    Raises NotSubscribable for what search would refuse, and for what names nothing that a message must have.
    """
    label = one_line(query, MAX_QUERY + 1)
    if len(label) > MAX_QUERY:
        raise NotSubscribable(f"a saved search has at most {MAX_QUERY} characters")
    try:
        found: SavedSearch | None = read_search(connection, label, _frequencies(connection))
    except QueryError as error:
        if "nothing to look for" not in error.reason:
            raise NotSubscribable(f"{label!r}: {error}") from error
        found = None
    if found is None:
        raise NotSubscribable(
            f"{label!r} names no word that must be in a message (very common words do not count)"
        )
    target = " ".join(label.split())
    return Target(
        "query", target, label, None, found.tsquery, tuple(sorted(found.lexemes)), found.conditions
    )


def _frequencies(connection: Connection) -> Callable[[str], float]:
    """Return how often a lexeme occurs, by ANALYZE's statistics; where they say nothing, long ones count as rare."""
    row = connection.execute(COMMON_LEXEMES).fetchone()
    common: dict[str, float] = dict(zip(*row, strict=False)) if row else {}
    return lambda lexeme: common.get(lexeme, 0.0) + 1e-6 / (1 + len(lexeme))


def subscribe(db: PostgresqlDatabase, address: str, target: Target, **facts: Any) -> bool:
    """Subscribe an address; False when it was subscribed already. A suppressed address gets another chance.

    For operators, and for addresses that are known to want it: see confirmation for all others.
    `facts`: locale, timezone, digest, digest_hour (0 to 23); what is not given stays.
    Raises InvalidAddress or NotSubscribable.
    """
    with db.atomic():
        connection = db.connection()
        subscriber = write_subscriber(connection, SUBSCRIBER, checked_address(address), facts)
        before = Subscription.confirmed_of(subscriber)
        write_subscription(connection, SUBSCRIPTION, subscriber, target)
    return (target.kind, target.target) not in {(one.kind, one.target) for one in before}


def write_subscriber(
    connection: Connection, statement: Any, address: str, facts: dict[str, Any]
) -> int:
    """Insert or update a subscriber and return its id. Raises NotSubscribable for a zone that is not known."""
    empty = dict.fromkeys(("locale", "timezone", "digest", "digest_hour"))
    check_zone(facts.get("timezone") or "UTC")
    try:
        row = connection.execute(statement, {"address": address, **empty, **facts}).fetchone()
    except InvalidParameterValue as error:
        raise NotSubscribable(f"PostgreSQL knows no time zone {facts['timezone']!r}") from error
    assert row is not None
    return int(row[0])


def check_zone(name: str) -> None:
    """Raise NotSubscribable for what is no zone of the IANA database, in its letter case.

    PostgreSQL knows "europe/berlin", "CEST" and "UTC+3" as well; the mails' times are told without it.
    """
    try:
        zone(name)
    except ValueError as error:
        raise NotSubscribable(f"timezone: {name!r} is not known: {error}") from error


def write_subscription(
    connection: Connection, statement: Any, subscriber: int, target: Target
) -> int | None:
    """Insert a subscription with its lexemes; return its id, None where the statement changed nothing."""
    made = connection.execute(statement, (subscriber, *target.values())).fetchone()
    if made and made[1] and target.lexemes:
        connection.execute(LEXEMES, (list(target.lexemes), made[0]))
    return made[0] if made else None


def unsubscribe(
    db: PostgresqlDatabase, subscriber: int, kind: str = "", target: str = ""
) -> list[Subscription]:
    """Give up a subscriber's subscriptions, all of a kind or one of them; return those that were deleted."""
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
        connection.execute(CANCEL, {"subscribers": list(set(whose)), "subscriptions": ids})
    return len(whose)


def find_subscriber(address: str) -> Subscriber | None:
    """Return the subscriber of an address. Raises InvalidAddress."""
    return Subscriber.with_address(checked_address(address))
