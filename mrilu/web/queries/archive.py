"""Lists, months, threads and messages, as one reader may see them. Each query is bounded; pages go on by keyset."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from models import Reader, Restriction, visible_to
from mrilu.mail.own_words.spans import own_text, paired
from mrilu.mail.permalinks import hash_of, permalink_in
from mrilu.web.addresses import month_after, month_in

MOST_LISTS = 2000
NEWEST_OF_LIST = 100  # messages of a list among which the newest that may be read is looked for
MOST_PASSED_OVER = (
    20_000  # messages of a list that are closed to the reader, before one that is not
)
IN_MONTH = 500  # messages of a list or month that are taken at once
IN_THREAD = 200  # messages of a thread's page
IN_OUTLINE = 2000  # messages of a thread's tree

# From each list to the next one: as many steps as there are lists, however long they are. Where the newest message is
# hidden those before it are looked at.
LISTS = """
WITH RECURSIVE one (list, newest, message) AS (
    (SELECT list, sent_at, message FROM posting ORDER BY list DESC, sent_at DESC, message DESC LIMIT 1)
    UNION ALL
    SELECT n.* FROM one CROSS JOIN LATERAL (
        SELECT list, sent_at, message FROM posting AS p WHERE p.list < one.list
         ORDER BY list DESC, sent_at DESC, message DESC LIMIT 1) AS n
)
SELECT coalesce((SELECT name FROM unnest(m.list_ids) AS l (name) WHERE list_number(name) = one.list LIMIT 1), ''),
       CASE WHEN {newest_visible} THEN m.sent_at ELSE coalesce(seen.sent_at, one.newest) END,
       CASE WHEN {newest_visible} THEN m.subject ELSE coalesce(seen.subject, '') END
  FROM one JOIN message AS m ON m.id = one.message
  LEFT JOIN LATERAL (
        SELECT s.sent_at, s.subject
          FROM (SELECT message FROM posting WHERE list = one.list
                 ORDER BY sent_at DESC, message DESC LIMIT {looked_at}) AS p JOIN message AS s ON s.id = p.message
         WHERE NOT ({newest_visible}) AND {visible} ORDER BY s.sent_at DESC, s.id DESC LIMIT 1) AS seen ON true
 LIMIT %s
"""
MONTHS_OF_ALL = """
SELECT name, to_char(month, 'YYYY-MM'), sum(messages)::bigint
  FROM unnest(%s::text[]) WITH ORDINALITY AS l (name, place) JOIN posting_count ON list = list_number(name)
 GROUP BY place, name, month HAVING sum(messages) > 0 ORDER BY place, month
"""
# What an mbox of a month, or of some messages, depends on.
_STATE = "count(*), md5(string_agg(m.id || ':' || m.xmin, ',' ORDER BY m.id))"
MONTH_STATES = f"""
SELECT to_char(date_trunc('month', p.sent_at, 'UTC') AT TIME ZONE 'UTC', 'YYYY-MM'), {_STATE}
  FROM posting AS p JOIN message AS m ON m.id = p.message
 WHERE p.list = list_number(%s) AND p.sent_at >= %s AND p.sent_at < %s GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - ours
COLUMNS = """m.id, m.message_id, m.node, m.subject, m.from_name, m.from_address, m.sent_at, m.utc_offset, m.list_ids,
       m.restrictions, m.has_attachment, l.thread"""
