"""Claimed rows of the outbox as letters, read in three statements however many there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from psycopg import Connection

from mrilu.mail.own_words.spans import own_text, paired
from mrilu.notifications.letter import DefinitionNews, Letter, MessageNews, News

MAX_NEWS = 200  # of one digest; the others are only counted
OWN_TEXT_CHARS = 6000

LETTERS = """
SELECT n.id, n.message_key, n.subscriber, r.address, r.suppressed_reply, coalesce(r.locale, 'en'),
       coalesce(r.timezone, 'UTC'), coalesce(r.unsubscribed, 0), n.digest, n.created_at,
       CASE WHEN n.digest THEN NULL ELSE n.subscription END
  FROM notification AS n LEFT JOIN subscriber AS r ON r.id = n.subscriber WHERE n.id = ANY(%s) ORDER BY n.id
"""
ROWS = """
SELECT coalesce(n.mail, n.id), n.kind, n.subject, coalesce(s.label, '') FROM notification AS n
  LEFT JOIN subscription AS s ON s.id = n.subscription
 WHERE (n.id = ANY(%(ids)s) OR n.mail = ANY(%(ids)s)) AND n.state = 'waiting' ORDER BY n.id
"""
MESSAGES = f"""
SELECT id, message_id, subject, from_name, from_address, sent_at, list_ids, left(body, {4 * OWN_TEXT_CHARS}),
       own_spans, in_reply_to, reference_ids FROM message WHERE id = ANY(%s)
"""  # noqa: S608 - a number of ours
DEFINITIONS = """
SELECT v.id, w.word, l.tag, v.change, v.content, b.content ->> 'definition' FROM definition_version AS v
  JOIN definition AS d ON d.id = v.definition JOIN word AS w ON w.id = d.word JOIN language AS l ON l.id = d.language
  LEFT JOIN definition_version AS b ON b.definition = v.definition AND b.version = v.version - 1
 WHERE v.id = ANY(%s)
"""


def read_letters(connection: Connection, ids: list[int]) -> list[Letter]:
    """Return the letters of these rows (of a digest: its first). What is deleted meanwhile is no news any more."""
    found = connection.execute(LETTERS, (ids,)).fetchall()
    rows, more = _first_rows(connection.execute(ROWS, {"ids": ids}).fetchall())
    messages = _by_id(connection, MESSAGES, [row[2] for row in rows if row[1] != "word"])
    versions = _by_id(connection, DEFINITIONS, [row[2] for row in rows if row[1] == "word"])
    news: dict[int, list[News]] = defaultdict(list)
    for mail, kind, subject, label in rows:
        if kind == "word" and subject in versions:
            news[mail].append(_definition(label, versions[subject]))
        elif kind != "word" and subject in messages:
            news[mail].append(_message(kind, label, messages[subject]))
    return [_letter(row, tuple(news[row[0]]), more[row[0]]) for row in found]


def _first_rows(rows: list[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], Counter[int]]:
    """Return at most MAX_NEWS rows of each mail, and how many more each has."""
    counts = Counter[int]()
    kept = []
    for row in rows:
        counts[row[0]] += 1
        if counts[row[0]] <= MAX_NEWS:
            kept.append(row)
    return kept, counts - Counter(dict.fromkeys(counts, MAX_NEWS))


def _by_id(connection: Connection, statement: Any, ids: list[int]) -> dict[int, tuple[Any, ...]]:
    return {row[0]: row for row in connection.execute(statement, (list(set(ids)),))} if ids else {}


def _letter(row: tuple[Any, ...], news: tuple[News, ...], more: int) -> Letter:
    (
        number,
        key,
        subscriber,
        address,
        suppressed,
        locale,
        zone,
        unsubscribed,
        digest,
        created,
        stop,
    ) = row
    facts = (
        number,
        key,
        subscriber,
        address,
        suppressed or "",
        locale,
        zone,
        unsubscribed,
        digest,
        created,
        stop,
    )
    return Letter(*facts, news, more)


def _message(kind: str, label: str, row: tuple[Any, ...]) -> MessageNews:
    (
        number,
        message_id,
        subject,
        name,
        address,
        sent_at,
        lists,
        body,
        spans,
        in_reply_to,
        references,
    ) = row
    own = own_text(body, paired(spans))[:OWN_TEXT_CHARS]
    return MessageNews(
        kind, label, number, message_id, subject, name, address, sent_at, tuple(lists), own, tuple(in_reply_to),
        tuple(references),
    )  # fmt: skip


def _definition(label: str, row: tuple[Any, ...]) -> DefinitionNews:
    _, word, language, change, content, before = row
    author = content.get("realname") or content.get("username") or ""
    edited = (before or "") if change == "edited" and before != content.get("definition") else ""
    text, notes = content.get("definition", ""), content.get("notes", "")
    return DefinitionNews(
        "word", label or word, word, language, change, text, notes, author, edited
    )