POSTED = f"""
SELECT {COLUMNS} FROM (
    SELECT message, sent_at FROM posting
     WHERE list = list_number(%s) AND sent_at >= %s AND (sent_at, message) < (%s, %s)
     ORDER BY sent_at DESC, message DESC LIMIT %s) AS p
  JOIN message AS m ON m.id = p.message JOIN thread_link AS l USING (node)
 ORDER BY m.sent_at DESC, m.id DESC
"""  # noqa: S608 - the columns are ours
POSTED_SINCE = f"""
SELECT {COLUMNS}, {{texts}} FROM (
    SELECT message, sent_at FROM posting
     WHERE list = list_number(%s) AND (sent_at, message) > (%s, %s) AND sent_at < %s
     ORDER BY sent_at, message LIMIT %s) AS p
  JOIN message AS m ON m.id = p.message JOIN thread_link AS l USING (node)
 ORDER BY m.sent_at, m.id
"""  # noqa: S608 - the columns are ours
_TEXTS = "m.body, m.own_spans, m.parts, m.in_reply_to, m.reference_ids, m.text_state::text, m.date_source"
MESSAGES = f"SELECT {COLUMNS}, {_TEXTS} FROM message AS m JOIN thread_link AS l USING (node) WHERE "  # noqa: S608 - ours
HEADS = f"SELECT {COLUMNS} FROM message AS m JOIN thread_link AS l USING (node) WHERE "  # noqa: S608 - ours
THREAD = f"""{MESSAGES} l.thread = %s AND (m.sent_at, m.id) > (%s, %s) ORDER BY m.sent_at, m.id LIMIT %s"""
OUTLINE = f"""
SELECT {COLUMNS}, '', '{{}}'::int[], '{{}}'::jsonb, m.in_reply_to, m.reference_ids, '', ''
  FROM thread_link AS l JOIN message AS m USING (node)
 WHERE l.thread = %s ORDER BY m.sent_at, m.id LIMIT %s
"""  # noqa: S608 - the columns are ours
# Of messages in an order their whole threads, each where its first one stood.
WHOLE_THREADS = """
SELECT m.id FROM (
    SELECT l.thread, min(f.place) AS place
      FROM unnest(%s::bigint[]) WITH ORDINALITY AS f (id, place) JOIN message AS h ON h.id = f.id
      JOIN thread_link AS l USING (node) GROUP BY l.thread) AS t
  JOIN thread_link AS l USING (thread) JOIN message AS m ON m.node = l.node
 ORDER BY t.place, m.sent_at, m.id LIMIT %s
"""
# Those of some messages that share their Message-ID with an older one, and which they are of these.
REPEATS = """
SELECT id, nth FROM (
    SELECT m.id, row_number() OVER (PARTITION BY m.permalink, m.message_id ORDER BY m.sent_at, m.id) AS nth
      FROM message AS m WHERE m.permalink IN (SELECT permalink FROM message WHERE id = ANY(%s))) AS one
 WHERE nth > 1
"""
# "+ 0": a bare min(id) is looked for by walking along the primary key.
THREAD_STATE = """
SELECT min(m.id + 0), count(*), max(m.id + 0), max(m.sent_at), bit_or(m.restrictions),
       coalesce((array_agg(m.message_id ORDER BY m.id) FILTER (WHERE {told}))[1], ''),
       count(*) FILTER (WHERE {told}), count(*) FILTER (WHERE {visible})
  FROM thread_link AS l JOIN message AS m USING (node) WHERE l.thread = %s
"""

BEGINNING, END = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


class ListRow(NamedTuple):
    """A list with its newest message that may be read; "" for its subject where the newest ones are all hidden."""

    list_id: str
    newest: datetime
    subject: str


class MessageRow(NamedTuple):
    """A message; the last seven fields are empty where only its header is shown."""

    id: int
    message_id: str
    node: int
    subject: str
    from_name: str
    from_address: str
    sent_at: datetime
    utc_offset: int | None
    list_ids: list[str]
    restrictions: int
    has_attachment: bool
    thread: int
    body: str = ""
    own_spans: Sequence[int] = ()
    parts: dict[str, Any] = {}
    in_reply_to: Sequence[str] = ()
    reference_ids: Sequence[str] = ()
    text_state: str | None = None
    date_source: str = ""

    @property
    def hash(self) -> str:
        """The hash in its address."""
        return hash_of(self.message_id)

    @property
    def withheld(self) -> bool:
        """Whether an operator decided that it is not shown."""
        return bool(self.restrictions & Restriction.WITHHELD)

    def own_text(self) -> str:
        """Return the author's own words."""
        return own_text(self.body, paired(self.own_spans))

    def version(self) -> tuple[object, ...]:
        """Return what its shown form depends on."""
        shown = (self.subject, self.from_name, self.from_address, self.sent_at, self.utc_offset)
        place = (self.restrictions, self.thread, tuple(self.list_ids))
        return (self.id, self.text_state, *shown, *place)


class ThreadState(NamedTuple):
    """What a thread has, to one reader.

    `first` is the Message-ID that it has its address of, `told` how many messages the reader may know of, `readable`
    how many of them may be read.
    """

    oldest: int
    messages: int
    newest: int
    last: datetime
    restrictions: int
    first: str
    told: int
    readable: int


def lists(db: PostgresqlDatabase, reader: Reader) -> list[ListRow]:
    """Return the lists that the reader may know of, that with the newest message first."""
    newest, visible = visible_to(reader, "m"), visible_to(reader, "s")
    sql = LISTS.format(
        newest_visible=newest.sql or "true",
        visible=visible.sql or "true",
        looked_at=NEWEST_OF_LIST,
    )
    parameters = (*newest.parameters * 3, *visible.parameters, MOST_LISTS)
    rows = (ListRow(*row) for row in _rows(db, sql, parameters))
    found = [row for row in rows if reader.may_see_list(row.list_id)]
    return sorted(found, key=lambda one: one.newest, reverse=True)


def months_of_all(db: PostgresqlDatabase, lists: Sequence[str]) -> list[tuple[str, str, int]]:
    """Return how many messages each of the lists has in each month, in the order of the lists, oldest month first."""
    return [tuple(row) for row in _rows(db, MONTHS_OF_ALL, (list(lists),))]


def posted(
    db: PostgresqlDatabase,
    list_id: str,
    since: datetime,
    before: tuple[datetime, int],
    limit: int = IN_MONTH,
) -> list[MessageRow]:
    """Return the newest messages of a list from `since` on and before (date, id), newest first."""
    # prepare=False: a generic plan does not see how short the time is
    parameters = (list_id, since, *before, limit)
    rows = db.connection().execute(POSTED, parameters, prepare=False)
    return [MessageRow(*row) for row in rows]


def newest_readable(
    db: PostgresqlDatabase, list_id: str, reader: Reader, limit: int
) -> list[MessageRow] | None:
    """Return the newest messages of a list that the reader may read, newest first; None where the list has none.

    Behind MOST_PASSED_OVER that are closed to the reader no more are looked for.
    """
    found: list[MessageRow] = []
    before, passed, wanted = (END, 0), 0, limit
    while passed < MOST_PASSED_OVER:
        rows = posted(db, list_id, BEGINNING, before, wanted)
        if not rows and not passed:
            return None
        found += (row for row in rows if reader.may_read(row.restrictions, row.list_ids))
        if len(found) >= limit or len(rows) < wanted:
            break
        before, passed, wanted = (rows[-1].sent_at, rows[-1].id), passed + len(rows), IN_MONTH
    return found[:limit]


def posted_since(
    db: PostgresqlDatabase,
    list_id: str,
    after: tuple[datetime, int],
    until: datetime,
    limit: int,
) -> list[MessageRow]:
    """Return the messages of a list, with their texts, behind (date, id) and before `until`, oldest first."""
    sql = POSTED_SINCE.format(texts=_TEXTS)
    return [MessageRow(*row) for row in _rows(db, sql, (list_id, *after, until, limit))]


def month_states(
    db: PostgresqlDatabase, list_id: str, month: str = ""
) -> list[tuple[str, int, str]]:
    """Return what the mboxes of a list's months (or of one, "2024-03") depend on, oldest first."""
    since = month_in(month) or BEGINNING
    until = month_after(since) if month_in(month) else END
    return [
        (name, count, digest)
        for name, count, digest in _rows(db, MONTH_STATES, (list_id, since, until))
    ]


def state_of(db: PostgresqlDatabase, messages: Sequence[int]) -> tuple[int, str]:
    """Return what an mbox of these messages depends on."""
    sql = f"SELECT {_STATE} FROM message AS m WHERE m.id = ANY(%s)"  # noqa: S608 - ours
    count, digest = _rows(db, sql, (list(messages),))[0]
    return count, digest


def at_hash(db: PostgresqlDatabase, message_hash: str) -> list[MessageRow]:
    """Return the messages whose Message-ID has this hash, oldest first, visible or not."""
    return _at_hash(db, MESSAGES, message_hash)


def heads_at_hash(db: PostgresqlDatabase, message_hash: str) -> list[MessageRow]:
    """Return the same messages without their texts."""
    return _at_hash(db, HEADS, message_hash)


def _at_hash(db: PostgresqlDatabase, select: str, message_hash: str) -> list[MessageRow]:
    number = permalink_in(message_hash)
    if number is None:
        return []
    found = _rows(db, f"{select} m.permalink = %s ORDER BY m.sent_at, m.id", (number,))
    rows = [MessageRow(*row) for row in found]
    return [row for row in rows if row.hash == message_hash.upper()]


def thread_state(db: PostgresqlDatabase, thread: int, reader: Reader) -> ThreadState:
    """Sum up a thread by a look at all its messages; its address is that of one that the reader may know of."""
    told, visible = visible_to(reader.told(), "m"), visible_to(reader, "m")
    sql = THREAD_STATE.format(told=told.sql or "true", visible=visible.sql or "true")
    parameters = (*told.parameters * 2, *visible.parameters, thread)
    return ThreadState(*_rows(db, sql, parameters)[0])


def thread_messages(
    db: PostgresqlDatabase, thread: int, after: tuple[datetime, int], limit: int = IN_THREAD
) -> list[MessageRow]:
    """Return the messages of a thread behind (date, id), oldest first, visible or not."""
    return [MessageRow(*row) for row in _rows(db, THREAD, (thread, *after, limit))]


def newest_of_thread(
    db: PostgresqlDatabase, thread: int, reader: Reader, limit: int
) -> list[MessageRow]:
    """Return the newest messages of a thread that the reader may read, newest first."""
    visible = visible_to(reader, "m")
    sql = (
        f"{MESSAGES} l.thread = %s AND {visible.sql or 'true'} "
        "ORDER BY m.sent_at DESC, m.id DESC LIMIT %s"
    )
    parameters = (thread, *visible.parameters, limit)
    return [MessageRow(*row) for row in _rows(db, sql, parameters)]


def with_texts(db: PostgresqlDatabase, messages: Sequence[int]) -> list[MessageRow]:
    """Return these messages with their texts, newest first."""
    sql = f"{MESSAGES} m.id = ANY(%s) ORDER BY m.sent_at DESC, m.id DESC"
    return [MessageRow(*row) for row in _rows(db, sql, (list(messages),))]


def newest_of(db: PostgresqlDatabase, messages: Sequence[int], limit: int) -> list[MessageRow]:
    """Return the newest of these messages with their texts, newest first."""
    sql = f"{MESSAGES} m.id = ANY(%s) ORDER BY m.sent_at DESC, m.id DESC LIMIT %s"
    return [MessageRow(*row) for row in _rows(db, sql, (list(messages), limit))]


def whole_threads(db: PostgresqlDatabase, messages: Sequence[int], limit: int) -> list[int]:
    """Return all messages of the threads of these, visible or not: thread by thread, oldest first."""
    return [row[0] for row in _rows(db, WHOLE_THREADS, (list(messages), limit))]


def repeats(db: PostgresqlDatabase, messages: Sequence[int]) -> dict[int, int]:
    """Return of the messages that share their Message-ID with an older one which they are: 2 for the second."""
    return dict(_rows(db, REPEATS, (list(messages),)))


def outline(db: PostgresqlDatabase, thread: int) -> list[MessageRow]:
    """Return the headers of a thread, oldest first, visible or not."""
    return [MessageRow(*row) for row in _rows(db, OUTLINE, (thread, IN_OUTLINE))]


def _rows(db: PostgresqlDatabase, sql: str, parameters: Sequence[object]) -> list[Any]:
    return db.connection().execute(sql, parameters).fetchall()
